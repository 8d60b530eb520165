"""Statistics of cgroup v1 as the members of runc's ``events`` (its types/events.go and libcontainer's fs).  Pure.

Each function takes the files of the controllers that it is about; the values are cgroup-v1/*.rst's.
"""

from ocipy.cgroups.stats_text import id_list, number, pairs, present

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.stats_text import Files

_TICK = 10_000_000  # ns: USER_HZ, of which cpuacct.stat is a count, is 100 wherever Linux runs
CPUSET_FLAGS = (
    "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page", "memory_spread_slab",
    "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
)  # fmt: skip
_BLKIO = (
    ("sectorsRecursive", "sectors"),
    ("ioServiceTimeRecursive", "io_service_time"),
    ("ioWaitTimeRecursive", "io_wait_time"),
    ("ioMergedRecursive", "io_merged"),
    ("ioQueueRecursive", "io_queued"),
    ("ioTimeRecursive", "time"),
    ("ioServicedRecursive", "io_serviced"),
    ("ioServiceBytesRecursive", "io_service_bytes"),
)
# Who counts, by prefix and suffix of the file names: BFQ, CFQ (before Linux 5.0), the throttling layer, that layer for
# the cgroup alone.  The first that has something to tell is believed.
_BLKIO_SOURCES = (("blkio.bfq.", "_recursive"), ("blkio.", "_recursive"), ("blkio.throttle.", "_recursive"),
                  ("blkio.throttle.", ""))  # fmt: skip


def cpu(cpu: "Files", cpuacct: "Files") -> "dict[str, Any]":
    """Nanoseconds; ``percpu`` by processor number."""
    modes = pairs(cpuacct.text("cpuacct.stat"))
    by_processor = [line.split() for line in cpuacct.text("cpuacct.usage_all").splitlines()[1:]]
    throttling = pairs(cpu.text("cpu.stat"))
    usage = present(
        total=number(cpuacct.text("cpuacct.usage")),
        percpu=[int(word) for word in cpuacct.text("cpuacct.usage_percpu").split()],
        percpu_kernel=[int(kernel) for _, _, kernel in by_processor],
        percpu_user=[int(user) for _, user, _ in by_processor],
    )
    return {
        "usage": usage | {"kernel": modes.get("system", 0) * _TICK, "user": modes.get("user", 0) * _TICK},
        "throttling": present(
            periods=throttling.get("nr_periods", 0),
            throttledPeriods=throttling.get("nr_throttled", 0),
            throttledTime=throttling.get("throttled_time", 0),
        ),
    }


def cpuset(files: "Files") -> "dict[str, Any]":
    lists = present(cpus=id_list(files.text("cpuset.cpus")), mems=id_list(files.text("cpuset.mems")))
    return lists | {flag: number(files.text(f"cpuset.{flag}")) for flag in CPUSET_FLAGS}


def memory(files: "Files") -> "dict[str, Any]":
    """Bytes; ``swap`` is memory and swap together."""
    raw = pairs(files.text("memory.stat"))
    return present(cache=raw.get("cache", 0), raw=raw) | {
        "usage": _counter(files, "memory"),
        "swap": _counter(files, "memory.memsw"),
        "kernel": _counter(files, "memory.kmem"),
        "kernelTCP": _counter(files, "memory.kmem.tcp"),
    }


def _counter(files: "Files", name: str) -> "dict[str, int]":
    sizes = present(
        usage=number(files.text(f"{name}.usage_in_bytes")), max=number(files.text(f"{name}.max_usage_in_bytes"))
    )
    return sizes | {
        "limit": number(files.text(f"{name}.limit_in_bytes")),
        "failcnt": number(files.text(f"{name}.failcnt")),
    }


def pids(files: "Files") -> "dict[str, int]":
    """No ``limit``, as for runc, where there is none."""
    limit = files.text("pids.max").strip()
    return present(current=number(files.text("pids.current")), limit=0 if limit == "max" else number(limit))


def blkio(files: "Files") -> "dict[str, Any]":
    found: dict[str, Any] = {}
    for prefix, suffix in _BLKIO_SOURCES:
        tables = {member: _entries(files.text(f"{prefix}{name}{suffix}")) for member, name in _BLKIO}
        if any(tables.values()):
            found = present(**tables)
            break
    return found


def _entries(text: str) -> "list[dict[str, Any]]":
    """``MAJOR:MINOR [OPERATION] NUMBER`` lines; the last, of all devices, isn't one of them."""
    found = []
    for line in text.splitlines():
        device, *operation, value = line.split()
        if device != "Total":
            major, _, minor = device.partition(":")
            found.append(present(major=int(major), minor=int(minor), op="".join(operation), value=int(value)))
    return found


def hugetlb(files: "Files") -> "dict[str, Any]":
    """By page size, ``2MB``; reservations aren't among them."""
    found = {}
    for name in sorted(files.names()):
        size = name.removeprefix("hugetlb.").removesuffix(".usage_in_bytes")
        if f"hugetlb.{size}.usage_in_bytes" == name and "." not in size:
            usage, most = number(files.text(name)), number(files.text(f"hugetlb.{size}.max_usage_in_bytes"))
            found[size] = present(usage=usage, max=most) | {"failcnt": number(files.text(f"hugetlb.{size}.failcnt"))}
    return found
