"""Seccomp filters in the kernel: what a denied call gets, with and without no_new_privs."""

import platform

import pytest

from tests.system.looking import inside, set_capabilities, set_linux, set_process, set_user, status_field, together

pytestmark = pytest.mark.root


def profile(*rules, default="SCMP_ACT_ALLOW", **more):
    return set_linux(seccomp={"defaultAction": default, "syscalls": list(rules)} | more)


def deny(*names, errno=None, action="SCMP_ACT_ERRNO", **more):
    return {"names": list(names), "action": action} | ({"errnoRet": errno} if errno is not None else {}) | more


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_denied_call(ocipy, bundle, no_new_privileges, uid):
    change = together(
        set_process(noNewPrivileges=no_new_privileges),
        set_user(uid=uid, gid=uid),
        profile(deny("mkdir", "mkdirat", errno=95), deny("rmdir", "unlinkat")),
    )
    script = "mkdir /tmp/x; rmdir /tmp; cat /proc/self/status"
    path = bundle("sh", "-c", script, change=together(change, without_ambient))
    done = ocipy.run(path, status=0)
    assert "mkdir: can't create directory '/tmp/x': Operation not supported" in done.stderr
    assert "rmdir: '/tmp': Operation not permitted" in done.stderr
    assert status_field(done.stdout, "Seccomp") == "2"
    assert status_field(done.stdout, "NoNewPrivs") == str(int(no_new_privileges))


def without_ambient(config):
    config["process"]["capabilities"]["ambient"] = []


@pytest.mark.parametrize("names", [("sendto", "sendmsg"), ("recvfrom", "recvmsg")])
def test_calls_that_init_itself_uses_on_sockets(ocipy, bundle, names):
    """Without no_new_privs the filter is in force while init still speaks with the runtime: neither waits for ever."""
    container = ocipy.start(bundle("sleep", "1000", change=profile(deny(*names))), timeout=20)
    assert ocipy("exec", container, "echo", "there", status=0, timeout=20).stdout == "there\n"


def test_none(ocipy, bundle):
    assert status_field(inside(ocipy, bundle, "cat /proc/self/status"), "Seccomp") == "0"


def test_arguments(ocipy, bundle):
    """kill(2) with signal 9 only."""
    rule = deny("kill", errno=13, args=[{"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}])
    script = "sleep 5 & kill -9 $! 2>/dev/null || echo denied; kill -15 $! && echo allowed"
    assert inside(ocipy, bundle, script, change=profile(rule)).split() == ["denied", "allowed"]


def test_kill(ocipy, bundle):
    change = profile(deny("sethostname", action="SCMP_ACT_KILL_PROCESS"))
    change = together(change, set_capabilities("CAP_SYS_ADMIN"))
    done = ocipy.run(bundle("sh", "-c", "hostname x; echo $?", change=change), status=0)
    assert done.stdout.strip() == str(128 + 31), "SIGSYS"


def test_the_filter_need_not_allow_what_the_setup_does(ocipy, bundle):
    """With no_new_privs it is loaded as the last thing, so nothing but execve need be allowed; denied is denied."""
    change = together(profile(deny("execve", "execveat", errno=1)), set_process(noNewPrivileges=True))
    line = ocipy.fails("run", "--bundle", bundle(change=together(change, without_ambient)), ocipy.new_id())
    assert line.endswith("EPERM: operation not permitted")
    assert line.startswith("process.args: exec /bin/true") or "exec" in line
    setup = ("capset", "setresuid", "setresgid", "setgroups", "chdir", "prctl", "close_range", "umask", "accept4",
             "mount", "pivot_root")  # fmt: skip
    assert inside(ocipy, bundle, "echo runs", change=together(
        profile(deny(*setup)), set_process(noNewPrivileges=True), set_user(uid=1000))) == "runs\n"  # fmt: skip


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names its architectures")
def test_a_whitelist_with_a_profile_as_engines_have_it(ocipy, bundle):
    names = [
        "access", "arch_prctl", "brk", "close", "dup2", "execve", "exit", "exit_group", "fcntl", "fstat", "getcwd",
        "getdents64", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom", "getuid", "ioctl", "lseek",
        "mmap", "mprotect", "munmap", "newfstatat", "open", "openat", "poll", "prctl", "prlimit64", "read", "readlink",
        "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "set_robust_list", "set_tid_address", "stat", "uname",
        "write", "writev", "wait4", "clone", "fork", "vfork", "lstat", "sendfile", "sysinfo", "getpgrp", "faccessat2",
    ]  # fmt: skip
    allow = {"names": names, "action": "SCMP_ACT_ALLOW"}
    more = {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "defaultErrnoRet": 38}
    change = profile(allow, default="SCMP_ACT_ERRNO", **more)
    script = "echo works; ls / > /dev/null && echo lists; mkdir /tmp/x 2>/dev/null || echo denied"
    assert inside(ocipy, bundle, script, change=together(change, set_process(noNewPrivileges=True))).split() == [
        "works", "lists", "denied",
    ]  # fmt: skip


def test_a_denied_call_after_start_only(ocipy, bundle):
    """A filter is in force in the program, whatever the container waited for."""
    container = ocipy.create(bundle("sleep", "1000", change=together(profile(deny("mkdir")), without_ambient)))
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    with open(f"/proc/{pid}/status") as file:
        assert status_field(file.read(), "Seccomp") == "2"
