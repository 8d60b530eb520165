"""``linux.resources`` → files of the cgroup v1 controllers.  Pure.

File names: Documentation/admin-guide/cgroup-v1 of the kernel.  An engine's 0 for shares, weight or a memory limit
means "not set".
"""

from ocipy.cgroups.devices import DEFAULT_RULES, DENY_ALL, configured_rules
from ocipy.cgroups.settings import Setting, no_controller, pids_max
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BASE = "/linux/resources"
_RDMA = (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))  # cgroup-v1/rdma.rst; the same in v2


def settings(resources: "dict[str, Any]", paths: "dict[str, str]") -> "list[Setting]":
    """The writes that apply ``resources`` to the container's cgroups (hierarchy name → directory), in order.

    Raises StepError for a limit whose controller has no hierarchy.
    """
    return list(_settings(resources, paths))


def _settings(resources: "dict[str, Any]", paths: "dict[str, str]") -> "Iterator[Setting]":
    cpu = resources.get("cpu", {})
    for member in ("cpus", "mems"):
        if cpu.get(member):
            yield _one(paths, "cpuset", f"cpuset.{member}", f"cpu/{member}", cpu[member])
    yield from _memory(resources.get("memory", {}), paths)
    yield from _cpu(cpu, paths)
    limit = resources.get("pids", {}).get("limit")
    if limit is not None:
        yield _one(paths, "pids", "pids.max", "pids/limit", pids_max(limit))
    if resources.get("blockIO"):
        from ocipy.cgroups import blockio

        for setting in blockio.v1(resources["blockIO"]):
            place = _directory(paths, "blkio", setting.pointer)
            yield blockio.below(place, setting)
    for number, page in enumerate(resources.get("hugepageLimits", [])):
        file, value, pointer = f"hugetlb.{page['pageSize']}", str(page["limit"]), f"hugepageLimits/{number}"
        yield _one(paths, "hugetlb", f"{file}.limit_in_bytes", pointer, value)
        # The reservations as well, where the kernel counts them (config-linux.md, Huge page limits).
        yield _one(paths, "hugetlb", f"{file}.rsvd.limit_in_bytes", pointer, value, optional=True)
    network = resources.get("network", {})
    if network.get("classID"):
        yield _one(paths, "net_cls", "net_cls.classid", "network/classID", str(network["classID"]))
    for number, entry in enumerate(network.get("priorities", [])):
        value = f"{entry['name']} {entry['priority']}"
        yield _one(paths, "net_prio", "net_prio.ifpriomap", f"network/priorities/{number}", value)
    for pointer, value in rdma_limits(resources):
        yield _one(paths, "rdma", "rdma.max", pointer, value)
    yield from _devices(resources["devices"], paths)


def rdma_limits(resources: "dict[str, Any]") -> "Iterator[tuple[str, str]]":
    """What ``rdma`` writes to rdma.max, of either version: (pointer below resources, value)."""
    for name, device in resources.get("rdma", {}).items():
        limits = [f"{file}={device[member]}" for member, file in _RDMA if member in device]
        if limits:
            yield f"rdma/{escape(name)}", " ".join((name, *limits))


def _memory(memory: "dict[str, Any]", paths: "dict[str, str]") -> "Iterator[Setting]":
    def one(member: str, file: str, value: "int | str", *, optional: bool = False) -> Setting:
        return _one(paths, "memory", f"memory.{file}", f"memory/{member}", str(value), optional=optional)

    if "useHierarchy" in memory:  # since Linux 5.11 it is always on, and can't be turned off
        yield one("useHierarchy", "use_hierarchy", int(memory["useHierarchy"]), optional=memory["useHierarchy"])
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    # The limit may never be above that on memory and swap together, so of two that rise this one goes first; no limit
    # on memory means none on both, as runc has it.
    unlimited = swap < 0 or (limit < 0 and not swap)
    if unlimited:
        yield one("swap" if swap else "limit", "memsw.limit_in_bytes", -1, optional=True)
    if limit:
        yield one("limit", "limit_in_bytes", limit)
    if swap and not unlimited:
        yield one("swap", "memsw.limit_in_bytes", swap)
    if memory.get("reservation"):
        yield one("reservation", "soft_limit_in_bytes", memory["reservation"])
    for member, file in (("kernel", "kmem.limit_in_bytes"), ("kernelTCP", "kmem.tcp.limit_in_bytes")):
        if memory.get(member):
            setting = one(member, file, memory[member], optional=memory[member] < 0)
            setting.verified = memory[member] > 0  # since Linux 5.16 the first does nothing, later neither
            yield setting
    if "swappiness" in memory:
        yield one("swappiness", "swappiness", memory["swappiness"])
    if memory.get("disableOOMKiller"):
        yield one("disableOOMKiller", "oom_control", 1)


def oom_killer_on(paths: "dict[str, str]") -> Setting:
    """Turn it on again, after ``disableOOMKiller``."""
    return _one(paths, "memory", "memory.oom_control", "memory/disableOOMKiller", "0")


def _cpu(cpu: "dict[str, Any]", paths: "dict[str, str]") -> "Iterator[Setting]":
    def one(member: str, file: str, *, optional: bool = False) -> Setting:
        return _one(paths, "cpu", f"cpu.{file}", f"cpu/{member}", str(cpu[member]), optional=optional)

    # An idle cgroup takes no shares: it is waked before they are set, and put to idle after.
    if cpu.get("idle") == 0:
        yield one("idle", "idle", optional=True)
    for member, file in (
        ("shares", "shares"),
        # The period first: the kernel checks a quota against it, and a burst against a quota.
        ("period", "cfs_period_us"),
        ("burst", "cfs_burst_us"),
        ("quota", "cfs_quota_us"),
        ("realtimePeriod", "rt_period_us"),
        ("realtimeRuntime", "rt_runtime_us"),
        ("idle", "idle"),
    ):
        if cpu.get(member):
            yield one(member, file)
        elif member == "burst" and member in cpu:
            yield one(member, file, optional=True)  # the default, in Linux before 5.14 without a file


def _one(
    paths: "dict[str, str]", controller: str, file: str, pointer: str, value: str, *, optional: bool = False
) -> Setting:
    pointer = f"{_BASE}/{pointer}"
    return Setting(pointer, f"{_directory(paths, controller, pointer)}/{file}", value, optional=optional)


def _directory(paths: "dict[str, str]", controller: str, pointer: str) -> str:
    for name, directory in paths.items():
        if controller in name.split(","):
            return directory
    raise no_controller(pointer, controller, f"mount it: mount -t cgroup -o {controller}, or drop the limit")


def _devices(entries: "list[dict[str, Any]]", paths: "dict[str, str]") -> "Iterator[Setting]":
    """Deny all, then the rules in order, then the default devices."""
    pointer = "devices"
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
