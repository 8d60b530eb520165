"""Facts of the host that decide what a case can show; none of them asks the runtime."""

import contextlib
import functools
import os
import platform
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Bits of capabilities that cases ask for: include/uapi/linux/capability.h.
_CAPABILITIES = {
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYS_TIME": 25,
    "CAP_MKNOD": 27,
}


def kernel(*version: int) -> bool:
    """The kernel is this version, e.g. ``kernel(5, 12)``, or a newer one."""
    return kernel_version() >= version


def kernel_version() -> tuple[int, ...]:
    numbers = platform.release().partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def capable(name: str) -> bool:
    """The caller, and so the runtime, has this capability."""
    return bool(_status("CapEff") >> _CAPABILITIES[name] & 1)


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0], 16)


def missing_capabilities() -> list[str]:
    return [name for name in _CAPABILITIES if not capable(name)]


@functools.cache
def hierarchies() -> dict[str, Path]:
    """Mount points of cgroup hierarchies below /sys/fs/cgroup: of v1 by controller and name, the unified one as ""."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        path = Path(before.split()[4])
        kind, _, options = after.split(" ", 2)
        if not path.is_relative_to(CGROUPS):
            continue
        if kind == "cgroup2":
            found[""] = path
        elif kind == "cgroup":
            found |= dict.fromkeys(options.split(","), path)
    return found


def cgroup_mode() -> str:
    """``v1``, ``hybrid``, ``unified`` (v2 alone) or ``none``."""
    found = hierarchies()
    if found.get("") == CGROUPS:
        return "unified"
    if not found:
        return "none"
    return "hybrid" if "" in found else "v1"


def unified() -> bool:
    """The host's cgroups are those of version 2 alone."""
    return cgroup_mode() == "unified"


def controllers() -> set[str]:
    """Controllers that a container may be limited by: of the v1 hierarchies, or of version 2 alone."""
    if unified():
        return set((CGROUPS / "cgroup.controllers").read_text().split())
    known = {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio"}
    return {name for name in hierarchies() if name in known | {"perf_event", "pids", "rdma", "misc"}}


def lsm(name: str) -> bool:
    """The kernel runs this security module."""
    listing = Path("/sys/kernel/security/lsm")
    if listing.exists():
        return name in listing.read_text().split(",")
    return {"apparmor": Path("/sys/module/apparmor").exists(), "selinux": Path("/sys/fs/selinux/enforce").exists()}.get(
        name, False
    )


def selinux_label(*labels: str) -> str:
    """The first of the labels that the policy in force knows; "" if none."""
    for label in labels:
        with contextlib.suppress(OSError):
            Path("/sys/fs/selinux/context").write_bytes(label.encode() + b"\0")
            return label
    return ""


def filesystem(name: str) -> bool:
    """The kernel knows this type of filesystem now (a module may bring it later)."""
    return name in Path("/proc/filesystems").read_text().split()


def namespace(type_: str) -> bool:
    """The kernel has namespaces of this type: its name in /proc/self/ns."""
    return Path(f"/proc/self/ns/{type_}").exists()


def cpus() -> int:
    return len(os.sched_getaffinity(0))


def facts() -> dict[str, object]:
    """What a table of results says of the host."""
    return {
        "kernel": platform.release().partition("-")[0],
        "machine": platform.machine(),
        "cgroups": cgroup_mode(),
        "controllers": sorted(controllers()),
        "lsms": [name for name in ("apparmor", "selinux") if lsm(name)],
        "lacks": missing_capabilities(),
    }
