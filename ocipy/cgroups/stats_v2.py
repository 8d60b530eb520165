"""Statistics of cgroup v2 as the members of runc's ``events``, which are cgroup v1's (libcontainer's fs2).  Pure.

The values are those of cgroup-v2.rst; what v2 doesn't count is 0 or absent.
"""

from ocipy.cgroups import stats_v1
from ocipy.cgroups.stats_text import UNLIMITED, number, pairs, present

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.stats_text import Files

_NONE: "dict[str, int]" = {"limit": 0, "failcnt": 0}
# Key in io.stat → (member, operation).
_IO = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
}


def cpu(files: "Files") -> "dict[str, Any]":
    """Nanoseconds, of the kernel's microseconds.  Without the controller there is usage, but no throttling."""
    stat = pairs(files.text("cpu.stat"))
    return {
        "usage": present(total=stat.get("usage_usec", 0) * 1000)
        | {"kernel": stat.get("system_usec", 0) * 1000, "user": stat.get("user_usec", 0) * 1000},
        "throttling": present(
            periods=stat.get("nr_periods", 0),
            throttledPeriods=stat.get("nr_throttled", 0),
            throttledTime=stat.get("throttled_usec", 0) * 1000,
        ),
    }


def cpuset(_files: "Files") -> "dict[str, Any]":
    """All zeros: runc tells nothing of v2's."""
    return dict.fromkeys(stats_v1.CPUSET_FLAGS, 0)


def memory(files: "Files") -> "dict[str, Any]":
    """Bytes; ``swap`` is memory and swap together, as of v1, and so has no ``max``."""
    raw = pairs(files.text("memory.stat"))
    usage, limit = number(files.text("memory.current")), number(files.text("memory.max"))
    swap, swap_limit = number(files.text("memory.swap.current")), number(files.text("memory.swap.max"))
    # The sum of no limit and any other is no limit, not one that has gone round to a small number.
    both = min(limit + swap_limit, UNLIMITED)
    return present(cache=raw.get("file", 0), raw=raw) | {
        "usage": present(usage=usage, max=number(files.text("memory.peak"))) | {"limit": limit, "failcnt": 0},
        "swap": present(usage=usage + swap) | {"limit": both, "failcnt": 0},
        "kernel": dict(_NONE),
        "kernelTCP": dict(_NONE),
    }


def pids(files: "Files") -> "dict[str, int]":
    """Without the controller, the processes in the cgroup itself."""
    if not files.text("pids.current"):
        return present(current=files.text("cgroup.procs").count("\n"))
    return stats_v1.pids(files)


def blkio(files: "Files") -> "dict[str, Any]":
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in files.text("io.stat").splitlines():
        device, *values = line.split()
        major, _, minor = device.partition(":")
        for value in values:
            key, _, digits = value.partition("=")
            if minor and key in _IO:
                member, operation = _IO[key]
                entry = present(major=int(major), minor=int(minor), op=operation, value=int(digits))
                tables.setdefault(member, []).append(entry)
    return tables


def hugetlb(files: "Files") -> "dict[str, Any]":
    """By page size, ``2MB``; ``failcnt`` is how often the limit was hit."""
    found = {}
    for name in sorted(files.names()):
        size = name.removeprefix("hugetlb.").removesuffix(".current")
        if f"hugetlb.{size}.current" == name and "." not in size:
            failures = pairs(files.text(f"hugetlb.{size}.events")).get("max", 0)
            found[size] = present(usage=number(files.text(name))) | {"failcnt": failures}
    return found
