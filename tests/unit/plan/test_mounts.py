"""``mounts`` as steps, the tree of a cgroup mount among them."""

import pytest

from ocipy.errors import StepError
from ocipy.plan.mounts import MountContext, brings_own_dev, mounts, mounts_readonly

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
        "destination": "/tmp", "type": "tmpfs", "source": "scratch", "data": ["size=1m", "mode=700"],
        "superblock": 0, "set": 2, "propagation": 1 << 19, "flags": 0, "fallback": "",
    }  # fmt: skip


@pytest.mark.parametrize(("type_", "flags"), [("proc", 1), ("sysfs", 1), ("ramfs", 0), ("mqueue", 0)])
def test_proc_and_sys_are_not_mounted_through_links(hosts, type_, flags):
    (op,) = steps(hosts, entry("/x", type_))
    assert op.values["flags"] == flags
    assert op.values["source"] == type_


@pytest.mark.parametrize(
    ("type_", "superblock", "set_"), [("tmpfs", 0, 0), ("proc", 0, RO), ("ext4", 1, RO), ("overlay", 1, RO)]
)
def test_read_only_is_said_to_the_superblock_where_it_is_the_mount_s_own(hosts, type_, superblock, set_):
    (op,) = steps(hosts, entry("/x", type_, "", "ro"))
    assert (op.values["superblock"], op.values["set"]) == (superblock, set_)


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
        "recursive_clear": 0, "propagation": 1 << 18, "flags": 0, "tree": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (entry("/x", "ext4", "", "tmpcopyup"), "tmpcopyup is for a tmpfs only"),
        (entry("/x", "tmpfs", "/a", "tmpcopyup", "bind"), "tmpcopyup is for a tmpfs only"),
        (entry("/x", "", "/a", "bind", "size=1m"), "'size=1m' is an option of a filesystem"),
        (entry("/x", "bind", "/a", "ro", "acl"), "'acl' is an option of a filesystem"),
        (entry("/x", "", "/a", "ro"), "neither a type of filesystem, nor the option bind or rbind"),
        (entry("/x", "none", "/a"), "neither a type of filesystem, nor the option bind or rbind"),
    ],
)
def test_what_cannot_be_is_refused(hosts, bad, words):
    with pytest.raises(StepError, match=r"mounts\[1\] \(/x\): ") as caught:
        steps(hosts, entry("/proc", "proc"), bad)
    assert words in str(caught.value)
    assert caught.value.pointer == "/mounts/1"


@pytest.mark.parametrize("words", [["sync"], ["dirsync", "lazytime"], ["mand", "iversion", "silent"], ["defaults"]])
def test_flags_of_the_superblock_are_none_of_a_bind_mount_s(hosts, words):
    """mount(2) ignores them there, and so does runc."""
    (op,) = steps(hosts, entry("/x", "bind", "/a", *words))
    assert op.values["set"] == op.values["clear"] == 0


def test_several_propagations_are_changed_in_turn(hosts):
    found = steps(hosts, entry("/x", "bind", "/a", "rslave", "shared", "private"), entry("/y", "ramfs", "", "shared"))
    assert [(op.name, op.values["destination"], op.values["propagation"]) for op in found] == [
        ("bind", "/x", 1 << 19 | 0x4000), ("remount", "/x", 1 << 20), ("remount", "/x", 1 << 18),
        ("mount", "/y", 1 << 20),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "options", "superblock", "cleared"),
    [
        ("", ["ro"], 0, 0),
        ("tmpfs", ["ro", "size=1m"], 0, 0),
        ("sysfs", ["rw"], 0, 0),
        ("ext4", ["ro", "sync"], 1 | 16, 0),
        ("ext4", ["rw", "async", "nolazytime"], 0, 1 | 16 | 1 << 25),
        ("ext4", ["bind", "ro", "sync"], 0, 0),
    ],
)
def test_a_remount_of_what_is_there(hosts, type_, options, superblock, cleared):
    """Without bind it changes the superblock too, unless others share that."""
    (op,) = steps(hosts, entry("/x", type_, "", "remount", "nosuid", "rnoexec", *options))
    assert (op.name, op.values["superblock"], op.values["superblock_clear"]) == ("remount", superblock, cleared)
    assert op.values["set"] & 2
    assert op.values["recursive_set"] == 8
    assert (op.values["set"] & RO, op.values["clear"] & RO) == (RO * ("ro" in options), RO * ("rw" in options))
    assert op.values["data"] == (["size=1m"] if "size=1m" in options else [])


def test_recursive_attributes_of_a_filesystem_are_its_own(hosts):
    (op,) = steps(hosts, entry("/x", "ramfs", "", "rro", "rnosuid", "rnoatime", "noexec", "suid", "strictatime"))
    assert op.values["set"] == RO | 2 | 8 | 0x10


MODE_BELOW, COPY_UP, OWNER_BELOW, AT_ROOT = 4, 8, 16, 2


@pytest.mark.parametrize(
    ("type_", "options", "flags"),
    [
        ("tmpfs", [], MODE_BELOW),
        ("tmpfs", ["mode=755"], 0),
        ("tmpfs", ["size=1m,mode=755"], 0),
        ("ramfs", [], 0),
        ("tmpfs", ["tmpcopyup"], MODE_BELOW | COPY_UP | OWNER_BELOW),
        ("tmpfs", ["tmpcopyup", "mode=700", "uid=7"], COPY_UP),
        ("tmpfs", ["tmpcopyup", "gid=7"], MODE_BELOW | COPY_UP),
    ],
)
def test_what_a_tmpfs_takes_from_the_directory_below(hosts, type_, options, flags):
    (op,) = steps(hosts, entry("/x", type_, "", *options))
    assert op.values["flags"] == flags


@pytest.mark.parametrize(("destination", "flags"), [("/", 2), ("", 2), ("//", 2), ("/./..", 2), ("/.a", 0), ("/x/", 0)])
def test_a_mount_on_the_root_itself(hosts, destination, flags):
    found = steps(hosts, entry(destination, "ramfs"), entry(destination, "bind", "/a"))
    assert [op.values["flags"] for op in found] == [flags, flags]


@pytest.mark.parametrize("destination", ["/dev", "/dev/", "dev"])
def test_a_read_only_dev_is_writable_until_its_devices_are_made(hosts, destination):
    dev = entry(destination, "tmpfs", "tmpfs", "ro", "nosuid")
    (op,) = steps(hosts, dev)
    assert op.values["set"] & RO == 0
    (later,) = mounts_readonly([entry("/x", "ramfs", "", "ro"), dev])
    assert (later.name, later.pointer, later.values["destination"]) == ("remount", "/mounts/1", "/dev")
    assert later.values["set"] == RO


@pytest.mark.parametrize("word", ["ro", "rro"])
def test_a_read_only_tmpfs_is_writable_until_mount_points_are_made_in_it(hosts, word):
    run = entry("/run", "tmpfs", "", word, "nosuid")
    (op,) = steps(hosts, run)
    assert op.values["set"] == 2
    (later,) = mounts_readonly([run])
    assert (later.values["destination"], later.values["set"], later.values["clear"]) == ("/run", RO, 0)


def test_a_writable_or_bound_dev_is_not_remounted():
    bound = entry("/dev", "bind", "/dev", "bind", "ro")
    assert list(mounts_readonly([entry("/dev", "tmpfs"), bound, entry("/dev", "tmpfs", "", "remount", "ro")])) == []


@pytest.mark.parametrize(
    ("dev", "own"),
    [
        (entry("/dev", "bind", "/dev"), True),
        (entry("/dev/", "none", "/dev", "rbind"), True),
        (entry("/dev", "devtmpfs"), True),  # the host's own: nothing may be made in it
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
    assert data["/sys/fs/cgroup/memory"] == ["memory"]
    assert data["/sys/fs/cgroup/cpu,cpuacct"] == ["cpu", "cpuacct"]
    assert data["/sys/fs/cgroup/systemd"] == ["none", "name=systemd"]
    assert found[-1].name != "remount"


@pytest.mark.parametrize(
    ("mount", "late"),
    [
        ({"destination": "/x", "type": "ext4", "source": "/dev/sda1"}, True),
        ({"destination": "/x", "type": "bind", "source": "/dev/null", "options": ["bind"]}, False),
        ({"destination": "/x", "type": "tmpfs", "source": "dev"}, False),
    ],
)
@pytest.mark.parametrize("host", ["hybrid", "unified"])
def test_a_block_device_is_mounted_before_its_rules_are_set(make_plan, host, mount, late):
    """Init is in its cgroups by then, and opens the device."""
    plan = make_plan(lambda config: config["mounts"].append(mount), host=host)
    rules = [i for i, op in enumerate(plan.ops) if op.pointer.startswith("/linux/resources/devices")]
    (mounted,) = (i for i, op in enumerate(plan.ops) if op.pointer == "/mounts/7")
    created = next(i for i, op in enumerate(plan.ops) if op.name == "created")
    assert rules
    assert all((mounted < rule < created) if late else (rule < plan.spawn_index()) for rule in rules)
