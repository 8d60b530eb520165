"""``resources.devices``: which devices may be opened and made; as lines for cgroup v1, as eBPF for v2.  Pure.

The list is an allow list (config-linux.md, Allowed Device list): what no rule speaks of is denied, as runc has it; of
two rules that speak of a device the later one counts; the default devices come last, so that nothing takes them away.
"""

from _struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALL = -1
_READ, _WRITE, _MKNOD = 2, 4, 1  # linux/bpf.h, BPF_DEVCG_ACC_*
_ANY = _READ | _WRITE | _MKNOD
_ACCESS_BITS = {"r": _READ, "w": _WRITE, "m": _MKNOD}
_TYPE_NUMBERS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*


class DeviceRule:
    """``type`` a (all), b or c; ``major``, ``minor`` a number or ALL; ``access`` of the letters r, w, m."""

    __slots__ = ("access", "allow", "major", "minor", "type")

    def __init__(self, allow: bool, type_: str, major: int, minor: int, access: str) -> None:
        self.allow = allow
        self.type = type_
        self.major = major
        self.minor = minor
        self.access = access

    def line(self) -> str:
        """As devices.allow and devices.deny take it (the kernel's cgroup-v1/devices.rst)."""
        if self.type == "a":
            return "a"
        major, minor = ("*" if number == ALL else str(number) for number in (self.major, self.minor))
        return f"{self.type} {major}:{minor} {self.access}"


DENY_ALL = DeviceRule(False, "a", ALL, ALL, "rwm")
ALLOW_ALL = DeviceRule(True, "a", ALL, ALL, "rwm")

# config-linux.md, Default Devices, with the terminals of devpts; and any node may be made, if not opened.
DEFAULT_RULES = (
    DeviceRule(True, "c", ALL, ALL, "m"),
    DeviceRule(True, "b", ALL, ALL, "m"),
    *(DeviceRule(True, "c", 1, minor, "rwm") for minor in (3, 5, 7, 8, 9)),
    DeviceRule(True, "c", 5, 0, "rwm"),
    DeviceRule(True, "c", 5, 2, "rwm"),
    DeviceRule(True, "c", 136, ALL, "rwm"),
)


def configured_rules(entries: "list[dict[str, Any]]") -> "list[DeviceRule]":
    """The config's own rules; one for all types is one for all devices, whatever numbers it gives (as v1 has it)."""
    rules = []
    for entry in entries:
        if entry["type"] == "a":
            rules.append(ALLOW_ALL if entry["allow"] else DENY_ALL)
        else:
            rules.append(DeviceRule(entry["allow"], entry["type"], entry["major"], entry["minor"], entry["access"]))
    return rules


def device_program(rules: "list[DeviceRule]") -> bytes:
    """An eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE) that decides by ``rules``; nothing matching means denied.

    Of each access asked for, the last rule that speaks of it decides, so they are tested from the last to the first.
    """
    # r2: type, r3: access asked for and not allowed yet, r4: major, r5: minor (struct bpf_cgroup_dev_ctx)
    code = [
        _instruction(0x61, 2, 1, 0),  # r2 = *(u32 *)(r1 + 0)
        _instruction(0xBC, 3, 2),  # w3 = w2
        _instruction(0x54, 2, imm=0xFFFF),  # w2 &= 0xffff
        _instruction(0x74, 3, imm=16),  # w3 >>= 16
        _instruction(0x61, 4, 1, 4),
        _instruction(0x61, 5, 1, 8),
    ]
    for rule in reversed([DENY_ALL, *rules]):
        code += _rule(rule)
        if rule.type == "a":
            break  # it decides on everything, and the verifier refuses code that can't be reached
    return b"".join(code)


def _rule(rule: DeviceRule) -> "list[bytes]":
    """Tests that jump over the verdict when the rule doesn't match."""
    verdict = [_instruction(0xB4, 0, imm=int(rule.allow)), _instruction(0x95)]
    mask = sum({_ACCESS_BITS[letter] for letter in rule.access})
    if rule.type in _TYPE_NUMBERS and mask != _ANY:
        if rule.allow:  # what is left to ask for is up to the rules before; nothing left: allowed
            verdict = [_instruction(0x54, 3, imm=_ANY & ~mask), _instruction(0x56, 3, offset=2), *verdict]  # &=, jne
        else:  # any of it denied suffices
            left = [_instruction(0xBC, 1, 3), _instruction(0x54, 1, imm=mask)]
            verdict = [*left, _instruction(0x16, 1, offset=2), *verdict]  # jeq
    tests: list[tuple[int, int]] = []  # (register, operand)
    if rule.type in _TYPE_NUMBERS:
        tests.append((2, _TYPE_NUMBERS[rule.type]))
        tests += [(4, rule.major)] if rule.major != ALL else []
        tests += [(5, rule.minor)] if rule.minor != ALL else []
    jumps = [
        _instruction(0x56, register, offset=len(tests) - number - 1 + len(verdict), imm=operand)  # jne
        for number, (register, operand) in enumerate(tests)
    ]
    return jumps + verdict


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """One struct bpf_insn."""
    return pack("=BBhI", code, target | source << 4, offset, imm)
