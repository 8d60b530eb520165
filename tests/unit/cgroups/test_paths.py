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


def rootless(*delegated):
    """A rootless runtime with these cgroups delegated, in a v1 and in the unified hierarchy."""
    memory, unified = delegated
    return HostInfo(
        uid=1000,
        hierarchies=(Hierarchy("memory", ("memory",), "/sys/fs/cgroup/memory", "/own", memory),),
        unified=Hierarchy("", (), "/sys/fs/cgroup/unified", "/own/me", unified),
    )


@pytest.mark.parametrize(
    ("delegated", "paths"),
    [
        (("/own", "/own"), {"memory": "/sys/fs/cgroup/memory/own/box", "": "/sys/fs/cgroup/unified/own/box"}),
        (("", "/own/me"), {"": "/sys/fs/cgroup/unified/own/me/box"}),
        (("/", ""), {"memory": "/sys/fs/cgroup/memory/box"}),
        (("", ""), {}),
    ],
)
def test_a_rootless_runtime_uses_what_is_delegated_to_it(delegated, paths):
    assert container_paths(rootless(*delegated), "", "box") == paths


def test_what_a_rootless_runtime_is_told_to_use_it_uses():
    """Whether it may is for the kernel to say."""
    assert container_paths(rootless("", ""), "/a", "box") == {
        "memory": "/sys/fs/cgroup/memory/a", "": "/sys/fs/cgroup/unified/a",
    }  # fmt: skip


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
