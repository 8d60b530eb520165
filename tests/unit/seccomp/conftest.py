"""Two ways to run a seccomp filter: an interpreter of classic BPF, and the kernel, in a forked child."""

import ctypes
import errno
import json
import os
import struct
from pathlib import Path

import pytest

X86_64 = 0xC000003E
X86 = 0x40000003
X32_BIT = 0x40000000

ALLOW = 0x7FFF0000
LOG = 0x7FFC0000
TRACE = 0x7FF00000
NOTIFY = 0x7FC00000
ERRNO = 0x00050000
TRAP = 0x00030000
KILL_THREAD = 0x00000000
KILL_PROCESS = 0x80000000

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1


def interpret(bpf, arch, number, arguments=(), steps=None):
    """The action that a filter returns for a syscall; fails on what the kernel's verifier would refuse.

    ``steps`` is a list to put the executed positions into.
    """
    data = struct.pack("=iIQ6Q", _signed(number), arch, 0, *arguments, *[0] * (6 - len(arguments)))
    program = list(struct.iter_unpack("=HBBI", bpf))
    accumulator = 0
    position = 0
    while True:
        code, jump_true, jump_false, value = program[position]  # IndexError: ran off the end
        if steps is not None:
            steps.append(position)
        position += 1
        if code == 0x20:  # ld [k]
            assert value % 4 == 0
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:  # and k
            accumulator &= value
        elif code == 0x05:  # ja
            position += value
        elif code in _COMPARISONS:
            position += jump_true if _COMPARISONS[code](accumulator, value) else jump_false
        elif code == 0x06:  # ret k
            return value
        else:
            raise AssertionError(f"unknown instruction {code:#x}")


_COMPARISONS = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: a & k != 0,
}


def _signed(number):
    return number - 2**32 if number >= 2**31 else number


def in_child(compiled, action):
    """What ``action()`` gives in a child that runs under the filter: its value as JSON, or ``{"signal": n}``."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        # Only os._exit leaves: nothing of pytest's may run in the child.
        try:
            _install(compiled)
            os.write(send, json.dumps(action()).encode())
            os._exit(0)
        except BaseException as problem:
            os.write(send, json.dumps({"error": repr(problem)}).encode())
            os._exit(1)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(said)


def _install(compiled):
    import pyseccomp

    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    buffer = ctypes.create_string_buffer(compiled.bpf, len(compiled.bpf))
    program = struct.pack("@HP", len(compiled.bpf) // 8, ctypes.addressof(buffer))
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, "seccomp")
    if libc.syscall(number, _SET_MODE_FILTER, ctypes.c_ulong(compiled.flags), program) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def raw_syscall(number, *arguments):
    """The errno's name of a raw syscall, or its value when it succeeds."""
    libc = ctypes.CDLL(None, use_errno=True)
    value = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(argument) for argument in arguments])
    return errno.errorcode[ctypes.get_errno()] if value < 0 else value


@pytest.fixture
def profile():
    """A profile of the size and the shape that container engines use."""
    return json.loads((Path(__file__).parents[2] / "data" / "seccomp-engine.json").read_text())


@pytest.fixture
def bpf_interpret():
    return interpret


@pytest.fixture
def run_in_child():
    return in_child


@pytest.fixture
def syscall():
    return raw_syscall
