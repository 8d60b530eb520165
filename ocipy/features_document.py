"""``features``: what this runtime can do, as the spec's features document (features.md, features-linux.md).

Nothing is listed by hand: names come from the tables that the checks and the planner read, and whether a property is
supported is asked of the planner, which compiles a config that wants it.
"""

from typing import Any

from ocipy import SPEC_VERSION, __version__
from ocipy.capabilities import NAMES as CAPABILITIES
from ocipy.cgroups.systemd import Manager
from ocipy.errors import OcipyError
from ocipy.host import Hierarchy, HostInfo, Resctrl
from ocipy.plan.create import create
from ocipy.plan.mount_options import option_names
from ocipy.plan.namespaces import CLONE_FLAGS
from ocipy.plan.options import CreateOptions
from ocipy.plan.scheduling import MEMORY_FLAGS, MEMORY_MODES
from ocipy.seccomp import library, names
from ocipy.spec import HOOKS, load

OLDEST_VERSION = "1.0.0"  # of the spec; checks.py takes any 1.x

Document = dict[str, Any]

_CONTROLLERS = ("cpu", "memory", "pids", "rdma")
_APART = ("mount", "network", "pid")
_RDMA = {"linux": {"resources": {"rdma": {"mlx5_1": {"hcaHandles": 1}}}}}
_RANGES = [{"containerID": 0, "hostID": 1, "size": 1}]
_IDMAPPED = {
    "destination": "/mnt",
    "source": "/",
    "type": "bind",
    "options": ["bind", "idmap"],
    "uidMappings": _RANGES,
    "gidMappings": _RANGES,
}


def features() -> Document:
    """The features document, which ``schemas/features-schema.json`` describes.

    It tells what is implemented and built in, not what the running kernel has (features.md), but for
    ``supportedFlags`` of seccomp, for which the spec asks the kernel and libseccomp, and its ``archs``: an older
    libseccomp than the spec's knows fewer, and a profile with another is refused.
    """
    document: Document = {
        "ociVersionMin": OLDEST_VERSION,
        "ociVersionMax": SPEC_VERSION,
        "hooks": list(HOOKS),
        "mountOptions": option_names(),
        "linux": _linux(),
        "annotations": _annotations(),
    }
    unsafe = _unsafe_annotations(document["linux"])
    if unsafe:
        document["potentiallyUnsafeConfigAnnotations"] = unsafe
    return document


def _linux() -> Document:
    return {
        "namespaces": sorted(CLONE_FLAGS),
        "capabilities": list(CAPABILITIES),
        "cgroup": {
            "v1": _supported({}, "/linux/cgroupsPath", _host(v1=True)),
            "v2": _supported({}, "/linux/cgroupsPath"),
            "systemd": _supported({}, "/linux/cgroupsPath", systemd=True),
            "systemdUser": _supported({}, "/linux/cgroupsPath", _host(rootless=True), systemd=True),
            "rdma": _supported(_RDMA, "/linux/resources/rdma"),
        },
        "seccomp": _seccomp(),
        "apparmor": {"enabled": _supported({"process": {"apparmorProfile": "p"}}, "/process/apparmorProfile")},
        "selinux": {"enabled": _supported({"process": {"selinuxLabel": "u:r:t:s0"}}, "/process/selinuxLabel")},
        "memoryPolicy": {"modes": list(MEMORY_MODES), "flags": list(MEMORY_FLAGS)},
        "intelRdt": {
            "enabled": _supported({"linux": {"intelRdt": {"closID": "c"}}}, "/linux/intelRdt"),
            "schemata": _supported({"linux": {"intelRdt": {"schemata": ["L3:0=f"]}}}, "/linux/intelRdt"),
            "monitoring": _supported(
                {"linux": {"intelRdt": {"enableMonitoring": True}}}, "/linux/intelRdt/enableMonitoring"
            ),
        },
        "mountExtensions": {"idmap": {"enabled": _supported({"mounts": [_IDMAPPED]}, "/mounts/0")}},
        "netDevices": {"enabled": _supported({"linux": {"netDevices": {"eth0": {}}}}, "/linux/netDevices")},
    }


def _host(v1: bool = False, rootless: bool = False) -> HostInfo:
    """A host that has everything a plan can ask for."""
    if v1:
        host = HostInfo(hierarchies=(Hierarchy(",".join(_CONTROLLERS), _CONTROLLERS, "/sys/fs/cgroup/all", "/"),))
    else:
        host = HostInfo(unified=Hierarchy("", _CONTROLLERS, "/sys/fs/cgroup", "/"), rootless=rootless)
    host.modules = ("apparmor", "selinux")
    host.resctrl = Resctrl("/sys/fs/resctrl", ("L3", "L3_MON", "MB"))
    return host


def _supported(wants: Document, pointer: str, host: "HostInfo | None" = None, systemd: bool = False) -> bool:
    """Whether the planner has a step for the property that ``wants`` adds to a config."""
    config: Document = {
        "ociVersion": SPEC_VERSION,
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["true"]} | wants.get("process", {}),
        "mounts": wants.get("mounts", []),
        "linux": {"namespaces": [{"type": type_} for type_ in _APART]} | wants.get("linux", {}),
    }
    load.complete(config)
    host = host or _host()
    if systemd:
        host.systemd = Manager(host.rootless, 255, "/")
    try:
        plan = create(config, host, CreateOptions("features", "/", systemd_cgroup=systemd))
    except OcipyError:
        return False
    return any(op.pointer.startswith(pointer) for op in plan.ops)


def _seccomp() -> Document:
    try:
        supported = [name for name in names.FLAGS if library.has_flag(name)]
        architectures = [name for name in names.ARCHITECTURES if library.has_architecture(name)]
    except OcipyError:  # libseccomp or pyseccomp isn't installed
        return {"enabled": False}
    return {
        "enabled": True,
        "actions": list(names.ACTIONS),
        "operators": list(names.OPERATORS),
        "archs": architectures,
        "knownFlags": list(names.FLAGS),
        "supportedFlags": supported,
    }


def _annotations() -> dict[str, str]:
    from ocipy._build import COMMIT

    found = {"org.ocipy.version": __version__, "org.ocipy.commit": COMMIT}
    try:
        found["io.github.seccomp.libseccomp.version"] = library.version()
    except OcipyError:
        return found
    return found


def _unsafe_annotations(linux: Document) -> list[str]:
    """Annotations of a config that change what is done: those that become properties of systemd's scope."""
    return ["org.systemd.property."] if linux["cgroup"]["systemd"] else []
