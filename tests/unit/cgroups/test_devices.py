"""The eBPF program for devices, run by an interpreter here (bpf(2); the kernel's own verdicts: tests/system)."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.cgroups.devices import ALL, ALLOW_ALL, DEFAULT_RULES, DENY_ALL, DeviceRule, configured_rules, device_program

# linux/bpf.h
BLOCK, CHARACTER = 1, 2
MKNOD, READ, WRITE = 1, 2, 4
BITS = {"r": READ, "w": WRITE, "m": MKNOD}
TYPES = {"b": BLOCK, "c": CHARACTER}


def interpret(program, type_, access, major, minor):
    """The verdict on struct bpf_cgroup_dev_ctx; every jump goes forward and stays inside."""
    code = list(struct.iter_unpack("=BBhI", program))
    context = struct.pack("=III", type_ | access << 16, major, minor)
    registers = [None, "context", *[None] * 9]
    at = 0
    while True:
        operation, both, offset, imm = code[at]
        target, source = both & 15, both >> 4
        at += 1
        if operation == 0x61:  # ldxw
            assert registers[source] == "context"
            (registers[target],) = struct.unpack_from("=I", context, offset)
        elif operation == 0xBC:
            registers[target] = registers[source]
        elif operation == 0xB4:
            registers[target] = imm
        elif operation == 0x54:
            registers[target] &= imm
        elif operation == 0x74:
            registers[target] >>= imm
        elif operation in (0x56, 0x16):
            assert 0 <= offset < len(code) - at
            at += offset if (registers[target] != imm) == (operation == 0x56) else 0
        else:
            assert operation == 0x95
            return registers[0]


def expected(rules, type_, access, major, minor):
    """Of each access asked for, the last rule that speaks of it decides; none: denied."""
    for bit in BITS.values():
        if access & bit:
            speaking = [rule for rule in rules if _speaks(rule, type_, bit, major, minor)]
            if not speaking or not speaking[-1].allow:
                return 0
    return 1


def _speaks(rule, type_, bit, major, minor):
    if rule.type == "a":
        return True
    numbers = rule.major in (ALL, major) and rule.minor in (ALL, minor)
    return TYPES[rule.type] == type_ and numbers and any(BITS[letter] == bit for letter in rule.access)


numbers = st.sampled_from([0, 1, 3, 136])
rules = st.builds(
    DeviceRule,
    st.booleans(),
    st.sampled_from("bc"),
    numbers | st.just(ALL),
    numbers | st.just(ALL),
    st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm", "rr"]),
)
lists = st.lists(rules | st.sampled_from([ALLOW_ALL, DENY_ALL]), max_size=6)


@given(lists, st.sampled_from([BLOCK, CHARACTER]), st.integers(1, 7), numbers, numbers)
@settings(max_examples=600)
def test_the_last_rule_that_speaks_of_an_access_decides(listed, type_, access, major, minor):
    verdict = interpret(device_program(listed), type_, access, major, minor)
    assert verdict == expected(listed, type_, access, major, minor)


@given(lists)
def test_no_instruction_is_out_of_reach(listed):
    """The verifier refuses a program with code that can't be reached."""
    code = list(struct.iter_unpack("=BBhI", device_program(listed)))
    reached, todo = set(), [0]
    while todo:
        at = todo.pop()
        if at in reached:
            continue
        reached.add(at)
        operation, _, offset, _ = code[at]
        if operation != 0x95:
            todo.append(at + 1)
        if operation in (0x56, 0x16):
            todo.append(at + 1 + offset)
    assert reached == set(range(len(code)))


@pytest.mark.parametrize(
    ("type_", "access", "major", "minor", "allowed"),
    [
        (CHARACTER, READ | WRITE, 1, 3, 1),  # null
        (CHARACTER, READ | WRITE, 1, 5, 1),  # zero
        (CHARACTER, READ | WRITE, 1, 7, 1),  # full
        (CHARACTER, READ | WRITE, 1, 8, 1),  # random
        (CHARACTER, READ | WRITE, 1, 9, 1),  # urandom
        (CHARACTER, READ | WRITE, 5, 0, 1),  # tty
        (CHARACTER, READ, 1, 1, 0),  # mem
        (CHARACTER, READ | WRITE, 5, 2, 1),  # ptmx
        (CHARACTER, READ, 136, 77, 1),  # a terminal
        (CHARACTER, MKNOD, 10, 200, 1),
        (CHARACTER, READ, 10, 200, 0),
        (BLOCK, MKNOD, 8, 0, 1),
        (BLOCK, READ, 8, 0, 0),
    ],
)
def test_the_default_devices(type_, access, major, minor, allowed):
    """config-linux.md, Default Devices; any node may be made, if not opened."""
    program = device_program([*configured_rules([{"allow": False, "type": "a"}]), *DEFAULT_RULES])
    assert interpret(program, type_, access, major, minor) == allowed


def test_the_config_s_rules():
    entry = {"allow": True, "type": "b", "major": 8, "minor": -1, "access": "rw"}
    (rule,) = configured_rules([entry])
    assert (rule.allow, rule.type, rule.major, rule.minor, rule.access) == (True, "b", 8, ALL, "rw")


def test_a_rule_for_all_types_is_for_all_devices():
    entry = {"allow": True, "type": "a", "major": 1, "minor": 2, "access": "r"}
    assert configured_rules([entry, entry | {"allow": False}]) == [ALLOW_ALL, DENY_ALL]


@pytest.mark.parametrize(
    ("rule", "line"),
    [(DENY_ALL, "a"), (DeviceRule(True, "c", 1, 3, "rw"), "c 1:3 rw"), (DeviceRule(True, "b", ALL, 0, "m"), "b *:0 m")],
)
def test_lines(rule, line):
    assert rule.line() == line
