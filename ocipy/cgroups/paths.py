"""Which cgroup a container gets, in every hierarchy the host has.  Pure.

``linux.cgroupsPath`` (config-linux.md, Control groups): absolute means from the hierarchy's mount point, relative
from the runtime's own cgroup.  Absent, it is ``/ocipy/ID``; for a rootless runtime ``ID`` below the cgroup that is
delegated to it (``host.Hierarchy.delegated``), and none in a hierarchy where it has no such cgroup.
"""

DEFAULT_PARENT = "ocipy"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.host import HostInfo


def container_paths(host: "HostInfo", cgroups_path: str, container_id: str) -> "dict[str, str]":
    """Hierarchy name (``host.Hierarchy.name``) → the container's directory in it; empty without cgroups.

    A hybrid host's unified tree is among them: it has the ``cgroup.kill`` and the events that v1 lacks.
    """
    wanted = (*host.hierarchies, *((host.unified,) if host.unified else ()))
    if not cgroups_path and host.rootless:
        return {each.name: each.mount + below(each.delegated, container_id) for each in wanted if each.delegated}
    cgroups_path = cgroups_path or f"/{DEFAULT_PARENT}/{container_id}"
    return {each.name: each.mount + below(each.own, cgroups_path) for each in wanted}


def below(own: str, cgroups_path: str) -> str:
    """The cgroup, as a path from the mount point that can't climb out of it: ``..`` and ``.`` are resolved first."""
    joined = cgroups_path if cgroups_path.startswith("/") else f"{own}/{cgroups_path}"
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts) if parts else ""


def is_systemd_path(cgroups_path: str) -> bool:
    """Whether it has the form ``slice:prefix:name`` that the systemd driver takes."""
    return cgroups_path.count(":") == 2 and not cgroups_path.startswith("/")
