"""``update``: new ``linux.resources`` over those in force.  Pure.

What is given counts, all else stays.  As for ``create``, 0 and "" where they mean "not set" say nothing; lists are
merged by what their entries are about (a device, a page size, a file), but for ``devices``, whose order counts: given
ones take the place of all.
"""

from ocipy.cgroups.devices import ALLOW_ALL, DEFAULT_RULES, DENY_ALL, DeviceRule, configured_rules
from ocipy.cgroups.settings import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Resources = dict[str, Any]
    Key = tuple[str, int, int]

# Members to which 0 or false says something.
_ZERO_COUNTS = (
    "burst", "idle", "limit of pids", "swappiness", "disableOOMKiller", "useHierarchy", "checkBeforeUpdate",
    "hcaHandles", "hcaObjects",
)  # fmt: skip
# Members of which none is written alone: what the kernel takes for one depends on the others.
_GROUPS = {
    "cpu": (("shares", "idle"), ("quota", "period", "burst"), ("realtimeRuntime", "realtimePeriod")),
    "memory": (("limit", "swap", "checkBeforeUpdate"),),
}
# Lists, and what an entry is known by.
_LISTS = {
    "weightDevice": ("major", "minor"),
    "throttleReadBpsDevice": ("major", "minor"),
    "throttleWriteBpsDevice": ("major", "minor"),
    "throttleReadIOPSDevice": ("major", "minor"),
    "throttleWriteIOPSDevice": ("major", "minor"),
    "hugepageLimits": ("pageSize",),
    "priorities": ("name",),
}


def merge(old: "Resources", given: "Resources") -> "Resources":
    """The resources in force after the update; both are complete (``spec.load``)."""
    found = _merge_members(old, given, "")
    memory = given.get("memory", {})
    if memory.get("limit", 0) < 0 and not memory.get("swap"):
        found["memory"]["swap"] = -1  # runc: no limit on memory means none on swap, if that isn't given too
    return found


def _merge_members(old: "dict[str, Any]", given: "dict[str, Any]", section: str) -> "dict[str, Any]":
    found = dict(old)
    for name, value in given.items():
        if name in _LISTS:
            found[name] = _merge_lists(old.get(name, ()), value, _LISTS[name])
        elif isinstance(value, dict):
            found[name] = _merge_members(old.get(name, {}), value, name)
        elif value or name in _ZERO_COUNTS or f"{name} of {section}" in _ZERO_COUNTS or name not in old:
            found[name] = value
    return found


def _merge_lists(
    old: "Iterable[dict[str, Any]]", given: "Iterable[dict[str, Any]]", names: "tuple[str, ...]"
) -> "list[dict[str, Any]]":
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in (*old, *given):
        key = tuple(entry[name] for name in names)
        entries[key] = entries.get(key, {}) | entry
    return list(entries.values())


def affected(merged: "Resources", given: "Resources") -> "Resources":
    """What has to be written: what is given, with what depends on it; nothing about devices.

    A limit that is not spoken of may have been changed since, by the container itself or whoever manages its cgroup.
    """
    found = {name: value for name, value in given.items() if name not in _GROUPS} | {"devices": []}
    for section, groups in _GROUPS.items():
        if section in given:
            names = set(given[section])
            for group in groups:
                names.update(group if names.intersection(group) else ())
            found[section] = {name: value for name, value in merged[section].items() if name in names}
    for name in given.get("rdma", {}):
        found["rdma"] = found["rdma"] | {name: merged["rdma"][name]}
    return found


def waked(settings: "list[Setting]") -> "list[Setting]":
    """An idle cgroup takes no shares: it is waked before, if the settings put it to idle in the end."""
    idle = [each for each in settings if each.path.endswith("/cpu.idle") and each.value != "0"]
    return [*(Setting(each.pointer, each.path, "0", optional=True) for each in idle), *settings]


def device_changes(old: "list[dict[str, Any]]", new: "list[dict[str, Any]]", directory: str) -> "list[Setting]":
    """What makes a v1 cgroup's list of devices of ``old`` rules one of ``new`` ones.

    Only the difference is written, so that a device that both allow may be opened at any moment, and cgroups below,
    from which every denial takes, keep it too.
    """
    (allowed_before, before), (allowed, after) = _kernel_s_list(old), _kernel_s_list(new)
    lines: list[tuple[bool, str]] = []
    if allowed_before != allowed:
        lines.append((allowed, (ALLOW_ALL if allowed else DENY_ALL).line()))
        before = {}
    # Exceptions are denials where all is allowed.
    lines += [(allowed, line) for line in _beyond(before, after)]
    lines += [(not allowed, line) for line in _beyond(after, before)]
    pointer = "/linux/resources/devices"
    return [Setting(pointer, f"{directory}/devices.{'allow' if allow else 'deny'}", line) for allow, line in lines]


def _kernel_s_list(entries: "list[dict[str, Any]]") -> "tuple[bool, dict[Key, set[str]]]":
    """Whether all is allowed, and the exceptions, as the kernel keeps them (security/device_cgroup.c)."""
    allowed: bool = False
    exceptions: dict[Key, set[str]] = {}
    for rule in (*configured_rules(entries), *DEFAULT_RULES):
        if rule.type == "a":
            allowed, exceptions = rule.allow, {}
            continue
        key = (rule.type, rule.major, rule.minor)
        if rule.allow != allowed:
            exceptions.setdefault(key, set()).update(rule.access)
        elif key in exceptions:
            exceptions[key].difference_update(rule.access)
    return allowed, exceptions


def _beyond(some: "dict[Key, set[str]]", others: "dict[Key, set[str]]") -> "Iterator[str]":
    """Lines of what is in ``some`` and not in ``others``."""
    for key, access in some.items():
        left = access - others.get(key, set())
        if left:
            yield DeviceRule(True, *key, "".join(letter for letter in "rwm" if letter in left)).line()
