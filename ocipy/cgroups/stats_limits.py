"""What a container may use of processors and block devices, as its cgroups have it: for ``top``.  Pure.

Limits on memory and processes are in the statistics already.
"""

from ocipy.cgroups.stats_text import UNLIMITED, id_list, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cgroups.stats_text import Files

# A device's limit: (major, minor, what: rbps, wbps, riops or wiops, as io.max names them).
DeviceLimits = dict[tuple[int, int, str], int]

_THROTTLES = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}


def quota_v1(cpu: "Files") -> "float | None":
    """Processors by quota and period; None: as many as there are."""
    quota, period = number(cpu.text("cpu.cfs_quota_us")), number(cpu.text("cpu.cfs_period_us"))
    return quota / period if quota > 0 and period else None


def quota_v2(files: "Files") -> "float | None":
    quota, _, period = files.text("cpu.max").partition(" ")
    return int(quota) / int(period) if period and quota != "max" else None


def processors(files: "Files") -> int:
    """How many processors the cgroup may run on; 0: nobody says.  The file's name is v1's or v2's."""
    return len(id_list(files.text("cpuset.effective_cpus") or files.text("cpuset.cpus.effective")))


def io_v1(blkio: "Files") -> DeviceLimits:
    found = {}
    for name, key in _THROTTLES.items():
        for line in blkio.text(f"blkio.throttle.{name}_device").splitlines():
            device, _, value = line.partition(" ")
            major, _, minor = device.partition(":")
            found[int(major), int(minor), key] = int(value)
    return found


def io_v2(files: "Files") -> DeviceLimits:
    found = {}
    for line in files.text("io.max").splitlines():
        device, *values = line.split()
        major, _, minor = device.partition(":")
        for value in values:
            key, _, limit = value.partition("=")
            if number(limit) != UNLIMITED:
                found[int(major), int(minor), key] = number(limit)
    return found
