"""linux.seccomp, value by value: every action, operator, architecture and flag, by what a program meets with."""

import ctypes
import errno
import json
import operator
import os
import platform
import signal
import struct
import subprocess
import threading
from pathlib import Path

import pyseccomp
import pytest

from ocipy.seccomp.names import ARCHITECTURES
from tests.system.looking import set_linux, set_process, together

pytestmark = [
    pytest.mark.root,
    pytest.mark.tool("cc"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the program makes its calls by hand"),
]

KILLED = 128 + signal.SIGSYS
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
GETPPID, GETPPID_I386 = 110, 64  # arch/x86/entry/syscalls: takes no argument, so any may be given
EVERY_ACTION = ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"]


@pytest.fixture(scope="session")
def calls(workplace):
    program = workplace / "calls"
    source = Path(__file__).parent / "programs/calls.c"
    subprocess.run(["cc", "-static", "-O1", "-pthread", source, "-o", program], check=True)
    return program


@pytest.fixture
def call(ocipy, bundle, calls):
    """``call(profile, way, number, *arguments)``: (exit status, what it printed)."""

    def run(profile, *arguments, no_new_privileges=True):
        path = make(bundle, calls, profile, *arguments, no_new_privileges=no_new_privileges)
        done = ocipy.run(path)
        assert not done.stderr
        return done.returncode, done.stdout.strip()

    return run


def make(bundle, calls, profile, *arguments, no_new_privileges=True):
    mount = {"destination": "/dev/shm", "source": str(calls.parent), "options": ["bind", "ro"]}
    change = together(
        set_linux(seccomp=profile),
        set_process(noNewPrivileges=no_new_privileges),
        lambda config: config["mounts"].append(mount),
    )
    return bundle("/dev/shm/calls", *map(str, arguments), change=change)


def rule(action, *names, **more):
    return {"names": list(names) or ["getppid"], "action": f"SCMP_ACT_{action}", **more}


def allowing_but(*rules, **more):
    return {"defaultAction": ALLOW, "syscalls": list(rules)} | more


OUTCOMES = {
    "KILL": (KILLED, ""),
    "KILL_PROCESS": (KILLED, ""),
    "KILL_THREAD": (KILLED, ""),
    "TRAP": (KILLED, ""),
    "ERRNO": (0, str(-errno.EPERM)),
    "TRACE": (0, str(-errno.ENOSYS)),  # without a tracer
    "ALLOW": (0, "0"),
    "LOG": (0, "0"),
}


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("action", EVERY_ACTION)
def test_actions(call, action, no_new_privileges):
    profile = allowing_but(rule(action)) if action != "ALLOW" else strict(rule(action))
    found = call(profile, "plain", GETPPID, no_new_privileges=no_new_privileges)
    assert found == OUTCOMES[action]


# What a static program and its libc call, and init between a filter loaded without no_new_privs and the program.
NEEDED = ["execve", "brk", "arch_prctl", "mmap", "munmap", "mprotect", "set_tid_address", "set_robust_list", "rseq",
          "prlimit64", "readlinkat", "readlink", "getrandom", "newfstatat", "write", "writev", "ioctl", "exit",
          "exit_group", "uname", "futex", "rt_sigaction", "rt_sigprocmask"]  # fmt: skip


def strict(*rules, **more):
    """As an engine's profile: what isn't named is denied."""
    setup = ["prctl", "umask", "chdir", "getcwd", "setgroups", "setresuid", "setresgid", "capset", "capget", "stat",
             "faccessat2", "access", "close_range", "sendto", "recvfrom", "accept", "accept4", "close", "open",
             "openat", "read", "fstat", "lseek", "rt_sigreturn", "fcntl", "sched_yield"]  # fmt: skip
    return {"defaultAction": ERRNO, "syscalls": [*rules, rule("ALLOW", *NEEDED, *setup)]} | more


@pytest.mark.parametrize("action", [action for action in EVERY_ACTION if action != "ALLOW"])
def test_default_actions(call, action):
    profile = {"defaultAction": f"SCMP_ACT_{action}", "syscalls": [rule("ALLOW", *NEEDED)]}
    # A call above all that are named returns ENOSYS where unknown ones are denied; that isn't one.
    assert call(profile, "plain", GETPPID) == OUTCOMES[action]


@pytest.mark.parametrize(("action", "survives"), [("KILL", True), ("KILL_THREAD", True), ("KILL_PROCESS", False)])
def test_a_thread_or_the_process(call, action, survives):
    status, said = call(allowing_but(rule(action)), "thread", GETPPID)
    assert (status, said) == ((0, "survived") if survives else (KILLED, ""))


def test_a_handler_for_the_trap(call):
    assert call(allowing_but(rule("TRAP")), "trap", GETPPID) == (0, f"trapped {signal.SIGSYS} {GETPPID} 0")


@pytest.mark.parametrize("value", [0, 1, errno.EXDEV, 4094])
def test_errno(call, value):
    assert call(allowing_but(rule("ERRNO", errnoRet=value)), "plain", GETPPID) == (0, str(-value))
    assert call(strict(defaultErrnoRet=value), "plain", GETPPID) == (0, str(-value))


@pytest.mark.parametrize("action", ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ALLOW", "LOG", "NOTIFY"])
def test_an_action_that_takes_no_errno(ocipy, bundle, calls, action):
    """config-linux.md: the runtime must print an error and fail."""
    profile = strict(rule(action, errnoRet=1), listenerPath="/nowhere")
    line = ocipy.refused(make(bundle, calls, profile, "plain", GETPPID))
    assert f"/linux/seccomp/syscalls/0/errnoRet: SCMP_ACT_{action} takes no errno" in line
    profile = allowing_but(defaultErrnoRet=1, listenerPath="/nowhere") | {"defaultAction": f"SCMP_ACT_{action}"}
    line = ocipy.refused(make(bundle, calls, profile, "plain", GETPPID))
    assert f"/linux/seccomp/defaultErrnoRet: SCMP_ACT_{action} takes no errno" in line


OPERATORS = {
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}


@pytest.mark.parametrize("index", [0, 5])
@pytest.mark.parametrize("op", OPERATORS)
def test_operators(call, op, index):
    value = 2**32 + 5
    profile = allowing_but(rule("ERRNO", args=[{"index": index, "value": value, "op": op}]))
    for actual in (value - 2**32, value, value + 1):
        arguments = [0] * index + [actual]
        expected = -errno.EPERM if OPERATORS[op](actual, value) else 0
        assert call(profile, "plain", GETPPID, *arguments) == (0, str(expected)), actual


@pytest.mark.parametrize(
    ("actual", "denied"), [(0x1234, True), (0xFF12FF34, False), (0x12FF0034, True), (0x1235, False)]
)
def test_masked_equal(call, actual, denied):
    """``value`` is the mask, ``valueTwo`` what the masked argument is compared with."""
    condition = {"index": 1, "value": 0xFF00FFFF, "valueTwo": 0x12000034 if actual > 0xFFFF else 0x1234,
                 "op": "SCMP_CMP_MASKED_EQ"}  # fmt: skip
    profile = allowing_but(rule("ERRNO", args=[condition]))
    assert call(profile, "plain", GETPPID, 0, actual) == (0, str(-errno.EPERM if denied else 0))


def test_conditions_hold_together(call):
    conditions = [{"index": i, "value": i + 1, "op": "SCMP_CMP_EQ"} for i in range(3)]
    profile = allowing_but(rule("ERRNO", args=conditions))
    assert call(profile, "plain", GETPPID, 1, 2, 3) == (0, str(-errno.EPERM))
    assert call(profile, "plain", GETPPID, 1, 2, 4) == (0, "0")


@pytest.mark.parametrize("listed", [True, False])
def test_the_32_bit_calls(call, listed):
    """A rule is for every architecture listed, by the number it has there; another architecture isn't let through."""
    architectures = ["SCMP_ARCH_X86_64"] + ["SCMP_ARCH_X86"] * listed
    profile = allowing_but(rule("ERRNO", errnoRet=errno.EXDEV), architectures=architectures)
    assert call(profile, "plain", GETPPID) == (0, str(-errno.EXDEV))
    assert call(profile, "i386", GETPPID_I386) == ((0, str(-errno.EXDEV)) if listed else (KILLED, ""))
    assert call(profile, "i386", 20)[0] == (0 if listed else KILLED)  # getpid


@pytest.mark.parametrize("listed", [True, False])
def test_the_x32_calls(call, listed):
    architectures = ["SCMP_ARCH_X86_64"] + ["SCMP_ARCH_X32"] * listed
    profile = allowing_but(rule("ERRNO", errnoRet=errno.EXDEV), architectures=architectures)
    assert call(profile, "plain", 0x40000000 + GETPPID) == ((0, str(-errno.EXDEV)) if listed else (KILLED, ""))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(ocipy, bundle, calls, name):
    """Each of the specification's is taken, or refused with the reason: the library's age, or the byte order."""
    profile = allowing_but(rule("ERRNO"), architectures=["SCMP_ARCH_X86_64", name])
    path = make(bundle, calls, profile, "plain", GETPPID)
    program = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    try:
        program.add_arch(ARCHITECTURES[name])
    except OSError as problem:
        known = problem.errno == errno.EEXIST
    else:
        known = True
    if known:
        assert ocipy.run(path, status=0).stdout == f"{-errno.EPERM}\n"
        return
    line = ocipy.refused(path)
    assert f"/linux/seccomp/architectures/1: {name}: " in line
    assert "doesn't know it" in line or "its byte order is not the machine's" in line


FLAGS = {"LOG": 2, "SPEC_ALLOW": 4, "TSYNC": 0, "WAIT_KILLABLE_RECV": 0}  # the last two: see test_seccomp_kernel.py


@pytest.mark.parametrize("flags", [None, [], ["LOG"], ["SPEC_ALLOW"], ["TSYNC"], ["LOG", "SPEC_ALLOW", "TSYNC"],
                                   ["WAIT_KILLABLE_RECV"]])  # fmt: skip
def test_flags(ocipy, bundle, calls, flags):
    more = {} if flags is None else {"flags": [f"SECCOMP_FILTER_FLAG_{flag}" for flag in flags]}
    path = make(bundle, calls, allowing_but(rule("ERRNO"), **more), "plain", GETPPID)
    steps = json.loads(ocipy("plan", "--bundle", path, "--format", "json", status=0).stdout)
    (step,) = [step for step in steps if step["step"] == "seccomp"]
    expected = FLAGS["SPEC_ALLOW"] if flags is None else sum(FLAGS[flag] for flag in flags)
    assert step["values"]["flags"] == expected
    assert ocipy.run(path, status=0).stdout == f"{-errno.EPERM}\n"


class Traced:
    """A created container's init, held by ptrace(2) from this thread; its start runs in another."""

    SEIZE, CONT, INTERRUPT, GETEVENTMSG, SECCOMP_GET_METADATA = 0x4206, 7, 0x4207, 0x4201, 0x420D
    TRACESECCOMP, EVENT_SECCOMP = 0x80, 7

    def __init__(self, ocipy, path):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long] * 4
        self._container = ocipy.create(path)
        self.pid = ocipy.pid(self._container)
        self._ptrace(self.SEIZE, 0, self.TRACESECCOMP)
        self._starter = threading.Thread(target=lambda: ocipy("start", self._container, status=0))
        self._starter.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        while not os.WIFSIGNALED(os.waitpid(self.pid, 0)[1]):
            pass
        self._starter.join()

    def _ptrace(self, request, address, data):
        if self._libc.ptrace(request, self.pid, address, data) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def go_on(self):
        self._ptrace(self.CONT, 0, 0)

    def wait_seccomp(self):
        """Run on to the next call whose action is TRACE: the 16 bits of its errno."""
        while True:
            _, status = os.waitpid(self.pid, 0)
            assert os.WIFSTOPPED(status), status
            if status >> 16 == self.EVENT_SECCOMP:
                break
            self.go_on()
        message = ctypes.c_ulong()
        self._ptrace(self.GETEVENTMSG, 0, ctypes.addressof(message))
        return message.value

    def filter_flags(self):
        """The flags of the process's filter that the kernel tells (LOG is the only one; ptrace(2))."""
        metadata = ctypes.create_string_buffer(struct.pack("=QQ", 0, 0))
        self._ptrace(self.SECCOMP_GET_METADATA, 16, ctypes.addressof(metadata))
        return struct.unpack("=QQ", metadata.raw[:16])[1]


@pytest.mark.parametrize(("value", "flags"), [(None, []), (7, ["SECCOMP_FILTER_FLAG_LOG"]), (65535, [])])
def test_a_tracer(ocipy, bundle, calls, value, flags):
    """It is told errnoRet, EPERM by default."""
    more = {} if value is None else {"errnoRet": value}
    path = make(bundle, calls, allowing_but(rule("TRACE", **more), flags=flags), "plain", GETPPID)
    with Traced(ocipy, path) as traced:
        assert traced.wait_seccomp() == (errno.EPERM if value is None else value)
        assert traced.filter_flags() == len(flags) * FLAGS["LOG"]
