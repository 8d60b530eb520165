"""The config.json a bundle starts from: the same values as ``runc spec`` writes (runc 1.1.5, Debian 12).

One key differs: ``ociVersion`` is the version ocipy implements, for the file is ours to keep valid.
Later runc versions also dropped the ambient capabilities and added masked paths; we stay with this one, so
that bundles made by either tool behave alike.
"""

import json
import os
from typing import Any

from ocipy import SPEC_VERSION

Config = dict[str, Any]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_HARDENED = ("nosuid", "noexec", "nodev")
_MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
)
_READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def host_search_path() -> str:
    """Where programs are looked up on the host: the caller's PATH, then the usual places (a bare one lacks some)."""
    return ":".join(filter(None, (os.environ.get("PATH"), DEFAULT_PATH)))


def default_config(rootless: bool = False, unified: bool = False) -> Config:
    """A fresh default config, keys in runc's order.

    With ``unified``, for a host with cgroup v2 alone, the container gets a cgroup namespace: without, it would see the
    whole hierarchy of the host.

    With ``rootless`` it can be run without privileges: a user namespace in which the caller's effective ids
    are root, the host's network namespace (and so a bound /sys: sysfs can't be mounted in a network namespace
    the user namespace doesn't own), no ``gid=5`` for devpts (that id isn't mapped) and no cgroup resources.
    """
    return {
        "ociVersion": SPEC_VERSION,
        "process": _process(),
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "runc",
        "mounts": _mounts(rootless),
        "linux": _linux(rootless, unified),
    }


def id_mapping(container_id: int, host_id: int, size: int) -> dict[str, int]:
    """One entry of ``linux.uidMappings`` or ``linux.gidMappings``."""
    return {"containerID": container_id, "hostID": host_id, "size": size}


def write_config(path: str, config: Config) -> None:
    """Write ``config`` to the new file ``path`` in runc's form (tabs, no newline at the end).

    Raises FileExistsError when there is something of that name, and other OSErrors.
    """
    text = json.dumps(config, indent="\t", ensure_ascii=False)
    with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _process() -> Config:
    return {
        "terminal": True,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [f"PATH={DEFAULT_PATH}", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def _mounts(rootless: bool) -> list[Config]:
    devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if rootless:
        sys_mount = _mount("/sys", "none", "/sys", "rbind", *_HARDENED, "ro")
    else:
        sys_mount = _mount("/sys", "sysfs", "sysfs", *_HARDENED, "ro")
        devpts.append("gid=5")
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *devpts),
        _mount("/dev/shm", "tmpfs", "shm", *_HARDENED, "mode=1777", "size=65536k"),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_HARDENED),
        sys_mount,
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_HARDENED, "relatime", "ro"),
    ]


def _mount(destination: str, kind: str, source: str, *options: str) -> Config:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _linux(rootless: bool, unified: bool) -> Config:
    namespaces = ["pid", "ipc", "uts", "mount"] if rootless else ["pid", "network", "ipc", "uts", "mount"]
    namespaces += ["cgroup"] if unified else []
    namespaces += ["user"] if rootless else []
    privileges: Config
    if rootless:
        privileges = {
            "uidMappings": [id_mapping(0, os.geteuid(), 1)],
            "gidMappings": [id_mapping(0, os.getegid(), 1)],
        }
    else:
        privileges = {"resources": {"devices": [{"allow": False, "access": "rwm"}]}}
    return {
        **privileges,
        "namespaces": [{"type": kind} for kind in namespaces],
        "maskedPaths": list(_MASKED_PATHS),
        "readonlyPaths": list(_READONLY_PATHS),
    }
