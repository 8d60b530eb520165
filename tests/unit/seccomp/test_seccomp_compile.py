"""Profiles to filters: the decisions of the compiled program, by interpreter."""

import errno
import itertools
import operator

import pyseccomp
import pytest

from ocipy.seccomp import SeccompError, compile_filter, library

X86_64, X86, X32 = pyseccomp.Arch.X86_64, pyseccomp.Arch.X86, pyseccomp.Arch.X32
X32_BIT = 0x40000000
RET = {
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_TRACE": 0x7FF00000 | errno.EPERM,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_ERRNO": 0x00050000 | errno.EPERM,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
}
ENOSYS = 0x00050000 | errno.ENOSYS
BAD_ARCH = 0  # libseccomp's action for an architecture that is not in the filter: SECCOMP_RET_KILL_THREAD
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

COMPARE = {
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}
# Around the seam of the two 32-bit halves that classic BPF compares one after the other.
INTERESTING = (0, 1, 5, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**63, 2**64 - 1)


def number_of(name, arch=X86_64):
    return pyseccomp.resolve_syscall(arch, name)


def argument(index, value, op="EQ", **more):
    return {"index": index, "value": value, "op": f"SCMP_CMP_{op}", **more}


def simple(action=ALLOW, default=ERRNO, **more):
    """One rule, for mkdir, on x86_64."""
    return {
        "defaultAction": default,
        "architectures": ["SCMP_ARCH_X86_64"],
        "listenerPath": "/run/agent",
        "syscalls": [{"names": ["mkdir"], "action": action, **more}],
    }


@pytest.fixture
def decide(bpf_interpret):
    """The action of a profile's filter for a syscall by name, on x86_64."""

    def decide(seccomp, name, *arguments):
        return bpf_interpret(compile_filter(seccomp).bpf, X86_64, number_of(name), arguments)

    return decide


@pytest.mark.parametrize("action", RET)
def test_every_action_in_a_rule(decide, action):
    default = ALLOW if action != ALLOW else ERRNO
    seccomp = simple(action, default)
    assert decide(seccomp, "mkdir") == RET[action]
    assert decide(seccomp, "read") == RET[default]


@pytest.mark.parametrize("action", [action for action in RET if action != ALLOW])
def test_every_action_as_default(decide, action):
    seccomp = simple(ALLOW, action)
    assert decide(seccomp, "mkdir") == RET[ALLOW]
    assert decide(seccomp, "read") == RET[action]


@pytest.mark.parametrize(
    ("action", "base", "value"),
    [(ERRNO, 0x00050000, value) for value in (0, 2, 4094)]
    + [("SCMP_ACT_TRACE", 0x7FF00000, value) for value in (0, 2, 65535)],
)
def test_errno_value(decide, action, base, value):
    assert decide(simple(action, ALLOW, errnoRet=value), "mkdir") == base | value
    assert decide(simple(ALLOW, action) | {"defaultErrnoRet": value}, "read") == base | value


@pytest.mark.parametrize("op", COMPARE)
def test_operators(bpf_interpret, op):
    for value in INTERESTING:
        seccomp = simple(args=[{"index": 2, "value": value, "op": op}])
        bpf = compile_filter(seccomp).bpf
        for actual in INTERESTING:
            verdict = bpf_interpret(bpf, X86_64, number_of("mkdir"), (7, 7, actual, 7, 7, 7))
            assert (verdict == RET[ALLOW]) == COMPARE[op](actual, value), (value, actual)


def test_masked_equal(decide):
    # value is the mask, valueTwo what has to be left of the argument.
    seccomp = simple(args=[argument(0, 0xFF000000FF, "MASKED_EQ", valueTwo=0x1200000034)])
    assert decide(seccomp, "mkdir", 0x1200000034) == RET[ALLOW]
    assert decide(seccomp, "mkdir", 0xFFFFFF12FFFFFF34) == RET[ALLOW]
    assert decide(seccomp, "mkdir", 0x1200000035) == RET[ERRNO]
    assert decide(seccomp, "mkdir", 0x1300000034) == RET[ERRNO]


def test_masked_equal_without_second_value_means_zero(decide):
    seccomp = simple(args=[argument(0, 0x7E020000, "MASKED_EQ")])
    assert decide(seccomp, "mkdir", 0x01200011) == RET[ALLOW]
    assert decide(seccomp, "mkdir", 0x10000000) == RET[ERRNO]


def test_conditions_on_different_arguments_hold_together(decide):
    seccomp = simple(args=[argument(0, 1), argument(1, 2)])
    verdicts = {pair: decide(seccomp, "mkdir", *pair) for pair in itertools.product((1, 9), (2, 9))}
    assert [pair for pair, verdict in verdicts.items() if verdict == RET[ALLOW]] == [(1, 2)]


def test_conditions_on_the_same_argument_are_alternatives(decide):
    seccomp = simple(args=[argument(0, 1), argument(0, 3)])
    assert [value for value in range(5) if decide(seccomp, "mkdir", value) == RET[ALLOW]] == [1, 3]


def test_one_repeated_argument_makes_all_conditions_alternatives(decide):
    seccomp = simple(args=[argument(0, 1), argument(0, 3), argument(1, 2)])
    verdicts = {pair: decide(seccomp, "mkdir", *pair) for pair in itertools.product((1, 3, 9), (2, 9))}
    assert [pair for pair, verdict in verdicts.items() if verdict != RET[ALLOW]] == [(9, 9)]


def test_rule_that_repeats_the_default_is_skipped(decide):
    seccomp = simple()
    seccomp["syscalls"].append({"names": ["rmdir"], "action": ERRNO, "errnoRet": errno.EPERM})
    assert decide(seccomp, "rmdir") == RET[ERRNO]
    assert decide(seccomp, "mkdir") == RET[ALLOW]


def test_unknown_names_are_skipped_and_told(decide):
    seccomp = simple()
    seccomp["syscalls"][0]["names"] += ["no_such_call", "rmdir\0x", "caf\u00e9", "no_such_call", "\ud800"]
    assert compile_filter(seccomp).unknown == ["no_such_call", "rmdir\0x", "caf\u00e9", "\ud800"]
    assert decide(seccomp, "rmdir") != RET[ALLOW]
    assert decide(seccomp, "mkdir") == RET[ALLOW]


def test_conflicting_rules_are_refused():
    seccomp = simple(args=[argument(0, 1)])
    seccomp["syscalls"].append({"names": ["mkdir"], "action": "SCMP_ACT_LOG", "args": [argument(0, 1)]})
    with pytest.raises(SeccompError, match="^/linux/seccomp/syscalls/1/names/0: rule for mkdir refused: another rule"):
        compile_filter(seccomp)


def test_native_architecture_alone_by_default(bpf_interpret):
    native = pyseccomp.system_arch()
    bpf = compile_filter({"defaultAction": ERRNO, "syscalls": [{"names": ["mkdirat"], "action": ALLOW}]}).bpf
    assert bpf_interpret(bpf, native, number_of("mkdirat", native)) == RET[ALLOW]
    foreign = X86 if native != X86 else X86_64
    assert bpf_interpret(bpf, foreign, number_of("mkdirat", foreign)) == BAD_ARCH


def test_architectures_are_added_to_the_native_one(bpf_interpret):
    seccomp = simple() | {"architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"]}
    seccomp["syscalls"][0]["names"].append("mkdirat")
    bpf = compile_filter(seccomp).bpf
    for arch in {X86, pyseccomp.Arch.AARCH64, pyseccomp.system_arch()}:
        assert bpf_interpret(bpf, arch, number_of("mkdirat", arch)) == RET[ALLOW], hex(arch)
    assert bpf_interpret(bpf, pyseccomp.Arch.ARM, 0) == BAD_ARCH


def test_x32_only_when_listed(bpf_interpret):
    number = number_of("mkdir", X32)
    assert number & X32_BIT
    with_x32 = simple() | {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"]}
    assert bpf_interpret(compile_filter(with_x32).bpf, X86_64, number) == RET[ALLOW]
    assert bpf_interpret(compile_filter(simple()).bpf, X86_64, number) == BAD_ARCH


def test_architecture_of_the_other_byte_order_is_refused():
    with pytest.raises(SeccompError, match="^/linux/seccomp/architectures/1: SCMP_ARCH_(S390X|X86): its byte order"):
        compile_filter(simple() | {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_S390X"]})


def test_architecture_that_libseccomp_does_not_know_is_refused(monkeypatch):
    monkeypatch.setitem(__import__("ocipy.seccomp.names", fromlist=["x"]).ARCHITECTURES, "SCMP_ARCH_SHEB", 0x12345)
    with pytest.raises(SeccompError, match=rf"SCMP_ARCH_SHEB: libseccomp {library.version()} doesn't know it"):
        compile_filter(simple() | {"architectures": ["SCMP_ARCH_SHEB"]})


def test_filter_too_long_for_the_kernel_is_refused():
    rules = [{"names": ["mkdir"], "action": ALLOW, "args": [argument(0, value)]} for value in range(4100)]
    with pytest.raises(SeccompError, match=r"^/linux/seccomp/syscalls: \d+ instructions of BPF, the kernel takes 4096"):
        compile_filter(simple() | {"syscalls": rules})


class TestEnginesProfile:
    """Every syscall of three architectures against the profile, read by other code than the compiler's."""

    @staticmethod
    def expected(profile, arch, number, arguments):
        # A 32-bit architecture passes 32 bits; libseccomp compares no more of x32's either.
        arguments = tuple(value if arch == X86_64 else value & 0xFFFFFFFF for value in arguments)
        named = {name for rule in profile["syscalls"] for name in rule["names"]}
        if number > max(number_of(name, arch) for name in named):
            return ENOSYS
        try:
            name = pyseccomp.resolve_syscall(arch, number).decode()
        except ValueError:
            return RET[ERRNO]
        for rule in profile["syscalls"]:
            if name in rule["names"] and all(holds(condition, arguments) for condition in rule.get("args", ())):
                return 0x00050000 | rule["errnoRet"] if "errnoRet" in rule else RET[rule["action"]]
        return RET[ERRNO]

    @pytest.mark.parametrize("arch", [X86_64, X32, X86])
    @pytest.mark.parametrize("arguments", [(0, 0), (40, 0), (0x10000000, 0), (0xFFFFFFFF, 0), (2**32, 2**64 - 1)])
    def test_every_syscall(self, bpf_interpret, profile, arch, arguments):
        bpf = compile_filter(profile).bpf
        base = X32_BIT if arch == X32 else 0
        wrong = {}
        for number in range(base, base + 700):
            verdict = bpf_interpret(bpf, X86 if arch == X86 else X86_64, number, arguments)
            if verdict != self.expected(profile, arch, number, arguments):
                wrong[number] = hex(verdict)
        assert wrong == {}

    def test_every_decision_takes_few_steps(self, bpf_interpret, profile):
        # 360 names one after the other would be 360 comparisons on every syscall of the container.
        bpf = compile_filter(profile).bpf
        for number in range(450):
            steps = []
            bpf_interpret(bpf, X86_64, number, (), steps)
            assert len(steps) < 40


def holds(condition, arguments):
    value, actual = condition["value"], (*arguments, 0, 0, 0, 0)[condition["index"]]
    if condition["op"] == "SCMP_CMP_MASKED_EQ":
        return actual & value == condition["valueTwo"]
    return COMPARE[condition["op"]](actual, value)
