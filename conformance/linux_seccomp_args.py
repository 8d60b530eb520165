"""config-linux.md: seccomp: rules that look at a call's arguments."""

from typing import Any

from conformance.cases import sentence
from conformance.harness import Runtime, case, check
from conformance.linux_seccomp import SECTION, filtered, refused, rule

ARGS = "linux.seccomp.syscalls[].args[]"
# Signals that a process ignores by default, so that the shell may send them to itself.
SIGNALS = (17, 18, 23, 28)  # CHLD, CONT, URG, WINCH on all architectures but mips
ALL = set(SIGNALS)


def arg(value: int, op: str, index: int = 1, **members: Any) -> dict[str, Any]:
    """A condition on kill(2), whose arguments are a pid and a signal."""
    return {"index": index, "value": value, "op": f"SCMP_CMP_{op}", **members}


def sent(runtime: Runtime, *rules: dict[str, Any]) -> set[int]:
    """The signals that the container can send to its first process, itself."""
    script = f"for signal in {' '.join(map(str, SIGNALS))}; do kill -$signal 1 2>/dev/null && echo $signal; done"
    return {int(number) for number in filtered(runtime, script, *rules).split()}


def operator(op: str, value: int, expected: set[int], **members: Any) -> None:
    """The case: a rule with the operator is about the signals that ``expected`` has not."""

    def run(runtime: Runtime) -> None:
        found = sent(runtime, rule("SCMP_ACT_ERRNO", arg(value, op, **members)))
        check(found == expected, f"{found or 'none'} can be sent, {expected} were expected")

    run.__name__ = f"seccomp_operator_{op.lower()}"
    names = [f"{ARGS}.{name}" for name in ("op", "value", "index", *members)]
    case(SECTION, "MUST", f"SCMP_CMP_{op} compares an argument", *names)(run)


OPERATORS = {
    "NE": (18, {18}),
    "LT": (18, {18, 23, 28}),
    "LE": (18, {23, 28}),
    "EQ": (18, {17, 23, 28}),
    "GE": (23, {17, 18}),
    "GT": (23, {17, 18, 23}),
}
for each, (number, left) in OPERATORS.items():
    operator(each, number, left)
operator("MASKED_EQ", 0b11101, {18, 23, 28}, valueTwo=0b10001)  # the mask, and what is under it: 17's bits


@case(SECTION, "MUST", "a mask with no bits set in valueTwo is one", f"{ARGS}.valueTwo")
def seccomp_mask_of_none(runtime: Runtime) -> None:
    found = sent(runtime, rule("SCMP_ACT_ERRNO", arg(0b1, "MASKED_EQ", valueTwo=0)))
    check(found == {17, 23}, f"{found} can be sent")


@case(SECTION, "MUST", "all conditions of a rule have to be met", ARGS)
def seccomp_args_together(runtime: Runtime) -> None:
    found = sent(runtime, rule("SCMP_ACT_ERRNO", arg(1, "EQ", index=0), arg(18, "EQ")))
    check(found == ALL - {18}, f"{found} can be sent")
    runtime("delete", "--force", runtime.container_id)
    found = sent(runtime, rule("SCMP_ACT_ERRNO", arg(2, "EQ", index=0), arg(18, "EQ")))
    check(found == ALL, f"{found} can be sent to another process than that of the rule")


@case(SECTION, "MUST", "one of several rules suffices", "linux.seccomp.syscalls")
def seccomp_rules_apart(runtime: Runtime) -> None:
    rules = [rule("SCMP_ACT_ERRNO", arg(17, "EQ")), rule("SCMP_ACT_ERRNO", arg(28, "EQ"))]
    found = sent(runtime, *rules)
    check(found == {18, 23}, f"{found} can be sent")


@case(SECTION, "MUST", "values have 64 bits", f"{ARGS}.value")
def seccomp_large_value(runtime: Runtime) -> None:
    found = sent(runtime, rule("SCMP_ACT_ERRNO", arg((1 << 64) - 1, "LE")))
    check(found == set(), f"{found} can be sent")
    runtime("delete", "--force", runtime.container_id)
    found = sent(runtime, rule("SCMP_ACT_ERRNO", arg(18 + (1 << 32), "EQ")))
    check(found == ALL, f"of a value, 32 bits are looked at: {found} can be sent")


@case(SECTION, "MUST", "an operator that isn't one is an error", f"{ARGS}.op")
def seccomp_operator_unknown(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO", arg(1, "ALMOST")))


@case(SECTION, "MUST", "index, value and op are required", *(f"{ARGS}.{name}" for name in ("index", "value", "op")))
def seccomp_arg_incomplete(runtime: Runtime) -> None:
    for name in ("index", "value", "op"):
        condition = arg(1, "EQ")
        del condition[name]
        refused(runtime, rule("SCMP_ACT_ERRNO", condition))


@case(SECTION, "MUST", "an index that no call has is an error", f"{ARGS}.index")
def seccomp_index_too_high(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO", arg(1, "EQ", index=6)))


operators = [f"seccomp_operator_{op.lower()}" for op in (*OPERATORS, "MASKED_EQ")]
sentence(SECTION, "MUST", "op is one of seven", *operators, "seccomp_mask_of_none", "seccomp_operator_unknown")
together = ("seccomp_args_together", "seccomp_rules_apart", "seccomp_large_value")
sentence(SECTION, "MUST", "args match values of arguments", *together)
sentence(SECTION, "MUST", "index, value and op are required", "seccomp_arg_incomplete", "seccomp_index_too_high")
