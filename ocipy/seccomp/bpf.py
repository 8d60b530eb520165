"""The stub in front of every strict filter: syscalls newer than the profile return ENOSYS.

A profile whose default is, say, EPERM answers EPERM for syscalls its author had never heard of, and a C library that
tries the newest one first takes that for a refusal, where ENOSYS would make it try the older one.  Newer than the
profile is a number above the highest that the profile names on the same architecture.  libseccomp can't express that;
so these few instructions of classic BPF (linux/filter.h) run ahead of its program.
"""

from _struct import pack
from errno import ENOSYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

INSTRUCTION_SIZE = 8

# sock_filter.code (linux/bpf_common.h): class | size | mode, or class | operation | source.
_LOAD_WORD = 0x20
_JUMP = 0x05
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_GREATER = 0x25
_JUMP_IF_BIT = 0x45
_RETURN = 0x06

# Offsets in struct seccomp_data (linux/seccomp.h).
_NR = 0
_ARCH = 4

_RETURN_ENOSYS = 0x00050000 | ENOSYS  # SECCOMP_RET_ERRNO with its value

_X86_64 = 0xC000003E
_X32 = 0x4000003E
_X32_BIT = 0x40000000
_S390 = (0x00000016, 0x80000016)
# No number is greater: the comparison with it never holds.
_NONE = 0xFFFFFFFF


def enosys_stub(highest: "Mapping[int, int]") -> bytes:
    """The stub for ``highest``, the highest syscall number of the profile by libseccomp's architecture token.

    It ends by running into the program that follows, with a clobbered accumulator; empty for no architecture.
    """
    remaining = dict(highest)
    blocks: list[list[bytes]] = []
    if _X86_64 in remaining or _X32 in remaining:
        # x32 is no architecture to the kernel: the bit in the number tells its calls from the others of x86_64.
        limits = remaining.pop(_X86_64, _NONE), remaining.pop(_X32, _NONE)
        blocks.append(_for_arch(_X86_64, _x86_64_test(*limits)))
    for arch, limit in remaining.items():
        blocks.append(_for_arch(arch, _test(limit, multiplexed=arch in _S390)))
    if not blocks:
        return b""
    return _instruction(_LOAD_WORD, _ARCH) + _chain(blocks)


def _for_arch(arch: int, test: "list[bytes]") -> "list[bytes]":
    """``test`` behind a comparison of the loaded architecture; what runs off its end goes on to the next block."""
    return [_instruction(_JUMP_IF_EQUAL, arch, 0, len(test) + 1), *test]


def _chain(blocks: "list[list[bytes]]") -> bytes:
    """The blocks one after the other, each with a jump at its end over all that follow.

    The jump at the end has 32 bits of offset and the ones inside stay in their block, so that no number of
    architectures overflows the 8 bits of a conditional jump.
    """
    program = b""
    for block in reversed(blocks):
        program = b"".join(block) + _instruction(_JUMP, len(program) // INSTRUCTION_SIZE) + program
    return program


def _test(limit: int, multiplexed: bool) -> "list[bytes]":
    """Return ENOSYS if the syscall's number is above ``limit``."""
    test = [
        _instruction(_LOAD_WORD, _NR),
        _instruction(_JUMP_IF_GREATER, limit, 0, 1),
        _instruction(_RETURN, _RETURN_ENOSYS),
    ]
    if multiplexed:
        # s390 passes numbers that don't fit in the instruction by way of syscall 0, and one the kernel doesn't know
        # stays 0.  Nothing else uses 0: setup(2) has been gone for decades.
        test.insert(1, _instruction(_JUMP_IF_EQUAL, 0, 1, 0))
    return test


def _x86_64_test(limit: int, limit_x32: int) -> "list[bytes]":
    return [
        _instruction(_LOAD_WORD, _NR),
        _instruction(_JUMP_IF_BIT, _X32_BIT, 1, 0),
        _instruction(_JUMP_IF_GREATER, limit, 1, 2),
        _instruction(_JUMP_IF_GREATER, limit_x32, 0, 1),
        _instruction(_RETURN, _RETURN_ENOSYS),
    ]


def _instruction(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    """One struct sock_filter."""
    return pack("=HBBI", code, jump_true, jump_false, value)
