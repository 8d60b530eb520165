"""``mounts`` as steps, the tree of a cgroup mount among them."""

import pytest

from ocipy.errors import StepError
from ocipy.plan.mounts import MountContext, brings_own_dev, mounts, mounts_readonly_dev

RO = 1
PATHS = {"memory": "/sys/fs/cgroup/memory/box", "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/box"}


def entry(destination, type_="", source="", *options, **mappings):
    base = {"destination": destination, "type": type_, "source": source, "options": list(options)}
    return base | {"uidMappings": [], "gidMappings": []} | mappings


def steps(hosts, *entries, host="hybrid", namespace=False, user_namespace=False):
    paths = PATHS if host == "hybrid" else {}
    return list(mounts(list(entries), MountContext("/bundle", hosts[host], paths, namespace, user_namespace)))


def test_a_filesystem(hosts):
    (op,) = steps(hosts, entry("/tmp", "tmpfs", "scratch", "nosuid", "size=1m", "mode=700", "slave"))
    assert (op.name, op.pointer) == ("mount", "/mounts/0")
    assert op.values == {
        "destination": "/tmp", "type": "tmpfs", "source": "scratch", "data": "size=1m,mode=700", "set": 2,
        "propagation": 1 << 19, "flags": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("type_", "flags"), [("proc", 1), ("sysfs", 1), ("tmpfs", 0), ("mqueue", 0)])
def test_proc_and_sys_are_not_mounted_through_links(hosts, type_, flags):
    (op,) = steps(hosts, entry("/x", type_))
    assert op.values["flags"] == flags
    assert op.values["source"] == type_


@pytest.mark.parametrize(
    ("type_", "data"), [("tmpfs", ""), ("proc", ""), ("ext4", "ro"), ("overlay", "lowerdir=/l,ro")]
)
def test_read_only_is_said_to_the_superblock_where_it_is_the_mount_s_own(hosts, type_, data):
    own = ["lowerdir=/l"] if type_ == "overlay" else []
    (op,) = steps(hosts, entry("/x", type_, "", "ro", *own))
    assert (op.values["data"], op.values["set"]) == (data, RO)


@pytest.mark.parametrize("destination", ["relative", "/relative", "//relative"])
def test_destinations_are_absolute(hosts, destination):
    (op,) = steps(hosts, entry(destination, "tmpfs"))
    assert op.values["destination"] == "/relative"


@pytest.mark.parametrize(
    ("source", "absolute"), [("/host", "/host"), ("in/bundle", "/bundle/in/bundle"), (".", "/bundle/.")]
)
@pytest.mark.parametrize(
    ("type_", "options", "recursive"), [("bind", [], 0), ("", ["bind"], 0), ("none", ["rbind"], 1)]
)
def test_binds(hosts, source, absolute, type_, options, recursive):
    (op,) = steps(hosts, entry("/x", type_, source, *options, "ro", "rnodev", "private"))
    assert op.name == "bind"
    assert op.values == {
        "destination": "/x", "source": absolute, "recursive": recursive, "set": RO, "clear": 0, "recursive_set": 4,
        "recursive_clear": 0, "propagation": 1 << 18,
    }  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        entry("/x", "bind", "/a", "idmap"),
        entry("/x", "tmpfs", "", "tmpcopyup"),
        entry("/x", "bind", "/a", uidMappings=[{"containerID": 0, "hostID": 0, "size": 1}]),
    ],
)
def test_what_is_not_supported_is_refused(hosts, bad):
    with pytest.raises(StepError, match=r"mounts\[1\] \(/x\): mount option .* is not supported yet") as caught:
        steps(hosts, entry("/proc", "proc"), bad)
    assert caught.value.pointer == "/mounts/1"


@pytest.mark.parametrize("destination", ["/dev", "/dev/", "dev"])
def test_a_read_only_dev_is_writable_until_its_devices_are_made(hosts, destination):
    dev = entry(destination, "tmpfs", "tmpfs", "ro", "nosuid")
    (op,) = steps(hosts, dev)
    assert op.values["set"] & RO == 0
    (later,) = mounts_readonly_dev([entry("/x", "tmpfs", "", "ro"), dev])
    assert (later.name, later.pointer, later.values["destination"]) == ("remount", "/mounts/1", "/dev")
    assert later.values["set"] == RO


def test_a_writable_or_bound_dev_is_not_remounted():
    assert list(mounts_readonly_dev([entry("/dev", "tmpfs"), entry("/dev", "bind", "/dev", "bind", "ro")])) == []


@pytest.mark.parametrize(
    ("dev", "own"),
    [
        (entry("/dev", "bind", "/dev"), True),
        (entry("/dev/", "none", "/dev", "rbind"), True),
        (entry("/dev", "tmpfs"), False),
        (entry("/dev/shm", "bind", "/x"), False),
    ],
)
def test_a_dev_that_is_bound_is_used_as_it_is(dev, own):
    assert brings_own_dev([entry("/proc", "proc"), dev]) is own


def test_cgroups_on_a_unified_host_in_a_user_namespace_of_one_s_own(hosts):
    """Which owns no cgroup namespace to mount; with one of those it may (cgroup_namespaces(7))."""
    mount = entry("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid")
    (op,) = steps(hosts, mount, host="unified", user_namespace=True)
    assert (op.name, op.values["source"], op.values["recursive"]) == ("bind", "/sys/fs/cgroup", 1)
    assert (op.values["destination"], op.values["set"]) == ("/sys/fs/cgroup", RO | 2)
    (op,) = steps(hosts, mount, host="unified", user_namespace=True, namespace=True)
    assert (op.name, op.values["type"]) == ("mount", "cgroup2")


def test_cgroups_on_a_unified_host(hosts):
    (op,) = steps(hosts, entry("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid"), host="unified")
    assert (op.name, op.values["type"], op.values["set"]) == ("mount", "cgroup2", RO | 2)


def test_cgroups_of_v1_without_a_namespace_are_the_container_s_own(hosts):
    found = steps(hosts, entry("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid"))
    assert (found[0].values["type"], found[0].values["set"]) == ("tmpfs", 2)
    binds = {op.values["destination"]: op.values["source"] for op in found if op.name == "bind"}
    assert binds["/sys/fs/cgroup/memory"] == PATHS["memory"]
    assert binds["/sys/fs/cgroup/cpu,cpuacct"] == PATHS["cpu,cpuacct"]
    assert binds["/sys/fs/cgroup/systemd"] == "/sys/fs/cgroup/systemd/own"  # the runtime's, for the container has none
    links = {op.values["path"]: op.values["target"] for op in found if op.name == "symlink"}
    assert links == {"/sys/fs/cgroup/cpu": "cpu,cpuacct", "/sys/fs/cgroup/cpuacct": "cpu,cpuacct"}
    assert (found[-1].name, found[-1].values["destination"]) == ("remount", "/sys/fs/cgroup")
    assert {op.pointer for op in found} == {"/mounts/0"}


def test_cgroups_of_v1_in_a_namespace_are_mounted(hosts):
    found = steps(hosts, entry("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid"), namespace=True)
    data = {op.values["destination"]: op.values["data"] for op in found if op.name == "mount"}
    assert data["/sys/fs/cgroup/memory"] == "memory"
    assert data["/sys/fs/cgroup/cpu,cpuacct"] == "cpu,cpuacct"
    assert data["/sys/fs/cgroup/systemd"] == "none,name=systemd"
    assert found[-1].name != "remount"
