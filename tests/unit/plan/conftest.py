"""Hosts and configs for the planner, which is pure: nothing here looks at this machine."""

import json

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.host import Hierarchy, HostInfo
from ocipy.plan.create import create
from ocipy.plan.options import CreateOptions
from ocipy.spec.load import parse_config

_V1 = ("cpu,cpuacct", "memory", "devices", "pids", "name=systemd")


def _hierarchy(name):
    controllers = () if name.startswith("name=") else tuple(name.split(","))
    return Hierarchy(name, controllers, f"/sys/fs/cgroup/{name.removeprefix('name=')}", "/own")


_V2 = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma")

HOSTS = {
    "hybrid": HostInfo(
        hierarchies=tuple(map(_hierarchy, _V1)), unified=Hierarchy("", (), "/sys/fs/cgroup/unified", "/own")
    ),
    "unified": HostInfo(unified=Hierarchy("", _V2, "/sys/fs/cgroup", "/own")),
    "v1": HostInfo(hierarchies=tuple(map(_hierarchy, _V1))),
    # What v1 doesn't have is in the unified hierarchy.
    "divided": HostInfo(
        hierarchies=tuple(map(_hierarchy, _V1)),
        unified=Hierarchy("", ("hugetlb", "io"), "/sys/fs/cgroup/unified", "/own"),
    ),
    "none": HostInfo(),
    "rootless": HostInfo(uid=1000, gid=1000, unified=Hierarchy("", (), "/sys/fs/cgroup", "/own")),
}


@pytest.fixture
def hosts():
    return HOSTS


@pytest.fixture
def make_plan():
    """``make_plan(change, host="hybrid", rootless=False, **options)``: the plan of a changed default config.

    ``host`` is a name in HOSTS, or a HostInfo.
    """

    def make(change=None, host="hybrid", rootless=False, **options):
        config = default_config(rootless)
        if change:
            change(config)
        complete = parse_config(json.dumps(config).encode(), "config.json")
        return create(
            complete, HOSTS[host] if isinstance(host, str) else host, CreateOptions("box", "/bundle", **options)
        )

    return make


@pytest.fixture
def names():
    return lambda plan: [op.name for op in plan.ops]


@pytest.fixture
def only():
    """The one step of that name."""

    def find(plan, name):
        (found,) = [op for op in plan.ops if op.name == name]
        return found

    return find
