"""Which cgroup a container gets (config-linux.md, Control groups), and that no path climbs out of the hierarchy."""

import pytest

from ocipy.cgroups.paths import below, container_paths, is_systemd_path
from ocipy.host import Hierarchy, HostInfo

MEMORY = Hierarchy("memory", ("memory",), "/cg/memory", "/user/1")
CPU = Hierarchy("cpu,cpuacct", ("cpu", "cpuacct"), "/cg/cpu,cpuacct", "/")
UNIFIED = Hierarchy("", (), "/cg/unified", "/user/2")
HYBRID = HostInfo(hierarchies=(MEMORY, CPU), unified=UNIFIED)
ROOTLESS = HostInfo(uid=1000, hierarchies=(MEMORY, CPU), unified=UNIFIED)


@pytest.mark.parametrize(
    ("host", "path", "paths"),
    [
        (HYBRID, "/a/b", {"memory": "/cg/memory/a/b", "cpu,cpuacct": "/cg/cpu,cpuacct/a/b", "": "/cg/unified/a/b"}),
        (HYBRID, "a", {"memory": "/cg/memory/user/1/a", "cpu,cpuacct": "/cg/cpu,cpuacct/a",
                       "": "/cg/unified/user/2/a"}),
        (HYBRID, "", {"memory": "/cg/memory/ocipy/box", "cpu,cpuacct": "/cg/cpu,cpuacct/ocipy/box",
                      "": "/cg/unified/ocipy/box"}),
        (ROOTLESS, "", {"memory": "/cg/memory/user/1/box", "cpu,cpuacct": "/cg/cpu,cpuacct/box",
                        "": "/cg/unified/user/2/box"}),
        (ROOTLESS, "/a", {"memory": "/cg/memory/a", "cpu,cpuacct": "/cg/cpu,cpuacct/a", "": "/cg/unified/a"}),
        (HostInfo(unified=UNIFIED), "/a", {"": "/cg/unified/a"}),
        (HostInfo(hierarchies=(MEMORY,)), "/a", {"memory": "/cg/memory/a"}),
        (HostInfo(), "/a", {}),
    ],
)  # fmt: skip
def test_paths(host, path, paths):
    assert container_paths(host, path, "box") == paths


@pytest.mark.parametrize(
    ("own", "path", "found"),
    [
        ("/", "/a", "/a"),
        ("/", "a", "/a"),
        ("/own", "a/b", "/own/a/b"),
        ("/own", "/a//b/", "/a/b"),
        ("/own", "./a/.", "/own/a"),
        ("/own", "../a", "/a"),
        ("/own", "../../../../a", "/a"),
        ("/own", "/../../etc", "/etc"),
        ("/own", "/a/../../../b", "/b"),
        ("/own", "a/../../..", ""),
        ("/own", "/", ""),
        ("/own", "...", "/own/..."),
    ],
)
def test_no_path_climbs_out(own, path, found):
    assert below(own, path) == found


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("system.slice:ocipy:box", True),
        ("::", True),
        ("/a:b:c", False),
        ("a:b", False),
        ("a:b:c:d", False),
        ("", False),
    ],
)
def test_form_of_the_systemd_driver(path, is_one):
    assert is_systemd_path(path) is is_one
