"""Syscalls newer than the profile: the stub in front of the filter."""

import errno
import struct

import pyseccomp
import pytest

from ocipy.seccomp import compile_filter
from ocipy.seccomp.bpf import enosys_stub

X86_64, X86, X32 = pyseccomp.Arch.X86_64, pyseccomp.Arch.X86, pyseccomp.Arch.X32
X32_BIT = 0x40000000
ALLOW = 0x7FFF0000
EPERM = 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS
RETURN_ALLOW = struct.pack("=HBBI", 0x06, 0, 0, ALLOW)


def profile_of(default, names, architectures=("SCMP_ARCH_X86_64",), **more):
    allow = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
    return {"defaultAction": default, "architectures": list(architectures), "syscalls": [allow], **more}


@pytest.mark.parametrize(
    ("default", "older"),
    [
        ("SCMP_ACT_ERRNO", EPERM),
        ("SCMP_ACT_KILL", 0),
        ("SCMP_ACT_KILL_THREAD", 0),
        ("SCMP_ACT_KILL_PROCESS", 0x80000000),
        ("SCMP_ACT_TRAP", 0x00030000),
    ],
)
def test_strict_defaults_have_the_stub(bpf_interpret, default, older):
    bpf = compile_filter(profile_of(default, ["mkdir", "openat"])).bpf
    highest = pyseccomp.resolve_syscall(X86_64, "openat")
    assert bpf_interpret(bpf, X86_64, highest) == ALLOW
    assert bpf_interpret(bpf, X86_64, highest - 1) == older
    assert bpf_interpret(bpf, X86_64, highest + 1) == ENOSYS
    assert bpf_interpret(bpf, X86_64, 0x3FFFFFFF) == ENOSYS


@pytest.mark.parametrize(
    ("default", "newer"),
    [("SCMP_ACT_LOG", 0x7FFC0000), ("SCMP_ACT_TRACE", 0x7FF00000 | errno.EPERM)],
)
def test_permissive_defaults_have_none(bpf_interpret, default, newer):
    bpf = compile_filter(profile_of(default, ["mkdir"])).bpf
    assert bpf_interpret(bpf, X86_64, 1000) == newer


def test_allow_by_default_has_none(bpf_interpret):
    seccomp = profile_of("SCMP_ACT_ALLOW", [])
    seccomp["syscalls"] = [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]
    assert bpf_interpret(compile_filter(seccomp).bpf, X86_64, 1000) == ALLOW


def test_default_of_enosys_needs_none():
    with_stub = compile_filter(profile_of("SCMP_ACT_ERRNO", ["mkdir"])).bpf
    without = compile_filter(profile_of("SCMP_ACT_ERRNO", ["mkdir"], defaultErrnoRet=errno.ENOSYS)).bpf
    assert len(with_stub) - len(without) == len(enosys_stub({X86_64: 83}))


def test_a_denied_name_counts_as_known(bpf_interpret):
    seccomp = profile_of("SCMP_ACT_ERRNO", ["mkdir"])
    seccomp["syscalls"].append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7})
    bpf = compile_filter(seccomp).bpf
    clone3 = pyseccomp.resolve_syscall(X86_64, "clone3")
    assert bpf_interpret(bpf, X86_64, clone3) == 0x00050000 | 7
    assert bpf_interpret(bpf, X86_64, clone3 - 1) == EPERM
    assert bpf_interpret(bpf, X86_64, clone3 + 1) == ENOSYS


def test_each_architecture_has_its_own_limit(bpf_interpret):
    architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    names = ["mkdirat", "fchmod", "no_such_call"]
    bpf = compile_filter(profile_of("SCMP_ACT_ERRNO", names, architectures)).bpf
    tokens = {X86_64: X86_64, X86: X86, X32: X86_64, **{a: a for a in (pyseccomp.Arch.AARCH64, pyseccomp.Arch.ARM)}}
    for token, kernel_arch in tokens.items():
        highest = max(pyseccomp.resolve_syscall(token, name) for name in names)
        assert bpf_interpret(bpf, kernel_arch, highest) == ALLOW, hex(token)
        assert bpf_interpret(bpf, kernel_arch, highest + 1) == ENOSYS, hex(token)
        assert bpf_interpret(bpf, kernel_arch, pyseccomp.resolve_syscall(token, "chdir")) == EPERM, hex(token)


def test_x32_call_is_not_newer_where_only_x86_64_is_listed(bpf_interpret):
    # It is of another architecture: libseccomp's action for those (kill) must stay.
    bpf = compile_filter(profile_of("SCMP_ACT_ERRNO", ["mkdir"])).bpf
    assert bpf_interpret(bpf, X86_64, X32_BIT + 83) == 0
    assert bpf_interpret(bpf, X86_64, X32_BIT + 500) == 0


def test_architecture_without_any_known_name_has_no_limit(bpf_interpret):
    # arch_prctl is not a syscall of ARM.
    seccomp = profile_of("SCMP_ACT_ERRNO", ["arch_prctl"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_ARM"])
    assert bpf_interpret(compile_filter(seccomp).bpf, pyseccomp.Arch.ARM, 1000) == EPERM


def test_the_stub_reaches_the_filter_for_an_unlisted_architecture(bpf_interpret):
    assert bpf_interpret(enosys_stub({X86_64: 10}) + RETURN_ALLOW, X86, 1000) == ALLOW


def test_no_architecture_no_stub():
    assert enosys_stub({}) == b""


@pytest.mark.parametrize("token", [pyseccomp.Arch.S390, pyseccomp.Arch.S390X])
def test_multiplexing_syscall_of_s390(bpf_interpret, token):
    program = enosys_stub({token: 300}) + RETURN_ALLOW
    assert bpf_interpret(program, token, 0) == ENOSYS
    assert bpf_interpret(program, token, 1) == ALLOW
    assert bpf_interpret(program, token, 300) == ALLOW
    assert bpf_interpret(program, token, 301) == ENOSYS


def test_many_architectures(bpf_interpret):
    # More than a conditional jump could skip at once.
    limits = {0x1000 + index: index for index in range(1, 120)} | {X86_64: 450, X32: X32_BIT + 547}
    program = enosys_stub(limits) + RETURN_ALLOW
    for token, limit in limits.items():
        arch = X86_64 if token == X32 else token
        assert bpf_interpret(program, arch, limit) == ALLOW
        assert bpf_interpret(program, arch, limit + 1) == ENOSYS
    assert bpf_interpret(program, 0xBAD, 10**6) == ALLOW
