"""``linux.cgroupsPath`` on every layout of hosts."""

import pytest

from ocipy.cgroups.paths import below, container_paths, is_systemd_path
from ocipy.host import Hierarchy, HostInfo

MEMORY = Hierarchy("memory", ("memory",), "/sys/fs/cgroup/memory", "/own")
SYSTEMD = Hierarchy("name=systemd", ("name=systemd",), "/sys/fs/cgroup/systemd", "/")
HYBRID = HostInfo(hierarchies=(MEMORY, SYSTEMD), unified=Hierarchy("", (), "/sys/fs/cgroup/unified", "/deep/er"))
UNIFIED = Hierarchy("", (), "/sys/fs/cgroup", "/user.slice")


@pytest.mark.parametrize(
    ("path", "memory", "systemd", "unified"),
    [
        ("", "/ocipy/box", "/ocipy/box", "/ocipy/box"),
        ("/a/b", "/a/b", "/a/b", "/a/b"),
        ("a/b", "/own/a/b", "/a/b", "/deep/er/a/b"),
        ("../b", "/b", "/b", "/deep/b"),
    ],
)
def test_paths(path, memory, systemd, unified):
    """Absolute: from the mount point; relative: from the runtime's own cgroup (config-linux.md, Cgroups Path)."""
    assert container_paths(HYBRID, path, "box") == {
        "memory": f"/sys/fs/cgroup/memory{memory}",
        "name=systemd": f"/sys/fs/cgroup/systemd{systemd}",
        "": f"/sys/fs/cgroup/unified{unified}",
    }


def test_a_rootless_runtime_stays_below_its_own_cgroup():
    host = HostInfo(uid=1000, unified=UNIFIED)
    assert container_paths(host, "", "box") == {"": "/sys/fs/cgroup/user.slice/box"}


def test_a_host_without_cgroups():
    assert container_paths(HostInfo(), "/a", "box") == {}


@pytest.mark.parametrize(
    ("own", "path", "result"),
    [
        ("/", "/../../etc", "/etc"),
        ("/a", "../../../etc", "/etc"),
        ("/a", "/x/./y//z/..", "/x/y"),
        ("/a", ".", "/a"),
        ("/", "/", ""),
        ("/a", "..", ""),
        ("/a", "...", "/a/..."),
    ],
)
def test_no_path_climbs_out_of_the_mount(own, path, result):
    assert below(own, path) == result


@pytest.mark.parametrize(
    ("path", "systemd"),
    [
        ("system.slice:docker:abc", True),
        ("::", True),
        ("/a:b:c", False),
        ("a:b", False),
        ("a:b:c:d", False),
        ("", False),
    ],
)
def test_the_form_of_systemd_s_paths(path, systemd):
    assert is_systemd_path(path) is systemd
