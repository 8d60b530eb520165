"""What resctrl tells of a container's group: the ``intel_rdt`` of runc's ``events`` (resctrl.rst).

Only containers with ``linux.intelRdt`` have it read.
"""

from ocipy.cgroups.stats import Directory
from ocipy.cgroups.stats_text import number, present
from ocipy.files import exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MOUNT = "/sys/fs/resctrl"
_CACHE = ("num_closids", "min_cbm_bits")
_BANDWIDTH = ("bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids")


def read(pid: int, mount: str = MOUNT) -> "dict[str, Any]":
    """The member, for the groups that process ``pid`` is in.  Raises OSError."""
    found: dict[str, Any] = {}
    group = next((path for path in _groups(mount) if _has(path, pid)), mount)
    cache, bandwidth = Directory(f"{mount}/info/L3"), Directory(f"{mount}/info/MB")
    if exists(cache.path):
        info = {"cbm_mask": cache.text("cbm_mask").strip()} | {name: number(cache.text(name)) for name in _CACHE}
        found["l3_cache_info"] = present(**info)
        found |= present(l3_cache_schema_root=_schema(mount, "L3"), l3_cache_schema=_schema(group, "L3"))
    if exists(bandwidth.path):
        found["mem_bw_info"] = present(**{name: number(bandwidth.text(name)) for name in _BANDWIDTH})
        found |= present(mem_bw_schema_root=_schema(mount, "MB"), mem_bw_schema=_schema(group, "MB"))
    monitored = next((path for path in _groups(f"{group}/mon_groups") if _has(path, pid)), group)
    return found | _counts(monitored, Directory(f"{mount}/info/L3_MON").text("mon_features").split())


def _counts(group: str, features: "list[str]") -> "dict[str, Any]":
    """By domain, in the order of their numbers."""
    domains = [Directory(path) for path in _groups(f"{group}/mon_data") if "/mon_L3_" in path]
    found: dict[str, Any] = {}
    bandwidth = [name for name in ("mbm_total_bytes", "mbm_local_bytes") if name in features]
    if bandwidth:
        found["mbm_stats"] = [{name: number(each.text(name)) for name in bandwidth} for each in domains]
    if "llc_occupancy" in features:
        found["cmt_stats"] = [{"llc_occupancy": number(each.text("llc_occupancy"))} for each in domains]
    return found


def _groups(directory: str) -> "Iterator[str]":
    """Directories in ``directory``, sorted; none where there is no such directory."""
    for name in sorted(Directory(directory).names()):
        path = f"{directory}/{name}"
        if name not in ("info", "mon_groups", "mon_data") and exists(f"{path}/."):
            yield path


def _has(group: str, pid: int) -> bool:
    return str(pid) in Directory(group).text("tasks").split()


def _schema(group: str, resource: str) -> str:
    """The line of ``schemata`` about a resource."""
    lines = Directory(group).text("schemata").splitlines()
    return next((line.strip() for line in lines if line.strip().startswith(f"{resource}:")), "")
