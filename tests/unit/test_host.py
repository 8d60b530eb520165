"""The facts of a machine, from what its /proc says; the texts are those of real ones, shortened."""

import pytest

from ocipy import host
from ocipy.host import Hierarchy, HostInfo

HOST_MAP = "         0          0 4294967295\n"
PREFIX = "30 25 0:26 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n31 25 0:5 / / rw shared:1 - ext4 /dev/sda1 rw\n"

V1_CGROUP = "4:memory:/user.slice\n3:cpu,cpuacct:/\n2:devices:/user.slice\n1:name=systemd:/user.slice/a.scope\n"
V1_MOUNTS = (
    "32 30 0:27 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n"
    "34 32 0:29 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n"
    "35 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
    "36 32 0:31 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory\n"
    "37 32 0:32 / /sys/fs/cgroup/devices rw shared:17 - cgroup cgroup rw,devices\n"
)
HYBRID_MOUNT = "33 32 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED_MOUNT = "32 30 0:27 / /sys/fs/cgroup rw shared:8 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


@pytest.fixture
def probe(monkeypatch):
    """``probe(cgroup, mountinfo, uid_map, uid)``: the facts of a machine with these texts."""

    def look(cgroup="", mountinfo="", uid_map=HOST_MAP, uid=0, rootless=None):
        texts = {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": PREFIX + mountinfo, "/proc/self/uid_map": uid_map}
        texts["/sys/fs/cgroup/cgroup.controllers"] = "cpu io memory\n"

        def read(path):
            if path not in texts:
                raise FileNotFoundError(path)
            return texts[path]

        monkeypatch.setattr(host, "_read", read)
        monkeypatch.setattr("posix.geteuid", lambda: uid)
        return host.probe(rootless)

    return look


def facts(hierarchy):
    return hierarchy and (hierarchy.name, hierarchy.controllers, hierarchy.mount, hierarchy.own)


def test_v1(probe):
    info = probe(V1_CGROUP, V1_MOUNTS)
    assert info.cgroup_mode == "v1"
    assert info.unified is None
    assert [facts(each) for each in info.hierarchies] == [
        ("name=systemd", ("name=systemd",), "/sys/fs/cgroup/systemd", "/user.slice/a.scope"),
        ("cpu,cpuacct", ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", "/"),
        ("memory", ("memory",), "/sys/fs/cgroup/memory", "/user.slice"),
        ("devices", ("devices",), "/sys/fs/cgroup/devices", "/user.slice"),
    ]


def test_hierarchy_of_a_controller(probe):
    info = probe(V1_CGROUP, V1_MOUNTS)
    assert info.hierarchy("cpuacct").name == "cpu,cpuacct"
    assert info.hierarchy("pids") is None


def test_hybrid(probe):
    info = probe(V1_CGROUP + "0::/user.slice/b.scope\n", V1_MOUNTS + HYBRID_MOUNT)
    assert info.cgroup_mode == "hybrid"
    assert len(info.hierarchies) == 4
    assert facts(info.unified) == ("", (), "/sys/fs/cgroup/unified", "/user.slice/b.scope")


def test_unified(probe):
    info = probe("0::/user.slice\n", UNIFIED_MOUNT)
    assert info.cgroup_mode == "unified"
    assert info.hierarchies == ()
    assert facts(info.unified) == ("", ("cpu", "io", "memory"), "/sys/fs/cgroup", "/user.slice")


def test_on_a_unified_host_v1_hierarchies_somewhere_are_not_its_layout(probe):
    somewhere = "50 30 0:40 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls\n"
    for mounts in (somewhere + UNIFIED_MOUNT, UNIFIED_MOUNT + somewhere):
        info = probe("5:net_cls:/\n0::/\n", mounts)
        assert (info.cgroup_mode, info.hierarchies) == ("unified", ())


def test_no_cgroups(probe):
    info = probe("0::/\n", "")
    assert (info.cgroup_mode, info.hierarchies, info.unified) == ("none", (), None)


def test_mounts_elsewhere_are_those_of_containers_and_chroots(probe):
    elsewhere = "60 30 0:31 / /var/chroot/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    sibling = "61 30 0:31 / /sys/fs/cgroups/memory rw - cgroup cgroup rw,memory\n"
    assert probe("4:memory:/\n", elsewhere + sibling).cgroup_mode == "none"


def test_a_hierarchy_mounted_twice_counts_once(probe):
    again = "62 32 0:31 / /sys/fs/cgroup/again rw - cgroup cgroup rw,memory\n"
    info = probe(V1_CGROUP, V1_MOUNTS + again)
    assert [each.mount for each in info.hierarchies if each.name == "memory"] == ["/sys/fs/cgroup/memory"]


@pytest.mark.parametrize(
    "controller",
    ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls", "net_prio", "perf_event",
     "hugetlb", "rdma", "misc"],
)  # fmt: skip
def test_every_controller_of_v1_is_told_from_a_mount_option(probe, controller):
    """cgroups(7); a hierarchy that /proc/self/cgroup doesn't speak of is seen from its root."""
    mounts = f"36 32 0:31 / /sys/fs/cgroup/x rw - cgroup cgroup rw,noprefix,{controller},clone_children,xattr\n"
    assert [facts(each) for each in probe("", mounts).hierarchies] == [
        (controller, (controller,), "/sys/fs/cgroup/x", "/")
    ]


@pytest.mark.parametrize(
    ("root", "own", "seen"),
    [
        ("/", "/", "/"),
        ("/", "/a/b", "/a/b"),
        ("/docker/x", "/docker/x", "/"),  # nested in a container without a cgroup namespace: its own cgroup is bound
        ("/docker/x", "/docker/x/inner", "/inner"),
        ("/docker/x", "/docker/xy", "/docker/xy"),
    ],
)
def test_own_cgroup_as_seen_from_the_mount(probe, root, own, seen):
    mounts = f"36 32 0:31 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    assert probe(f"4:memory:{own}\n", mounts).hierarchies[0].own == seen


def test_escapes_in_paths(probe):
    r"""A blank, a tab, a newline and a backslash are octal in mountinfo, and plain in /proc/self/cgroup."""
    mounts = r"36 32 0:31 /a\040b\134040 /sys/fs/cgroup/mem\040\011\012\134 rw - cgroup cgroup rw,memory" + "\n"
    (memory,) = probe("4:memory:/a b\\040/in:side\n", mounts).hierarchies
    assert (memory.mount, memory.own) == ("/sys/fs/cgroup/mem \t\n\\", "/in:side")


def test_optional_fields_of_a_mount_vary(probe):
    mounts = (
        "36 32 0:31 / /sys/fs/cgroup/memory rw shared:1 master:2 propagate_from:3 - cgroup cgroup rw,memory\n"
        "37 32 0:32 / /sys/fs/cgroup/pids rw - cgroup none rw,pids\n"
    )
    assert [each.name for each in probe("", mounts).hierarchies] == ["memory", "pids"]


@pytest.mark.parametrize(
    ("uid", "uid_map", "asked", "namespace", "rootless"),
    [
        (0, HOST_MAP, None, False, False),
        (1000, HOST_MAP, None, False, True),
        (0, "         0       1000          1\n", None, True, True),
        (0, "0 100000 65536\n65536 200000 5\n", None, True, True),
        (0, "", None, True, True),  # a user namespace without a map yet
        (0, HOST_MAP, True, False, True),
        (1000, "0 1000 1\n", False, True, False),
    ],
)
def test_rootless(probe, uid, uid_map, asked, namespace, rootless):
    info = probe(uid_map=uid_map, uid=uid, rootless=asked)
    assert (info.uid, info.user_namespace, info.rootless) == (uid, namespace, rootless)


@pytest.mark.parametrize(
    ("own", "writable", "delegated"),
    [
        ("/a/b", ["", "/a", "/a/b"], "/a"),
        ("/a/b", ["/a/b"], "/a/b"),
        ("/a", ["", "/a"], "/"),
        ("/a", ["/a"], "/a"),
        ("/", [""], "/"),
        ("/a/b", [""], ""),
        ("/../a", ["", "/..", "/../a"], ""),  # outside of the cgroup namespace
    ],
)
def test_what_is_delegated_in_the_unified_hierarchy(probe, monkeypatch, own, writable, delegated):
    """The cgroup above our own first: our own has processes, and can't hand controllers down."""
    files = {f"/sys/fs/cgroup{path}{name}" for path in writable for name in ("", "/cgroup.procs")}
    monkeypatch.setattr("posix.access", lambda path, mode, effective_ids: path in files)
    mounts = "36 32 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert probe(f"0::{own}\n", mounts, uid=1000).unified.delegated == delegated
    assert probe(f"0::{own}\n", mounts, uid=0).unified.delegated == ""


def test_a_process_can_only_be_moved_by_who_may_write_to_the_common_cgroup(probe, monkeypatch):
    """cgroups(7), Delegation containment: the directory alone isn't enough."""
    files = {"/sys/fs/cgroup/a", "/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a/b/cgroup.procs"}
    monkeypatch.setattr("posix.access", lambda path, mode, effective_ids: path in files)
    mounts = "36 32 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert probe("0::/a/b\n", mounts, uid=1000).unified.delegated == "/a/b"


def test_what_is_delegated_in_v1(probe, monkeypatch):
    """Who may make cgroups below our own may move processes of its own there."""
    files = {"/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/pids"}
    monkeypatch.setattr("posix.access", lambda path, mode, effective_ids: path in files)
    mounts = (
        "36 32 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "37 32 0:32 / /sys/fs/cgroup/pids rw - cgroup none rw,pids\n"
    )
    found = probe("2:memory:/a\n3:pids:/b\n", mounts, uid=1000)
    assert [each.delegated for each in found.hierarchies] == ["/a", ""]


def test_this_machine():
    """No root is needed to look at a real one."""
    info = host.probe()
    assert info.cgroup_mode in ("v1", "hybrid", "unified", "none")
    assert all(each.own.startswith("/") for each in info.hierarchies)


def test_mode_follows_from_the_hierarchies():
    one = Hierarchy("memory", ("memory",), "/m", "/")
    unified = Hierarchy("", (), "/u", "/")
    modes = [HostInfo(hierarchies=v1, unified=v2).cgroup_mode for v1 in ((), (one,)) for v2 in (None, unified)]
    assert modes == ["none", "unified", "v1", "hybrid"]
