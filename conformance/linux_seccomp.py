"""config-linux.md: seccomp: actions, errno codes, flags and architectures.

The call that rules are about is kill(2) of the shell's own pid, with signals that are ignored by default: its name and
its arguments are the same on every architecture, and the shell says the error's name.
"""

import platform
from pathlib import Path
from typing import Any

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need

SECTION = "config-linux.md#seccomp"
SECCOMP = "linux.seccomp"
RULE = f"{SECCOMP}.syscalls[]"
KILL = "kill -18 $$ && echo sent; echo alive"
AGAIN, NOT_PERMITTED, NOT_IMPLEMENTED = "temporarily unavailable", "not permitted", "not implemented"
SIGSYS = 31


def filtered(runtime: Runtime, script: str, *rules: dict[str, Any], **members: Any) -> str:
    """What a shell script prints under a filter that allows all but what the rules say."""
    document = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **members}
    runtime.config["linux"]["seccomp"] = document
    return runtime.prints(f"({script}) 2>&1; true")


def rule(action: str, *args: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"names": ["kill"], "action": action, **({"args": list(args)} if args else {}), **members}


def errno(said: str, words: str) -> None:
    check(words in said.lower(), f"the error is {said!r}")
    check("sent" not in said, "the call went through")


@case(SECTION, "MUST", "a filter is in force", SECCOMP)
def seccomp_in_force(runtime: Runtime) -> None:
    found = filtered(runtime, "grep Seccomp: /proc/self/status", rule("SCMP_ACT_ERRNO"))
    check(found.split() == ["Seccomp:", "2"], f"the status says {found!r}")


@case(SECTION, "MUST", "without seccomp there is no filter", SECCOMP)
def seccomp_absent(runtime: Runtime) -> None:
    found = runtime.prints("grep Seccomp: /proc/self/status").split()
    outside = Path("/proc/self/status").read_text().partition("\nSeccomp:")[2].split()[0]
    check(found == ["Seccomp:", outside], f"the status says {found}")


@case(SECTION, "MUST", "ERRNO gives errnoRet", f"{RULE}.action", f"{RULE}.errnoRet", f"{RULE}.names")
def seccomp_errno(runtime: Runtime) -> None:
    errno(filtered(runtime, KILL, rule("SCMP_ACT_ERRNO", errnoRet=11)), AGAIN)


@case(SECTION, "MUST", "ERRNO without errnoRet gives EPERM", f"{RULE}.errnoRet")
def seccomp_errno_default(runtime: Runtime) -> None:
    errno(filtered(runtime, KILL, rule("SCMP_ACT_ERRNO")), NOT_PERMITTED)


@case(SECTION, "MUST", "an errnoRet of 0 feigns success", f"{RULE}.errnoRet")
def seccomp_errno_zero(runtime: Runtime) -> None:
    # SIGKILL to a child, which lives on.
    script = "sleep 1000 & kill -9 $! && echo feigned; test -d /proc/$! && echo lives"
    found = filtered(runtime, script, rule("SCMP_ACT_ERRNO", errnoRet=0))
    check(found.split() == ["feigned", "lives"], f"it said {found!r}")


@case(SECTION, "MUST", "each name of a rule is one", f"{RULE}.names")
def seccomp_names(runtime: Runtime) -> None:
    rules = {"names": ["mkdir", "mkdirat", "kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11}
    said = filtered(runtime, f"mkdir /new; {KILL}", rules)
    check(said.lower().count(AGAIN) == 2 and "sent" not in said, f"it said {said!r}")


def deadly(action: str) -> None:
    def run(runtime: Runtime) -> None:
        # A handler would be of no use: the kernel kills.
        said = filtered(runtime, f"sh -c 'trap \"echo caught\" SYS; {KILL}'; echo $?", rule(action))
        check("alive" not in said and "caught" not in said, f"the process lives: {said!r}")
        check(said.split()[-1] == str(128 + SIGSYS), f"its status is {said.split()[-1]}")

    run.__name__ = f"seccomp_{action.removeprefix('SCMP_ACT_').lower()}"
    case(SECTION, "MUST", f"{action} kills", f"{RULE}.action")(run)


DEADLY = ("SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD")
for each in DEADLY:
    deadly(each)


@case(SECTION, "MUST", "SCMP_ACT_TRAP sends SIGSYS, which may be handled", f"{RULE}.action")
def seccomp_trap(runtime: Runtime) -> None:
    said = filtered(runtime, f"trap 'echo caught' SYS; {KILL}", rule("SCMP_ACT_TRAP"))
    check("caught" in said and "alive" in said, f"it said {said!r}")


@case(SECTION, "MUST", "SCMP_ACT_TRACE without a tracer gives ENOSYS", f"{RULE}.action")
def seccomp_trace(runtime: Runtime) -> None:
    errno(filtered(runtime, KILL, rule("SCMP_ACT_TRACE", errnoRet=11)), NOT_IMPLEMENTED)


@case(SECTION, "MUST", "SCMP_ACT_LOG lets the call through", f"{RULE}.action")
def seccomp_log(runtime: Runtime) -> None:
    said = filtered(runtime, f"grep Seccomp: /proc/self/status; {KILL}", rule("SCMP_ACT_LOG"))
    check(said.split() == ["Seccomp:", "2", "sent", "alive"], f"it said {said!r}")


@case(SECTION, "MUST", "SCMP_ACT_ALLOW is an exception to the default", f"{RULE}.action", f"{SECCOMP}.defaultAction")
def seccomp_allow(runtime: Runtime) -> None:
    # All is logged, which shows nowhere, but for one argument that isn't.
    sigchld = {"index": 1, "value": 17, "op": "SCMP_CMP_EQ"}
    sigcont = {"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}
    rules = [rule("SCMP_ACT_ALLOW", sigchld), rule("SCMP_ACT_ERRNO", sigcont)]
    said = filtered(runtime, "kill -17 $$ && echo sent; kill -18 $$", *rules, defaultAction="SCMP_ACT_LOG")
    check(said.startswith("sent\n") and NOT_PERMITTED in said.lower(), f"it said {said!r}")


@case(SECTION, "MUST", "defaultAction is for calls that no rule names", f"{SECCOMP}.defaultAction")
def seccomp_default_action(runtime: Runtime) -> None:
    said = filtered(runtime, KILL, {"names": NEEDED, "action": "SCMP_ACT_ALLOW"}, defaultAction="SCMP_ACT_ERRNO")
    errno(said, NOT_PERMITTED)
    check("alive" in said, f"it said {said!r}")


@case(SECTION, "MUST", "defaultErrnoRet is the default action's", f"{SECCOMP}.defaultErrnoRet", since="1.1.0")
def seccomp_default_errno(runtime: Runtime) -> None:
    names = {"names": NEEDED, "action": "SCMP_ACT_ALLOW"}
    said = filtered(runtime, KILL, names, defaultAction="SCMP_ACT_ERRNO", defaultErrnoRet=11)
    errno(said, AGAIN)


# What the shell needs, and a runtime between loading the filter and executing the program.
NEEDED = """
access arch_prctl brk capget capset chdir clone clone3 close close_range connect dup dup2 dup3 epoll_create1 epoll_ctl
epoll_pwait eventfd2 execve execveat exit exit_group faccessat faccessat2 fchdir fchown fcntl fork fstat fstatfs futex
getcwd getdents64 getegid geteuid getgid getpgid getpgrp getpid getppid getrandom getrlimit getsockopt gettid getuid
ioctl lseek lstat madvise mmap mprotect mremap munmap nanosleep newfstatat open openat openat2 pipe pipe2 poll ppoll
prctl pread64 prlimit64 pselect6 read readlink readlinkat readv recvfrom recvmsg restart_syscall rseq rt_sigaction
rt_sigprocmask rt_sigreturn rt_sigsuspend sched_getaffinity sched_yield seccomp sendmsg sendto set_robust_list
set_tid_address setgid setgroups setpgid setresgid setresuid setsid setuid sigaltstack socket stat statfs statx
sysinfo tgkill time times umask uname unlink unlinkat vfork wait4 waitid write writev accept accept4 keyctl shutdown
""".split()  # noqa: SIM905


def refused(runtime: Runtime, *rules: dict[str, Any], **members: Any) -> None:
    document = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **members}
    runtime.config["linux"]["seccomp"] = {name: value for name, value in document.items() if value is not None}
    runtime.refused()


@case(SECTION, "MUST", "errnoRet for an action that takes none is an error", f"{RULE}.errnoRet")
def seccomp_errno_unfit(runtime: Runtime) -> None:
    for action in ("SCMP_ACT_KILL", "SCMP_ACT_TRAP", "SCMP_ACT_LOG"):
        refused(runtime, rule(action, errnoRet=11))


@case(SECTION, "MUST", "defaultErrnoRet for an action that takes none is an error", f"{SECCOMP}.defaultErrnoRet",
      since="1.1.0")  # fmt: skip
def seccomp_default_errno_unfit(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO"), defaultErrnoRet=11)


@case(SECTION, "MUST", "an action that isn't one is an error", f"{RULE}.action", f"{SECCOMP}.defaultAction")
def seccomp_action_unknown(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_SHRUG"))
    refused(runtime, defaultAction="SCMP_ACT_SHRUG")


@case(SECTION, "MUST", "defaultAction, and names and action of a rule, are required", f"{SECCOMP}.defaultAction",
      f"{RULE}.names", f"{RULE}.action")  # fmt: skip
def seccomp_incomplete(runtime: Runtime) -> None:
    refused(runtime, defaultAction=None)
    refused(runtime, {"names": ["kill"]})
    refused(runtime, {"action": "SCMP_ACT_ERRNO"})


@case(SECTION, "MUST", "names without an entry are an error", f"{RULE}.names")
def seccomp_names_empty(runtime: Runtime) -> None:
    refused(runtime, {"names": [], "action": "SCMP_ACT_ERRNO"})


FLAGS = {"TSYNC": (3, 17), "LOG": (4, 14), "SPEC_ALLOW": (4, 17), "WAIT_KILLABLE_RECV": (5, 19)}


def flag(name: str) -> None:
    def run(runtime: Runtime) -> None:
        need(host.kernel(*FLAGS[name]), f"this kernel has no SECCOMP_FILTER_FLAG_{name}")
        errno(filtered(runtime, KILL, rule("SCMP_ACT_ERRNO"), flags=[f"SECCOMP_FILTER_FLAG_{name}"]), NOT_PERMITTED)

    run.__name__ = f"seccomp_flag_{name.lower()}"
    since = {"SPEC_ALLOW": "1.0.2", "WAIT_KILLABLE_RECV": "1.1.0"}.get(name, "1.0.2")
    case(SECTION, "MUST", f"SECCOMP_FILTER_FLAG_{name} may be asked for", f"{SECCOMP}.flags", since=since)(run)


for each in FLAGS:
    flag(each)


@case(SECTION, "MUST", "a flag that isn't one is an error", f"{SECCOMP}.flags")
def seccomp_flag_unknown(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO"), flags=["SECCOMP_FILTER_FLAG_MAGIC"])


OWN = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64", "s390x": "SCMP_ARCH_S390X",
       "ppc64le": "SCMP_ARCH_PPC64LE", "riscv64": "SCMP_ARCH_RISCV64", "armv7l": "SCMP_ARCH_ARM",
       "i686": "SCMP_ARCH_X86"}  # fmt: skip
NAMES = ("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32",
         "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64")  # fmt: skip


@case(SECTION, "MUST", "rules are for the machine's own architecture", f"{SECCOMP}.architectures")
def seccomp_own_architecture(runtime: Runtime) -> None:
    need(platform.machine() in OWN, "this machine's architecture isn't known to the case")
    said = filtered(runtime, KILL, rule("SCMP_ACT_ERRNO"), architectures=[OWN[platform.machine()]])
    errno(said, NOT_PERMITTED)


@case(SECTION, "MUST", "each architecture of the list may be asked for", f"{SECCOMP}.architectures")
def seccomp_architectures(runtime: Runtime) -> None:
    own = OWN.get(platform.machine(), "SCMP_ARCH_X86_64")
    # One at a time: a filter has architectures of one byte order.
    for name in NAMES:
        runtime.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": [own, f"SCMP_ARCH_{name}"] if same_order(name) else [f"SCMP_ARCH_{name}"],
            "syscalls": [rule("SCMP_ACT_ERRNO")],
        }
        runtime.bundle.write()
        done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        check(done.returncode == 0 or byte_order(done.stderr), f"{name}: {done.stderr.strip()}")
        runtime("delete", "--force", runtime.container_id)


def same_order(name: str) -> bool:
    return name not in ("MIPS", "MIPS64", "MIPS64N32", "PPC", "PPC64", "S390", "S390X", "PARISC", "PARISC64")


def byte_order(error: str) -> bool:
    """libseccomp adds no architecture of the other byte order to the machine's own: EDOM."""
    words = ("endian", "byte order", "numerical argument", "errno -33", "add_arch", "arch_add", "seccomp architecture")
    return any(word in error.lower() for word in words)


@case(SECTION, "MUST", "an architecture that isn't one is an error", f"{SECCOMP}.architectures")
def seccomp_architecture_unknown(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO"), architectures=["SCMP_ARCH_ABACUS"])


sentence(SECTION, "MUST", "calls are filtered", "seccomp_in_force", "seccomp_absent")
defaults = ("seccomp_default_action", "seccomp_action_unknown", "seccomp_incomplete")
sentence(SECTION, "MUST", "defaultAction is required, and is the default", *defaults)
sentence(SECTION, "MUST", "defaultErrnoRet is the default action's", "seccomp_default_errno")
unfit = ("seccomp_errno_unfit", "seccomp_default_errno_unfit")
sentence(SECTION, "MUST", "an errno code for an action without one is an error", *unfit)
sentence(SECTION, "MUST", "an errno code is EPERM by default", "seccomp_errno_default")
machines = ("seccomp_own_architecture", "seccomp_architectures", "seccomp_architecture_unknown")
sentence(SECTION, "MUST", "architectures are those of the list", *machines)
flags = [f"seccomp_flag_{name.lower()}" for name in FLAGS]
sentence(SECTION, "MUST", "flags are those of the list", "seccomp_flag_unknown", *flags)
sentence(SECTION, "MUST", "names is required", "seccomp_names", "seccomp_incomplete")
sentence(SECTION, "MUST", "names has an entry", "seccomp_names_empty")
actions = [f"seccomp_{name}" for name in ("errno", "errno_zero", "trap", "trace", "log", "allow")]
killers = [f"seccomp_{name.removeprefix('SCMP_ACT_').lower()}" for name in DEADLY]
sentence(SECTION, "MUST", "action is required, one of nine", *actions, *killers)
