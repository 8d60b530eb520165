"""Each resource's file and value in cgroup v1; the facts are the kernel's, Documentation/admin-guide/cgroup-v1."""

import pytest

from ocipy.cgroups import v1
from ocipy.cgroups.devices import DEFAULT_RULES
from ocipy.errors import StepError

PATHS = {
    name: f"/{name}"
    for name in ("cpu,cpuacct", "cpuset", "memory", "pids", "hugetlb", "net_cls,net_prio", "rdma", "name=systemd")
}


def settings(paths=PATHS, **resources):
    return [(each.pointer, each.path, each.value) for each in v1.settings({"devices": [], **resources}, paths)]


# (member of the resources, its value, file, what is written)
CASES = [
    # memory.rst, 2.4 and 5: limits in bytes, -1 is none; 5.3: swappiness 0 … 100; 10: 1 turns the OOM killer off
    ("memory/limit", 1 << 40, "memory/memory.limit_in_bytes", "1099511627776"),
    ("memory/limit", -1, "memory/memory.limit_in_bytes", "-1"),
    ("memory/reservation", 4096, "memory/memory.soft_limit_in_bytes", "4096"),
    ("memory/swap", 8192, "memory/memory.memsw.limit_in_bytes", "8192"),
    ("memory/swap", -1, "memory/memory.memsw.limit_in_bytes", "-1"),
    ("memory/swappiness", 0, "memory/memory.swappiness", "0"),
    ("memory/swappiness", 60, "memory/memory.swappiness", "60"),
    ("memory/disableOOMKiller", True, "memory/memory.oom_control", "1"),
    # scheduler/sched-bwc.rst: quota -1 is no limit; microseconds
    ("cpu/shares", 1024, "cpu,cpuacct/cpu.shares", "1024"),
    ("cpu/quota", 50000, "cpu,cpuacct/cpu.cfs_quota_us", "50000"),
    ("cpu/quota", -1, "cpu,cpuacct/cpu.cfs_quota_us", "-1"),
    ("cpu/period", 100000, "cpu,cpuacct/cpu.cfs_period_us", "100000"),
    ("cpu/burst", 0, "cpu,cpuacct/cpu.cfs_burst_us", "0"),
    ("cpu/realtimeRuntime", 950000, "cpu,cpuacct/cpu.rt_runtime_us", "950000"),
    ("cpu/realtimePeriod", 1000000, "cpu,cpuacct/cpu.rt_period_us", "1000000"),
    ("cpu/idle", 1, "cpu,cpuacct/cpu.idle", "1"),
    ("cpu/idle", 0, "cpu,cpuacct/cpu.idle", "0"),
    # cpusets.rst
    ("cpu/cpus", "0-1,3", "cpuset/cpuset.cpus", "0-1,3"),
    ("cpu/mems", "0", "cpuset/cpuset.mems", "0"),
    # pids.rst: "max" is no limit
    ("pids/limit", 7, "pids/pids.max", "7"),
    ("pids/limit", -1, "pids/pids.max", "max"),
    # net_cls.rst: a number, 0xAAAABBBB
    ("network/classID", 0x100001, "net_cls,net_prio/net_cls.classid", "1048577"),
]


@pytest.mark.parametrize(("member", "value", "file", "written"), CASES)
def test_values(member, value, file, written):
    group, name = member.split("/")
    assert settings(**{group: {name: value}}) == [(f"/linux/resources/{member}", f"/{file}", written)]


@pytest.mark.parametrize(
    "member",
    ["memory/limit", "memory/reservation", "memory/swap", "cpu/shares", "cpu/quota", "cpu/period", "pids/limit",
     "cpu/realtimeRuntime", "cpu/realtimePeriod", "network/classID"],
)  # fmt: skip
def test_zero_is_not_set(member):
    group, name = member.split("/")
    assert settings(**{group: {name: 0}}) == []


def test_empty_lists_of_cpus_are_not_set():
    assert settings(cpu={"cpus": "", "mems": ""}) == []


def test_nothing_asked_for_is_nothing_done():
    assert settings() == settings(memory={}, cpu={}, pids={}, hugepageLimits=[], network={}, rdma={}) == []
    assert settings(memory={"disableOOMKiller": False}) == []


def test_lists():
    """hugetlb.rst; net_prio.rst: interface and priority; rdma.rst."""
    found = settings(
        hugepageLimits=[{"pageSize": "2MB", "limit": 0}, {"pageSize": "1GB", "limit": 5}],
        network={"priorities": [{"name": "eth0", "priority": 0}, {"name": "lo", "priority": 3}]},
        rdma={"mlx5_1": {"hcaHandles": 3, "hcaObjects": 0}, "x/y": {"hcaObjects": 1}, "none": {}},
    )
    base = "/linux/resources"
    assert found == [
        (f"{base}/hugepageLimits/0", "/hugetlb/hugetlb.2MB.limit_in_bytes", "0"),
        (f"{base}/hugepageLimits/1", "/hugetlb/hugetlb.1GB.limit_in_bytes", "5"),
        (f"{base}/network/priorities/0", "/net_cls,net_prio/net_prio.ifpriomap", "eth0 0"),
        (f"{base}/network/priorities/1", "/net_cls,net_prio/net_prio.ifpriomap", "lo 3"),
        (f"{base}/rdma/mlx5_1", "/rdma/rdma.max", "mlx5_1 hca_handle=3 hca_object=0"),
        (f"{base}/rdma/x~1y", "/rdma/rdma.max", "x/y hca_object=1"),
    ]


@pytest.mark.parametrize(
    ("resources", "order"),
    [
        # memory.rst, 8: a limit on memory and swap can't be below the one on memory
        ({"memory": {"swap": 2, "limit": 1}}, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
        # the kernel checks a quota, and a runtime, against its period
        ({"cpu": {"quota": 1, "period": 2}}, ["cpu.cfs_period_us", "cpu.cfs_quota_us"]),
        ({"cpu": {"realtimeRuntime": 1, "realtimePeriod": 2}}, ["cpu.rt_period_us", "cpu.rt_runtime_us"]),
    ],
)
def test_order(resources, order):
    assert [path.rpartition("/")[2] for _, path, _ in settings(**resources)] == order


@pytest.mark.parametrize(
    ("resources", "pointer", "controller"),
    [
        ({"memory": {"limit": 1}}, "memory.limit", "memory"),
        ({"cpu": {"cpus": "0"}}, "cpu.cpus", "cpuset"),
        ({"pids": {"limit": 1}}, "pids.limit", "pids"),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "hugepageLimits[0]", "hugetlb"),
        ({"network": {"classID": 1}}, "network.classID", "net_cls"),
        ({"devices": [{"allow": True, "type": "a", "access": "rwm", "major": -1, "minor": -1}]}, "devices", "devices"),
    ],
)
def test_a_limit_without_its_controller_is_refused(resources, pointer, controller):
    with pytest.raises(StepError) as caught:
        settings({"blkio": "/blkio", "cpu": "/cpu"}, **resources)
    assert str(caught.value) == (
        f"linux.resources.{pointer}: the {controller} controller is not available on this host "
        "(mount the controller's v1 hierarchy, or drop the limit)"
    )


def rule(allow, type_="c", major=-1, minor=-1, access="rwm"):
    return {"allow": allow, "type": type_, "major": major, "minor": minor, "access": access}


def device_lines(*rules):
    return [
        (path.rpartition(".")[2], value) for _, path, value in settings({"devices": "/devices"}, devices=list(rules))
    ]


def test_devices_are_denied_then_allowed():
    """devices.rst: "a" for all, "*" for any number; the default devices come last, so that nothing takes them away."""
    defaults = [("allow", each.line()) for each in DEFAULT_RULES]
    assert device_lines() == [("deny", "a"), *defaults]
    assert device_lines(rule(True, "b", 8, 0, "r"), rule(False, "c", 10, access="w")) == [
        ("deny", "a"),
        ("allow", "b 8:0 r"),
        ("deny", "c 10:* w"),
        *defaults,
    ]


def test_a_first_rule_that_denies_all_is_said_once():
    """It is in every engine's config; in another place it takes back what was allowed before."""
    assert device_lines(rule(False, "a")) == device_lines()
    assert device_lines(rule(True, "a"), rule(False, "a"))[:3] == [("deny", "a"), ("allow", "a"), ("deny", "a")]


def test_without_the_controller_and_without_rules_there_is_nothing_to_say():
    assert settings(PATHS) == []
