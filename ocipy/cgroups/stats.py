"""One container's statistics, read from its cgroups: the ``data`` of runc's ``events`` (types/events.go of runc).

Members, and which of them are left out, are runc's.  Beyond it: on a hybrid host the pressure (PSI) is told too, which
the unified tree counts without any controller; and what no v1 hierarchy has is looked for in the unified one.
"""

import errno
import posix

from ocipy import files
from ocipy.cgroups import stats_v1, stats_v2
from ocipy.cgroups.stats_text import pressure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Not there: the file, or the controller; ENODEV: the cgroup, since the file was opened; EOPNOTSUPP: PSI, turned off.
_NOT_THERE = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)


class Directory:
    """The files of one cgroup, as ``stats_text.Files``; of no cgroup for the path ""."""

    def __init__(self, path: str) -> None:
        self.path = path

    def text(self, name: str) -> str:
        """The text of a file, "" where it isn't there.  Raises OSError."""
        try:
            return files.read(f"{self.path}/{name}").decode() if self.path else ""
        except OSError as problem:
            if problem.errno in _NOT_THERE:
                return ""
            raise

    def names(self) -> "list[str]":
        try:
            return posix.listdir(self.path) if self.path else []
        except FileNotFoundError:
            return []


# (member, v1's controllers, what they say, what the unified hierarchy says, its PSI file)
_MEMBERS = (
    ("cpu", ("cpu", "cpuacct"), stats_v1.cpu, stats_v2.cpu, "cpu.pressure"),
    ("cpuset", ("cpuset",), stats_v1.cpuset, stats_v2.cpuset, ""),
    ("memory", ("memory",), stats_v1.memory, stats_v2.memory, "memory.pressure"),
    ("pids", ("pids",), stats_v1.pids, stats_v2.pids, ""),
    ("blkio", ("blkio",), stats_v1.blkio, stats_v2.blkio, "io.pressure"),
    ("hugetlb", ("hugetlb",), stats_v1.hugetlb, stats_v2.hugetlb, ""),
)


def by_controller(paths: "Mapping[str, str]") -> "dict[str, str]":
    """v1 controller → the cgroup's directory, of state.json's ``cgroup_paths``."""
    return {controller: path for name, path in paths.items() if name for controller in name.split(",")}


def read(paths: "Mapping[str, str]") -> "dict[str, Any]":
    """The statistics of a container's cgroups (hierarchy name → directory).  Raises OSError."""
    v1 = by_controller(paths)
    unified = Directory(paths.get("", ""))
    document: dict[str, Any] = {}
    for member, controllers, of_v1, of_v2, psi in _MEMBERS:
        if any(controller in v1 for controller in controllers):
            document[member] = of_v1(*(Directory(v1.get(controller, "")) for controller in controllers))
        else:
            document[member] = of_v2(unified)
        found = pressure(unified.text(psi)) if psi else None
        if found:
            document[member]["psi"] = found
    return document
