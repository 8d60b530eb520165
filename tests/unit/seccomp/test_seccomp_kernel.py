"""Filters in the kernel, in a forked child; the flags and actions the kernel has; finding libseccomp."""

import errno
import os
import signal
import subprocess
import sys

import pyseccomp
import pytest

from ocipy.seccomp import SeccompError, compile_filter, library

LOG, SPEC_ALLOW, NEW_LISTENER, WAIT_KILLABLE_RECV = 2, 4, 8, 32
ERRNO, ALLOW, NOTIFY = "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY"


def native(name):
    return pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)


def allow_but(action, *names, **more):
    return {"defaultAction": ALLOW, "syscalls": [{"names": list(names), "action": action, **more}]}


def test_denied_syscall_fails_and_others_work(run_in_child, syscall):
    compiled = compile_filter(allow_but(ERRNO, "mkdirat", errnoRet=errno.EXDEV))

    def act():
        return [syscall(native("mkdirat"), 0, 0, 0), syscall(native("getppid"))]

    assert run_in_child(compiled, act) == ["EXDEV", os.getpid()]


def test_argument_conditions(run_in_child, syscall):
    condition = {"index": 0, "value": 0x20000, "op": "SCMP_CMP_EQ"}
    compiled = compile_filter(allow_but(ERRNO, "personality", args=[condition]))

    def act():
        return [syscall(native("personality"), 0x20000), syscall(native("personality"), 0xFFFFFFFF)]

    assert run_in_child(compiled, act) == ["EPERM", 0]


def test_engine_profile_carries_a_python(run_in_child, syscall, profile):
    def act():
        with open("/proc/self/status", encoding="ascii") as status:
            mode = next(line for line in status if line.startswith("Seccomp:")).split()[1]
        calls = ("add_key", "mount", "clone3", "kexec_load")
        return [mode, *[syscall(native(name), 0, 0, 0, 0, 0) for name in calls], syscall(2000)]

    said = run_in_child(compile_filter(profile), act)
    assert said == ["2", "EPERM", "EPERM", "ENOSYS", "EPERM", "ENOSYS"]


def test_killed_process(run_in_child, syscall):
    compiled = compile_filter(allow_but("SCMP_ACT_KILL_PROCESS", "mkdirat"))
    assert run_in_child(compiled, lambda: syscall(native("mkdirat"), 0, 0, 0)) == {"signal": signal.SIGSYS}


def test_notify_gives_a_listener(run_in_child):
    compiled = compile_filter(allow_but(NOTIFY, "mkdirat") | {"listenerPath": "/run/agent", "listenerMetadata": "m"})
    assert compiled.notify
    assert compiled.flags & NEW_LISTENER
    assert (compiled.listener_path, compiled.listener_metadata) == ("/run/agent", "m")

    def act():
        return [link for fd in range(3, 64) if "seccomp" in (link := link_of(fd))]

    assert run_in_child(compiled, act) == ["anon_inode:seccomp notify"]


def link_of(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize(
    ("flags", "notify", "expected"),
    [
        (None, False, SPEC_ALLOW),
        (None, True, SPEC_ALLOW | NEW_LISTENER),
        ([], False, 0),
        (["SECCOMP_FILTER_FLAG_LOG"], False, LOG),
        (["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], False, LOG | SPEC_ALLOW),
        (["SECCOMP_FILTER_FLAG_TSYNC"], True, NEW_LISTENER),
        (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], True, NEW_LISTENER | WAIT_KILLABLE_RECV),
        (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], False, 0),
    ],
)
def test_flags(monkeypatch, run_in_child, flags, notify, expected):
    # As on a kernel that has them all; the child shows that the running one takes what it has.
    monkeypatch.setattr(library, "kernel_errno", lambda _: errno.EFAULT)
    seccomp = allow_but(NOTIFY if notify else ERRNO, "mkdirat") | {"listenerPath": "/run/agent"}
    if flags is not None:
        seccomp["flags"] = flags
    compiled = compile_filter(seccomp)
    assert (compiled.flags, compiled.notify) == (expected, notify)
    monkeypatch.undo()
    if library.kernel_errno(expected) == errno.EFAULT:
        assert run_in_child(compiled, lambda: "ran") == "ran"


def test_asking_the_kernel():
    assert library.kernel_errno(0) == errno.EFAULT
    assert library.kernel_errno(1 << 30) == errno.EINVAL


def older_kernel(monkeypatch, *unknown):
    def kernel_errno(flags):
        return errno.EINVAL if any(flags & flag for flag in unknown) else errno.EFAULT

    monkeypatch.setattr(library, "kernel_errno", kernel_errno)


def test_flag_the_kernel_does_not_have_is_refused(monkeypatch):
    older_kernel(monkeypatch, WAIT_KILLABLE_RECV)
    flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    with pytest.raises(SeccompError) as caught:
        compile_filter(allow_but(ERRNO, "mkdirat") | {"flags": flags})
    assert str(caught.value) == (
        "/linux/seccomp/flags/1: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is not available on this kernel"
        " (needs Linux 5.19)"
    )


def test_default_flag_the_kernel_does_not_have_is_left_out(monkeypatch):
    older_kernel(monkeypatch, SPEC_ALLOW)
    assert compile_filter(allow_but(ERRNO, "mkdirat")).flags == 0


def test_notify_on_a_kernel_without(monkeypatch):
    older_kernel(monkeypatch, NEW_LISTENER)
    with pytest.raises(SeccompError, match="SCMP_ACT_NOTIFY is not available on this kernel"):
        compile_filter(allow_but(NOTIFY, "mkdirat") | {"listenerPath": "/run/agent"})


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_kernel_without_seccomp(monkeypatch, code):
    monkeypatch.setattr(library, "kernel_errno", lambda _: code)
    with pytest.raises(SeccompError, match="CONFIG_SECCOMP_FILTER"):
        compile_filter(allow_but(ERRNO, "mkdirat"))


def test_no_libseccomp(monkeypatch):
    monkeypatch.delitem(sys.modules, "pyseccomp")
    monkeypatch.setattr(library, "SONAME", "libseccomp-is-not-here.so.2")
    with pytest.raises(SeccompError, match=r"libseccomp \(install it: apt install libseccomp2"):
        compile_filter(allow_but(ERRNO, "mkdirat"))


def test_no_pyseccomp(monkeypatch):
    import ctypes.util

    search = ctypes.util.find_library
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SeccompError, match="needs the Python package pyseccomp"):
        compile_filter(allow_but(ERRNO, "mkdirat"))
    assert ctypes.util.find_library is search


LOADS_WITHOUT_A_FORK = """
import sys
sys.path[:] = PATH
events = []
sys.addaudithook(lambda event, _: events.append(event) if event in WATCHED else None)
from ocipy.seccomp import library
library.load()
import ctypes.util
print(library.version(), library.path().startswith("/"), events, ctypes.util.find_library.__module__)
"""


def test_the_library_is_found_without_an_environment_or_a_fork():
    watched = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec")
    script = LOADS_WITHOUT_A_FORK.replace("PATH", repr(sys.path)).replace("WATCHED", repr(watched))
    done = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == [library.version(), "True [] ctypes.util\n"]
