"""``linux.resources`` as files of cgroup v1 (Documentation/admin-guide/cgroup-v1 of the kernel)."""

import pytest

from ocipy.cgroups import v1
from ocipy.errors import StepError

PATHS = {
    "cpu,cpuacct": "/cpu", "cpuset": "/cpuset", "memory": "/memory", "pids": "/pids", "hugetlb": "/hugetlb",
    "net_cls,net_prio": "/net", "rdma": "/rdma", "name=systemd": "/systemd", "": "/unified",
}  # fmt: skip


def settings(**resources):
    return v1.settings(resources | {"devices": []}, PATHS)


def writes(paths=None, devices=(), **resources):
    """path → value, in order."""
    found = v1.settings(resources | {"devices": list(devices)}, PATHS if paths is None else paths)
    assert len({setting.path for setting in found}) == len(found)
    return {setting.path: setting.value for setting in found}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"memory": {"limit": 1 << 30}}, {"/memory/memory.limit_in_bytes": "1073741824"}),  # memory.rst
        (
            {"memory": {"limit": -1}},  # -1: unlimited
            {"/memory/memory.memsw.limit_in_bytes": "-1", "/memory/memory.limit_in_bytes": "-1"},
        ),
        ({"memory": {"swap": -1}}, {"/memory/memory.memsw.limit_in_bytes": "-1"}),
        (
            {"memory": {"kernel": 7, "kernelTCP": 8}},
            {"/memory/memory.kmem.limit_in_bytes": "7", "/memory/memory.kmem.tcp.limit_in_bytes": "8"},
        ),
        ({"memory": {"kernel": 0, "kernelTCP": 0}}, {}),
        ({"memory": {"useHierarchy": True}}, {"/memory/memory.use_hierarchy": "1"}),
        ({"memory": {"useHierarchy": False}}, {"/memory/memory.use_hierarchy": "0"}),
        ({"memory": {"checkBeforeUpdate": True}}, {}),  # v1's kernel refuses a limit below the usage by itself
        ({"memory": {"limit": 0}}, {}),
        ({"memory": {"reservation": 5}}, {"/memory/memory.soft_limit_in_bytes": "5"}),
        ({"memory": {"swappiness": 0}}, {"/memory/memory.swappiness": "0"}),  # 0 is a value here
        ({"memory": {"disableOOMKiller": True}}, {"/memory/memory.oom_control": "1"}),
        ({"memory": {"disableOOMKiller": False}}, {}),
        ({"cpu": {"shares": 512}}, {"/cpu/cpu.shares": "512"}),  # sched-design-CFS.rst
        ({"cpu": {"shares": 0}}, {}),
        ({"cpu": {"quota": -1}}, {"/cpu/cpu.cfs_quota_us": "-1"}),  # sched-bwc.rst
        ({"cpu": {"burst": 0}}, {"/cpu/cpu.cfs_burst_us": "0"}),
        ({"cpu": {"idle": 1}}, {"/cpu/cpu.idle": "1"}),
        ({"cpu": {"cpus": "0-1", "mems": "0"}}, {"/cpuset/cpuset.cpus": "0-1", "/cpuset/cpuset.mems": "0"}),
        ({"cpu": {"cpus": ""}}, {}),
        ({"pids": {"limit": 7}}, {"/pids/pids.max": "7"}),  # pids.rst
        ({"pids": {"limit": -1}}, {"/pids/pids.max": "max"}),
        ({"pids": {"limit": 0}}, {"/pids/pids.max": "1"}),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]},
            {"/hugetlb/hugetlb.2MB.limit_in_bytes": "9", "/hugetlb/hugetlb.2MB.rsvd.limit_in_bytes": "9"},
        ),  # hugetlb.rst
        ({"network": {"classID": 1048577}}, {"/net/net_cls.classid": "1048577"}),  # net_cls.rst
        ({"network": {"priorities": [{"name": "eth0", "priority": 5}]}}, {"/net/net_prio.ifpriomap": "eth0 5"}),
        (
            {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 4}}},
            {"/rdma/rdma.max": "mlx5_1 hca_handle=3 hca_object=4"},
        ),  # rdma.rst
        ({}, {}),
    ],
)
def test_settings(resources, expected):
    assert writes(**resources) == expected


def test_the_order_that_the_kernel_asks_for():
    """memory.rst: memsw can't be below the limit; sched-bwc.rst: the quota is checked against the period."""
    memory = {"swap": 2, "limit": 1}
    cpu = {"quota": 5000, "period": 10000, "realtimeRuntime": 1, "realtimePeriod": 2}
    assert order(memory=memory, cpu=cpu) == [
        "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_period_us", "cpu.cfs_quota_us",
        "cpu.rt_period_us", "cpu.rt_runtime_us",
    ]  # fmt: skip
    # A limit can't be above that on memory and swap together: the one that goes first is the one that is lifted.
    assert order(memory={"limit": 5, "swap": -1}) == ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    # sched_group_set_shares in kernel/sched/fair.c: EINVAL while the cgroup is idle
    assert order(cpu={"idle": 0, "shares": 5}) == ["cpu.idle", "cpu.shares"]
    assert order(cpu={"idle": 1, "shares": 5}) == ["cpu.shares", "cpu.idle"]


def order(**resources):
    return [path.rpartition("/")[2] for path in writes(**resources)]


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"limit": -1}},  # without swap's accounting there is nothing to lift
        {"memory": {"swap": -1}},
        {"memory": {"kernel": -1}},
        {"memory": {"kernelTCP": -1}},
        {"memory": {"useHierarchy": True}},
        {"cpu": {"burst": 0}},
        {"cpu": {"idle": 0}},
    ],
)
def test_what_the_kernel_does_anyway_needs_no_file(resources):
    assert settings(**resources)[0].optional


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"limit": 5, "swap": 6}},
        {"memory": {"kernel": 5, "kernelTCP": 5}},
        {"memory": {"useHierarchy": False}},
        {"memory": {"swappiness": 60}},
        {"cpu": {"burst": 1, "idle": 1}},
    ],
)
def test_what_is_asked_for_needs_its_file(resources):
    assert not any(setting.optional for setting in settings(**resources))


def test_what_the_kernel_may_forget_is_read_back():
    """memory.kmem.limit_in_bytes takes a value and does nothing in newer kernels (cgroup-v1/memory.rst)."""
    assert [setting.verified for setting in settings(memory={"kernel": 5, "kernelTCP": 5})] == [True, True]
    assert [setting.verified for setting in settings(memory={"kernel": -1, "limit": 5})] == [False, False]


def test_limits_on_huge_pages_hold_for_reservations_where_they_are_counted():
    """As runc has it: the fault limit always, the reservations' where the file is (Linux 5.7)."""
    pages = [{"pageSize": "2MB", "limit": 9}]
    assert [(setting.path, setting.optional) for setting in settings(hugepageLimits=pages)] == [
        ("/hugetlb/hugetlb.2MB.limit_in_bytes", False),
        ("/hugetlb/hugetlb.2MB.rsvd.limit_in_bytes", True),
    ]


@pytest.mark.parametrize(
    ("resources", "controller", "pointer"),
    [
        ({"memory": {"limit": 1}}, "memory", "/linux/resources/memory/limit"),
        ({"pids": {"limit": 1}}, "pids", "/linux/resources/pids/limit"),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}, "hugetlb", "/linux/resources/hugepageLimits/0"),
        ({"network": {"classID": 1}}, "net_cls", "/linux/resources/network/classID"),
        (
            {"network": {"priorities": [{"name": "lo", "priority": 1}]}},
            "net_prio",
            "/linux/resources/network/priorities/0",
        ),
        ({"rdma": {"a/b": {"hcaHandles": 1}}}, "rdma", "/linux/resources/rdma/a~1b"),
        ({"cpu": {"cpus": "0"}}, "cpuset", "/linux/resources/cpu/cpus"),
    ],
)
def test_a_limit_without_its_controller_is_refused(resources, controller, pointer):
    with pytest.raises(StepError, match=f"the {controller} controller is not available on this host") as caught:
        writes({"cpu": "/cpu"}, **resources)
    assert caught.value.pointer == pointer


def device_writes(rules):
    settings = v1.settings({"devices": rules}, {"devices": "/devices"})
    return [(setting.path.rpartition(".")[2], setting.value) for setting in settings]


DEFAULTS = ["c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
            "c 5:2 rwm", "c 136:* rwm"]  # fmt: skip


def rule(allow, type_="a", major=-1, minor=-1, access="rwm"):
    return {"allow": allow, "type": type_, "major": major, "minor": minor, "access": access}


@pytest.mark.parametrize(
    ("rules", "own"),
    [
        ([], []),
        ([rule(False)], []),
        ([rule(False), rule(True, "c", 10, 200)], [("allow", "c 10:200 rwm")]),
        ([rule(True, "b", 8, -1, "r")], [("allow", "b 8:* r")]),
        ([rule(True, "a", 1, 2, "r")], [("allow", "a")]),  # devices.rst: a is all devices, whatever follows
        ([rule(True), rule(False, "c", 1, 3)], [("allow", "a"), ("deny", "c 1:3 rwm")]),
    ],
)
def test_devices(rules, own):
    """An allow list: nothing, then what the rules say, then the default devices."""
    assert device_writes(rules) == [("deny", "a"), *own, *(("allow", line) for line in DEFAULTS)]


def test_device_rules_without_the_controller_are_refused():
    assert writes({"cpu": "/cpu"}) == {}
    with pytest.raises(StepError, match="the devices controller"):
        v1.settings({"devices": [rule(False)]}, {"cpu": "/cpu"})
