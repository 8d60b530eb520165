"""The names of ``linux.seccomp`` (config-linux.md#seccomp) and the numbers behind them (libseccomp, linux/seccomp.h).

``ocipy features`` lists them; the pure check and the compiler read them.
"""

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
}

# The actions that take an errnoRet, and the largest: a tracer gets all 16 bits of SECCOMP_RET_DATA; errnos end below
# the kernel's MAX_ERRNO (4095), which is where libseccomp stops.
ACTIONS_WITH_ERRNO = {"SCMP_ACT_ERRNO": 4094, "SCMP_ACT_TRACE": 0xFFFF}

OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

_64BIT = 0x80000000
_LE = 0x40000000
_N32 = 0x20000000

# libseccomp's tokens: AUDIT_ARCH_* (linux/audit.h), but for x32, which the kernel reports as x86_64 and tells by
# a bit of the syscall number.
ARCHITECTURES = {
    "SCMP_ARCH_X86": 3 | _LE,
    "SCMP_ARCH_X86_64": 62 | _64BIT | _LE,
    "SCMP_ARCH_X32": 62 | _LE,
    "SCMP_ARCH_ARM": 40 | _LE,
    "SCMP_ARCH_AARCH64": 183 | _64BIT | _LE,
    "SCMP_ARCH_LOONGARCH64": 258 | _64BIT | _LE,
    "SCMP_ARCH_M68K": 4,
    "SCMP_ARCH_MIPS": 8,
    "SCMP_ARCH_MIPS64": 8 | _64BIT,
    "SCMP_ARCH_MIPS64N32": 8 | _64BIT | _N32,
    "SCMP_ARCH_MIPSEL": 8 | _LE,
    "SCMP_ARCH_MIPSEL64": 8 | _64BIT | _LE,
    "SCMP_ARCH_MIPSEL64N32": 8 | _64BIT | _LE | _N32,
    "SCMP_ARCH_PPC": 20,
    "SCMP_ARCH_PPC64": 21 | _64BIT,
    "SCMP_ARCH_PPC64LE": 21 | _64BIT | _LE,
    "SCMP_ARCH_S390": 22,
    "SCMP_ARCH_S390X": 22 | _64BIT,
    "SCMP_ARCH_SH": 42 | _LE,
    "SCMP_ARCH_SHEB": 42,
    "SCMP_ARCH_PARISC": 15,
    "SCMP_ARCH_PARISC64": 15 | _64BIT,
    "SCMP_ARCH_RISCV64": 243 | _64BIT | _LE,
}

# name -> bit of seccomp(2) SECCOMP_SET_MODE_FILTER, and the kernel that brought it.
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1 << 0,
    "SECCOMP_FILTER_FLAG_LOG": 1 << 1,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 1 << 2,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 1 << 5,
}
FLAG_NEW_LISTENER = 1 << 3

FLAG_KERNEL = {
    "SECCOMP_FILTER_FLAG_TSYNC": "3.17",
    "SECCOMP_FILTER_FLAG_LOG": "4.14",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": "4.17",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": "5.19",
}

MAX_ARGUMENTS = 6
# BPF_MAXINSNS (linux/bpf_common.h): the kernel takes no longer program.
MAX_INSTRUCTIONS = 4096
