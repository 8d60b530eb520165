"""``linux.resources`` → files of the cgroup v1 controllers.  Pure.

File names: Documentation/admin-guide/cgroup-v1 of the kernel.  An engine's 0 for shares, weight or a memory limit
means "not set".
"""

from ocipy.cgroups.devices import DEFAULT_RULES, DENY_ALL, configured_rules
from ocipy.cgroups.settings import Setting, no_controller
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# (member, file, whether 0 means "not set") in the order they have to be written.
_SIMPLE = {
    "memory": (
        ("limit", "memory.limit_in_bytes", True),
        ("reservation", "memory.soft_limit_in_bytes", True),
        ("swap", "memory.memsw.limit_in_bytes", True),
        ("swappiness", "memory.swappiness", False),
    ),
    "cpu": (
        ("shares", "cpu.shares", True),
        # The period first: the kernel checks a quota against it.
        ("period", "cpu.cfs_period_us", True),
        ("burst", "cpu.cfs_burst_us", False),
        ("quota", "cpu.cfs_quota_us", True),
        ("realtimePeriod", "cpu.rt_period_us", True),
        ("realtimeRuntime", "cpu.rt_runtime_us", True),
        ("idle", "cpu.idle", False),
    ),
    "cpuset": (("cpus", "cpuset.cpus", False), ("mems", "cpuset.mems", False)),
}

_RDMA = (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))  # cgroup-v1/rdma.rst

_HINT = "mount the controller's v1 hierarchy, or drop the limit"


def settings(resources: "dict[str, Any]", paths: "dict[str, str]") -> "list[Setting]":
    """The writes that apply ``resources`` to the container's cgroups (hierarchy name → directory), in order.

    Raises StepError for a limit whose controller has no hierarchy.
    """
    return list(_settings(resources, paths))


def _settings(resources: "dict[str, Any]", paths: "dict[str, str]") -> "Iterator[Setting]":
    base = "/linux/resources"
    cpu = resources.get("cpu", {})
    yield from _table(paths, "cpuset", cpu, f"{base}/cpu")
    yield from _table(paths, "memory", resources.get("memory", {}), f"{base}/memory")
    if resources.get("memory", {}).get("disableOOMKiller"):
        yield _one(paths, "memory", "memory.oom_control", f"{base}/memory/disableOOMKiller", "1")
    yield from _table(paths, "cpu", cpu, f"{base}/cpu")
    limit = resources.get("pids", {}).get("limit")
    if limit:
        value = "max" if limit < 0 else str(limit)
        yield _one(paths, "pids", "pids.max", f"{base}/pids/limit", value)
    for number, page in enumerate(resources.get("hugepageLimits", [])):
        file = f"hugetlb.{page['pageSize']}.limit_in_bytes"
        yield _one(paths, "hugetlb", file, f"{base}/hugepageLimits/{number}", str(page["limit"]))
    yield from _network(resources.get("network", {}), paths)
    for name, device in resources.get("rdma", {}).items():
        limits = [f"{file}={device[member]}" for member, file in _RDMA if member in device]
        if limits:
            yield _one(paths, "rdma", "rdma.max", f"{base}/rdma/{escape(name)}", " ".join((name, *limits)))
    yield from _devices(resources["devices"], paths)


def _network(network: "dict[str, Any]", paths: "dict[str, str]") -> "Iterator[Setting]":
    pointer = "/linux/resources/network"
    if network.get("classID"):
        yield _one(paths, "net_cls", "net_cls.classid", f"{pointer}/classID", str(network["classID"]))
    for number, entry in enumerate(network.get("priorities", [])):
        value = f"{entry['name']} {entry['priority']}"
        yield _one(paths, "net_prio", "net_prio.ifpriomap", f"{pointer}/priorities/{number}", value)


def _table(paths: "dict[str, str]", controller: str, values: "dict[str, Any]", pointer: str) -> "Iterator[Setting]":
    for member, file, zero_is_unset in _SIMPLE[controller]:
        value = values.get(member)
        if value is None or value == "" or (value == 0 and zero_is_unset):
            continue
        yield _one(paths, controller, file, f"{pointer}/{member}", str(value))


def _one(paths: "dict[str, str]", controller: str, file: str, pointer: str, value: str) -> Setting:
    for name, directory in paths.items():
        if controller in name.split(","):
            return Setting(pointer, f"{directory}/{file}", value)
    raise no_controller(pointer, controller, _HINT)


def _devices(entries: "list[dict[str, Any]]", paths: "dict[str, str]") -> "Iterator[Setting]":
    """Deny all, then the rules in order, then the default devices."""
    pointer = "/linux/resources/devices"
    if not entries and not any("devices" in name.split(",") for name in paths):
        return
    yield _one(paths, "devices", "devices.deny", pointer, DENY_ALL.line())
    for number, rule in enumerate(configured_rules(entries)):
        if number == 0 and rule is DENY_ALL:
            continue
        file = "devices.allow" if rule.allow else "devices.deny"
        yield _one(paths, "devices", file, f"{pointer}/{number}", rule.line())
    for rule in DEFAULT_RULES:
        yield _one(paths, "devices", "devices.allow", pointer, rule.line())
