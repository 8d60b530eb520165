"""Facts of this machine that few configs ask for: looked up only for those, and put into the HostInfo."""

import posix

from ocipy import files
from ocipy.host import Resctrl, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.host import HostInfo

# What each kind of namespace is called below /proc/PID/ns, of those that have settings (``linux.sysctl``).
_WITH_SETTINGS = {"network": "net", "ipc": "ipc", "uts": "uts"}


def look(host: "HostInfo", config: "dict[str, Any]") -> None:
    """Fill in what the config asks for."""
    host.modules = tuple(name for name, enabled in (("apparmor", _apparmor), ("selinux", _selinux)) if enabled())
    if "intelRdt" in config["linux"]:
        host.resctrl = resctrl()
    if config["linux"]["sysctl"]:
        joined = {each["type"]: each["path"] for each in config["linux"]["namespaces"] if each["path"]}
        kinds = [kind for kind in _WITH_SETTINGS if kind in joined]
        host.own_namespaces = tuple(kind for kind in kinds if _is_own(joined[kind], _WITH_SETTINGS[kind]))


def resctrl() -> "Resctrl | None":
    """The resctrl filesystem, the first that is mounted (proc_pid_mountinfo(5))."""
    for line in _read("/proc/self/mountinfo").splitlines():
        if " - resctrl " in line:
            mount = unescape(line.split(" ")[4])
            return Resctrl(mount, tuple(sorted(posix.listdir(f"{mount}/info"))))
    return None


def _apparmor() -> bool:
    return _read("/sys/module/apparmor/parameters/enabled").startswith("Y")


def _selinux() -> bool:
    """The kernel registers its filesystem unless it was started with selinux=0 (security/selinux/selinuxfs.c)."""
    return "\tselinuxfs\n" in _read("/proc/filesystems")


def _is_own(path: str, name: str) -> bool:
    """Whether it is the namespace of the runtime itself; one that isn't there, spawning will say so."""
    try:
        there, here = posix.stat(path), posix.stat(f"/proc/self/ns/{name}")
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _read(path: str) -> str:
    try:
        return files.read(path).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
