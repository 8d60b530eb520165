"""Whether a cgroup that was there before can be a container's (config-linux.md, Control groups)."""

from ocipy.cgroups.manager import processes, read
from ocipy.files import exists


def unfit(path: str) -> str:
    """Why a cgroup that is there can't take a new container, in words; "" if it can."""
    count = len(processes([path]))
    if count:
        return f"is in use: processes in it: {count}"
    for file, sign, reason in (
        ("cgroup.events", "frozen 1", "is frozen"),
        ("freezer.state", "FR", "is frozen"),
        ("cgroup.type", "threaded", "is threaded, and takes no process of its own"),
        ("cgroup.type", "invalid", "is below a threaded one, and takes no process"),
    ):
        if exists(f"{path}/{file}") and sign in read(f"{path}/{file}"):
            return reason
    return ""
