"""``resources.devices`` as properties of a systemd unit: DevicePolicy and DeviceAllow.  Pure.

systemd (systemd.resource-control(5)) knows no denials, so of rules that take back a part of what is allowed it gets
what is allowed before.  On cgroup v2 that is no hole: our own filter decides beside systemd's, and a device needs both.
"""

from ocipy.cgroups.devices import ALL, DEFAULT_RULES, configured_rules
from ocipy.cgroups.settings import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.devices import DeviceRule
    from ocipy.cgroups.systemd import Property

    Key = tuple[str, int, int]

_POINTER = "/linux/resources/devices"
_PREFIXES = {"b": "block", "c": "char"}


def device_properties(entries: "list[dict[str, Any]]", unified: bool) -> "list[Property]":
    """``unified``: under cgroup v2.  Raises StepError for what systemd would undo on v1, having no words for it."""
    allowed: dict[Key, str] | None = {}  # None: all devices
    exact = True
    for rule in (*configured_rules(entries), *DEFAULT_RULES):
        if rule.type == "a":
            allowed = None if rule.allow else {}
            exact = True
        elif allowed is None:
            exact = exact and rule.allow
        elif rule.allow:
            key = (rule.type, rule.major, rule.minor)
            allowed[key] = _ordered(allowed.get(key, "") + rule.access)
            exact = exact and (rule.major != ALL or rule.minor == ALL)
        else:
            exact = _take_back(allowed, rule) and exact
    if not exact and not unified:
        hint = "drop the rules that deny, or --systemd-cgroup"
        raise refusal(_POINTER, "systemd can't keep these device rules on cgroup v1", hint)
    if allowed is None:
        return [("DevicePolicy", "s", "auto"), ("DeviceAllow", "a(ss)", [])]
    return [
        ("DevicePolicy", "s", "strict"),
        ("DeviceAllow", "a(ss)", [(_pattern(*key), access) for key, access in allowed.items() if access]),
    ]


def _take_back(allowed: "dict[Key, str]", rule: "DeviceRule") -> bool:
    """Remove what the rule denies from entries that it covers whole; the value: whether no other entry has a part."""
    exact = True
    for (type_, major, minor), access in allowed.items():
        left = "".join(letter for letter in access if letter not in rule.access)
        if type_ != rule.type or left == access:
            continue
        covered = rule.major in (ALL, major) and rule.minor in (ALL, minor)
        if covered:
            allowed[type_, major, minor] = left
        elif ALL in (rule.major, major) or rule.major == major:
            exact = exact and not (ALL in (rule.minor, minor) or rule.minor == minor)
    return exact


def _ordered(access: str) -> str:
    return "".join(letter for letter in "rwm" if letter in access)


def _pattern(type_: str, major: int, minor: int) -> str:
    """Any device of a type, those of a major number, or one; a minor number of any major one is any."""
    prefix = _PREFIXES[type_]
    if major == ALL:
        return f"{prefix}-*"
    return f"{prefix}-{major}" if minor == ALL else f"/dev/{prefix}/{major}:{minor}"
