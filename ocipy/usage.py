"""How much of what they may use containers do use, from one measurement to the next: what ``top`` shows."""

import posix
import time

from ocipy import files
from ocipy.cgroups import stats, stats_limits
from ocipy.container import Container
from ocipy.errors import OcipyError
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_NO_LIMIT = 1 << 62  # bytes that none has: v1's "no limit" is a page less than 2^63, v2's 2^64 - 1
_COUNTERS = {
    ("ioServiceBytesRecursive", "Read"): "rbps",
    ("ioServiceBytesRecursive", "Write"): "wbps",
    ("ioServicedRecursive", "Read"): "riops",
    ("ioServicedRecursive", "Write"): "wiops",
}


class Reading:
    """One container at one time (seconds, of a clock that only goes on)."""

    __slots__ = ("data", "init", "limits", "paths", "time")

    def __init__(self, state: "dict[str, Any]", now: float) -> None:
        """Read the cgroups.  ``state`` is what state.json says.  Raises OSError."""
        self.time = now
        self.init = (state["init_process_pid"], state["init_process_start"])
        self.paths = state["cgroup_paths"]
        self.data = stats.read(self.paths) if self.paths else {}
        self.limits = _limits(self.paths)


def _limits(paths: "Mapping[str, str]") -> "dict[str, Any]":
    """``quota`` and ``processors`` in processors (None, 0: not limited), ``io`` (None: nobody counts)."""
    v1 = {name: stats.Directory(path) for name, path in stats.by_controller(paths).items()}
    unified = stats.Directory(paths.get("", ""))
    io = stats_limits.io_v2(unified) if files.exists(f"{unified.path}/io.stat") else None
    return {
        "quota": stats_limits.quota_v1(v1["cpu"]) if "cpu" in v1 else stats_limits.quota_v2(unified),
        "processors": stats_limits.processors(v1.get("cpuset", unified)),
        "io": stats_limits.io_v1(v1["blkio"]) if "blkio" in v1 else io,
    }


class Usage:
    """The containers below a root directory ("": the default), or those of ``ids``, measured again and again."""

    def __init__(self, root: str = "", ids: "Sequence[str]" = ()) -> None:
        """Raises NotFoundError where one of ``ids`` isn't there."""
        self._root = root
        self._ids = [Container.load(container_id, root).id for container_id in ids]
        self._before: dict[str, Reading] = {}
        self._machine = Machine()

    def measure(self) -> "list[dict[str, Any]]":
        """The containers that have not ended: ``usage`` of each.  Those that came or went meanwhile are no error.

        What is by the second is None at a container's first time: measure, wait, and measure again.
        """
        containers = [Container(each, self._root) for each in self._ids] if self._ids else Container.list(self._root)
        readings: dict[str, Reading] = {}
        found = []
        for container in containers:
            try:
                state, status = StateDir(container.root, container.id).look()
                if status in ("creating", "stopped"):
                    continue
                reading = Reading(state, time.monotonic())
            except (OcipyError, OSError):
                continue  # it is being removed
            before = self._before.get(container.id)
            if before and before.init != reading.init:
                before = None
            readings[container.id] = reading
            found.append({"id": container.id, "status": status} | usage(before, reading, self._machine))
        self._before = readings
        return found


class Machine:
    """What there is where nothing is limited: processors, and bytes of memory."""

    def __init__(self) -> None:
        self.processors = posix.sysconf("SC_NPROCESSORS_ONLN")
        self.memory = posix.sysconf("SC_PHYS_PAGES") * posix.sysconf("SC_PAGE_SIZE")


def usage(before: "Reading | None", now: Reading, machine: Machine) -> "dict[str, Any]":
    """The parts of a row of ``top``; None is for what is not known, or not limited.

    ``cpu``: ``used`` and ``limit`` in processors; ``memory``: bytes, without the cached files that the kernel would
    give up first; ``io``: bytes by the second, ``percent`` of the nearest throttle; ``pids``.  A ``percent`` is of the
    limit, and of what the machine has where none is set.
    """
    return {
        "cpu": _cpu(before, now, machine),
        "memory": _memory(now.data.get("memory", {}), machine),
        "io": _io(before, now),
        "pids": _pids(now.data.get("pids", {})),
    }


def _cpu(before: "Reading | None", now: Reading, machine: Machine) -> "dict[str, Any]":
    used = None
    total = now.data.get("cpu", {}).get("usage", {}).get("total")
    if total is not None and before and now.time > before.time:
        used = max(0.0, (total - before.data["cpu"]["usage"].get("total", 0)) / (now.time - before.time) / 1e9)
    quota, processors = now.limits["quota"], now.limits["processors"]
    # A cpuset of all processors limits nothing.
    limits = [quota] if quota else []
    limits += [processors] if 0 < processors < machine.processors else []
    limit = min(limits) if limits else None
    return {"used": used, "limit": limit, "percent": _percent(used, limit or machine.processors)}


def _memory(memory: "dict[str, Any]", machine: Machine) -> "dict[str, Any]":
    raw = memory.get("raw")
    if not raw:
        return {"used": None, "limit": None, "percent": None}
    cached = raw.get("total_inactive_file", raw.get("inactive_file", 0))
    used = max(0, memory["usage"].get("usage", 0) - cached)
    limit = memory["usage"]["limit"]
    limit = limit if limit < _NO_LIMIT else None
    return {"used": used, "limit": limit, "percent": _percent(used, min(limit or machine.memory, machine.memory))}


def _pids(pids: "dict[str, int]") -> "dict[str, Any]":
    current, limit = pids.get("current"), pids.get("limit")
    return {"used": current, "limit": limit, "percent": _percent(current, limit)}


def _io(before: "Reading | None", now: Reading) -> "dict[str, Any]":
    if now.limits["io"] is None or before is None or now.time <= before.time:
        return {"read": None, "write": None, "percent": None}
    old, new = _counters(before.data), _counters(now.data)
    rates = {key: max(0, value - old.get(key, 0)) / (now.time - before.time) for key, value in new.items()}
    shares = [_percent(rates.get(key, 0.0), limit) or 0.0 for key, limit in now.limits["io"].items()]
    return {
        "read": sum(rate for (_, _, key), rate in rates.items() if key == "rbps"),
        "write": sum(rate for (_, _, key), rate in rates.items() if key == "wbps"),
        "percent": max(shares, default=None),
    }


def _counters(data: "dict[str, Any]") -> "dict[tuple[int, int, str], int]":
    found = {}
    for (member, operation), key in _COUNTERS.items():
        for entry in data["blkio"].get(member, ()):
            if entry.get("op") == operation:
                found[entry.get("major", 0), entry.get("minor", 0), key] = entry.get("value", 0)
    return found


def _percent(used: "float | None", limit: "float | None") -> "float | None":
    return None if used is None or not limit else 100 * used / limit
