"""``linux.resources`` → files of the unified hierarchy.  Pure.

File names: Documentation/admin-guide/cgroup-v2.rst of the kernel; the conversions are those runc and crun use, so that
a container weighs the same under all of them.
"""

from ocipy.cgroups.settings import Setting
from ocipy.errors import StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BASE = "/linux/resources"


def settings(resources: "dict[str, Any]", directory: str) -> "list[Setting]":
    """The writes that apply ``resources`` to the container's cgroup, in order.

    Raises StepError for a limit on memory and swap together without one on memory.
    """
    cpu = resources.get("cpu", {})
    found = [*_cpu(cpu), *_memory(resources.get("memory", {}))]
    limit = resources.get("pids", {}).get("limit")
    if limit:
        found.append((f"{_BASE}/pids/limit", "pids.max", "max" if limit < 0 else str(limit)))
    for number, page in enumerate(resources.get("hugepageLimits", [])):
        found.append((f"{_BASE}/hugepageLimits/{number}", f"hugetlb.{page['pageSize']}.max", str(page["limit"])))
    found += [(f"{_BASE}/unified/{name}", name, value) for name, value in resources.get("unified", {}).items()]
    return [Setting(pointer, f"{directory}/{file}", value) for pointer, file, value in found]


def controllers(settings_: "list[Setting]") -> "list[str]":
    """The controllers that the settings need enabled in the cgroup (by the file name's first word)."""
    names = {setting.path.rpartition("/")[2].partition(".")[0] for setting in settings_}
    return sorted(names - {"cgroup"})


def weight(shares: int) -> int:
    """cpu.shares (2 … 262144) as cpu.weight (1 … 10000); 0, unset, stays 0."""
    if shares == 0:
        return 0
    return 1 + ((max(2, min(shares, 262144)) - 2) * 9999) // 262142


def _cpu(cpu: "dict[str, Any]") -> "Iterator[tuple[str, str, str]]":
    if cpu.get("shares"):
        yield f"{_BASE}/cpu/shares", "cpu.weight", str(weight(cpu["shares"]))
    quota, period = cpu.get("quota"), cpu.get("period")
    if quota or period:
        value = "max" if not quota or quota < 0 else str(quota)
        yield f"{_BASE}/cpu/{'quota' if quota else 'period'}", "cpu.max", f"{value} {period}" if period else value
    if cpu.get("burst") is not None:
        yield f"{_BASE}/cpu/burst", "cpu.max.burst", str(cpu["burst"])
    if cpu.get("idle") is not None:
        yield f"{_BASE}/cpu/idle", "cpu.idle", str(cpu["idle"])
    for member in ("cpus", "mems"):
        if cpu.get(member):
            yield f"{_BASE}/cpu/{member}", f"cpuset.{member}", cpu[member]


def _memory(memory: "dict[str, Any]") -> "Iterator[tuple[str, str, str]]":
    limit, swap = memory.get("limit"), memory.get("swap")
    if swap:
        # v1 counts memory and swap together, v2 apart.
        if swap > 0 and (not limit or limit < 0):
            hint = "cgroup v2 limits swap apart from memory"
            pointer = f"{_BASE}/memory/swap"
            raise StepError("linux.resources.memory.swap", "needs a memory limit", 0, hint, -1, pointer)
        yield f"{_BASE}/memory/swap", "memory.swap.max", "max" if swap < 0 else str(swap - (limit or 0))
    if limit:
        yield f"{_BASE}/memory/limit", "memory.max", "max" if limit < 0 else str(limit)
    reservation = memory.get("reservation")
    if reservation:
        yield f"{_BASE}/memory/reservation", "memory.low", "max" if reservation < 0 else str(reservation)
