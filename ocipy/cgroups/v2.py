"""``linux.resources`` → files of the unified hierarchy.  Pure.

File names: Documentation/admin-guide/cgroup-v2.rst of the kernel; the conversions are those runc and crun use, so that
a container weighs the same under all of them.  What v2 has no file for is refused, unless it asks for what v2 does
anyway (config-linux.md, Unified).
"""

from ocipy.cgroups.settings import Setting, no_controller, pids_max, refusal
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    # pointer below linux.resources, file, value
    Entry = tuple[str, str, str]

_BASE = "/linux/resources"


def settings(
    resources: "dict[str, Any]", directory: str, available: "Collection[str] | None" = None
) -> "list[Setting]":
    """The writes that apply ``resources`` to the container's cgroup, in order.

    ``available`` are the controllers that the hierarchy has; None: not known.  Raises StepError for a limit of another
    controller, and for what v2 doesn't have.
    """
    found = list(_settings(resources, directory))
    for setting in found:
        controller = _controller(setting)
        if available is not None and controller != "cgroup" and controller not in available:
            listed = " ".join(sorted(available)) or "none"
            hint = f"the unified hierarchy has {listed}; see cgroup_disable= and cgroup_no_v1= of the kernel"
            raise no_controller(setting.pointer, controller, hint)
    return found


def _settings(resources: "dict[str, Any]", directory: str) -> "Iterator[Setting]":
    _refuse_network(resources.get("network", {}))
    for pointer, file, value in _cpu(resources.get("cpu", {})):
        # 0 is the default, and before Linux 5.14 and 5.15 there was no file for it.
        optional = value == "0" and file in ("cpu.max.burst", "cpu.idle")
        yield Setting(f"{_BASE}/{pointer}", f"{directory}/{file}", value, optional=optional)
    yield from _memory(resources.get("memory", {}), directory)
    limit = resources.get("pids", {}).get("limit")
    if limit is not None:
        yield Setting(f"{_BASE}/pids/limit", f"{directory}/pids.max", pids_max(limit))
    if resources.get("blockIO"):
        from ocipy.cgroups import blockio

        for setting in blockio.v2(resources["blockIO"]):
            yield blockio.below(directory, setting)
    for number, page in enumerate(resources.get("hugepageLimits", [])):
        pointer, file = f"{_BASE}/hugepageLimits/{number}", f"{directory}/hugetlb.{page['pageSize']}"
        yield Setting(pointer, f"{file}.max", str(page["limit"]))
        # The reservations as well, where the kernel counts them (config-linux.md, Huge page limits).
        yield Setting(pointer, f"{file}.rsvd.max", str(page["limit"]), optional=True)
    if resources.get("rdma"):
        from ocipy.cgroups.v1 import rdma_limits

        for pointer, value in rdma_limits(resources):
            yield Setting(f"{_BASE}/{pointer}", f"{directory}/rdma.max", value)
    for name, value in resources.get("unified", {}).items():
        pointer = f"{_BASE}/unified/{escape(name)}"
        if name == "cgroup.freeze" and value.strip() == "1":
            raise refusal(pointer, "a frozen container can't be set up")
        for line in [line for line in value.split("\n") if line] or [value]:  # some files take one line a write
            yield Setting(pointer, f"{directory}/{name}", line)


def controllers(settings_: "list[Setting]") -> "list[str]":
    """The controllers that the settings need enabled in the cgroup."""
    return sorted({_controller(setting) for setting in settings_} - {"cgroup"})


def _controller(setting: Setting) -> str:
    """By the file name's first word."""
    return setting.path.rpartition("/")[2].partition(".")[0]


def weight(shares: int) -> int:
    """cpu.shares (2 … 262144) as cpu.weight (1 … 10000); 0, unset, stays 0.

    A curve through the least, the default (1024: 100) and the most, that of runc 1.3.2 and crun 1.23 and newer; those
    before went in a straight line, and a default container got less than the default weight.
    """
    if shares <= 2:
        return min(shares, 1)
    if shares >= 262144:
        return 10000
    import math

    bits = math.log2(shares)
    return math.ceil(10 ** ((bits * bits + 125 * bits) / 612 - 7 / 34))


def _cpu(cpu: "dict[str, Any]") -> "Iterator[Entry]":
    for member in ("realtimeRuntime", "realtimePeriod"):
        if cpu.get(member, 0) > 0:
            raise refusal(f"{_BASE}/cpu/{member}", "cgroup v2 doesn't divide real-time among cgroups")
    # An idle cgroup takes no weight: it is waked before that is set, and put to idle after.
    if cpu.get("idle") == 0:
        yield "cpu/idle", "cpu.idle", "0"
    if cpu.get("shares"):
        yield "cpu/shares", "cpu.weight", str(weight(cpu["shares"]))
    quota, period = cpu.get("quota"), cpu.get("period")
    if quota or period:
        value = "max" if not quota or quota < 0 else str(quota)
        yield f"cpu/{'quota' if quota else 'period'}", "cpu.max", f"{value} {period}" if period else value
    if cpu.get("burst") is not None:
        yield "cpu/burst", "cpu.max.burst", str(cpu["burst"])
    if cpu.get("idle"):
        yield "cpu/idle", "cpu.idle", str(cpu["idle"])
    for member in ("cpus", "mems"):
        if cpu.get(member):
            yield f"cpu/{member}", f"cpuset.{member}", cpu[member]


def _memory(memory: "dict[str, Any]", directory: str) -> "Iterator[Setting]":
    _refuse_memory(memory)
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    on_swap = swap_max(limit, swap)
    if on_swap:
        # Without swap there is no file to allow it all by, or none.
        pointer, optional = f"{_BASE}/memory/{'swap' if swap else 'limit'}", on_swap in ("max", "0")
        yield Setting(pointer, f"{directory}/memory.swap.max", on_swap, optional=optional)
    if limit:
        usage = f"{directory}/memory.current" if memory.get("checkBeforeUpdate") and limit > 0 else ""
        value = "max" if limit < 0 else str(limit)
        yield Setting(f"{_BASE}/memory/limit", f"{directory}/memory.max", value, usage=usage)
    reservation = memory.get("reservation")
    if reservation:
        value = "max" if reservation < 0 else str(reservation)
        yield Setting(f"{_BASE}/memory/reservation", f"{directory}/memory.low", value)


def swap_max(limit: int, swap: int) -> str:
    """v1's limit on memory and swap together as v2's on swap alone; "" for none given.

    No limit on memory, and nothing said of swap, is no limit on swap either, as in v1 (runc).
    """
    if swap < 0 or (limit < 0 and not swap):
        return "max"
    if swap and limit <= 0:
        raise refusal(f"{_BASE}/memory/swap", "needs a memory limit", "cgroup v2 limits swap apart from memory")
    return str(swap - limit) if swap else ""


def _refuse_memory(memory: "dict[str, Any]") -> None:
    for member in ("kernel", "kernelTCP"):
        if memory.get(member, 0) > 0:
            raise refusal(f"{_BASE}/memory/{member}", "cgroup v2 has no limit on kernel memory alone")
    if "swappiness" in memory:
        raise refusal(f"{_BASE}/memory/swappiness", "cgroup v2 has no swappiness of a cgroup's own")
    if memory.get("disableOOMKiller"):
        raise refusal(f"{_BASE}/memory/disableOOMKiller", "cgroup v2 can't turn the OOM killer off")
    if not memory.get("useHierarchy", True):
        raise refusal(f"{_BASE}/memory/useHierarchy", "cgroup v2 always counts what is below a cgroup as its own")


def _refuse_network(network: "dict[str, Any]") -> None:
    for member in ("classID", "priorities"):
        if network.get(member):
            raise refusal(f"{_BASE}/network/{member}", "cgroup v2 has no net_cls and net_prio")
