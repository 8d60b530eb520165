"""Plans to test with: the default config, changed here and there, on hosts of each cgroup layout."""

from ocipy.bundle.default_config import default_config
from ocipy.host import Hierarchy, HostInfo
from ocipy.plan.create import create
from ocipy.plan.options import CreateOptions
from ocipy.spec import load

_V1 = (
    Hierarchy("name=systemd", ("name=systemd",), "/sys/fs/cgroup/systemd", "/user"),
    Hierarchy("cpu,cpuacct", ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", "/"),
    Hierarchy("memory", ("memory",), "/sys/fs/cgroup/memory", "/user"),
    Hierarchy("devices", ("devices",), "/sys/fs/cgroup/devices", "/user"),
    Hierarchy("pids", ("pids",), "/sys/fs/cgroup/pids", "/user"),
)
NO_CGROUPS = HostInfo()
V1 = HostInfo(hierarchies=_V1)
HYBRID = HostInfo(hierarchies=_V1, unified=Hierarchy("", (), "/sys/fs/cgroup/unified", "/user"))
UNIFIED = HostInfo(unified=Hierarchy("", (), "/sys/fs/cgroup", "/user"))
ROOTLESS = HostInfo(uid=1000, gid=1000, hierarchies=_V1, unified=HYBRID.unified)

USER_NAMESPACE = {
    "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 200000, "size": 65536}],
}


def default(namespaces=None, **changes):
    """The default config without a terminal, completed; ``process``, ``linux`` and ``root`` are merged, others set.

    ``namespaces``: types of new ones, in place of the default config's.
    """
    config = default_config()
    config["process"]["terminal"] = False
    for name, value in changes.items():
        if name in ("process", "linux", "root"):
            config[name].update(value)
        else:
            config[name] = value
    if namespaces is not None:
        config["linux"]["namespaces"] = [{"type": type_} for type_ in namespaces]
    load.complete(config)
    return config


def plan(config, host=HYBRID, **options):
    """The plan of a completed config, for the container ID of the bundle /bundle."""
    return create(config, host, CreateOptions("ID", "/bundle", **options))


def names(plan):
    """The names of a plan's steps, in order."""
    return [op.name for op in plan.ops]


def only(ops, name):
    """The one step of that name."""
    found = [op for op in ops if op.name == name]
    assert len(found) == 1, f"{len(found)} steps named {name}"
    return found[0]
