"""``linux.resources`` as files of the unified hierarchy (Documentation/admin-guide/cgroup-v2.rst of the kernel)."""

import pytest

from ocipy.cgroups import v2
from ocipy.errors import StepError


def writes(**resources):
    return {setting.path: setting.value for setting in v2.settings(resources, "/c")}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"memory": {"limit": 5}}, {"memory.max": "5"}),
        # No limit on memory, nothing said of swap: none on either (runc, ConvertMemorySwapToCgroupV2Value).
        ({"memory": {"limit": -1}}, {"memory.swap.max": "max", "memory.max": "max"}),
        ({"memory": {"swap": -1}}, {"memory.swap.max": "max"}),
        ({"memory": {"reservation": 5}}, {"memory.low": "5"}),
        ({"memory": {"reservation": -1}}, {"memory.low": "max"}),
        ({"memory": {"limit": -1, "swap": -1}}, {"memory.swap.max": "max", "memory.max": "max"}),
        ({"memory": {"limit": 1, "reservation": 1}}, {"memory.max": "1", "memory.low": "1"}),
        # v1's swap is memory and swap together (config-linux.md, Memory); v2's is swap alone.
        ({"memory": {"limit": 5, "swap": 8}}, {"memory.swap.max": "3", "memory.max": "5"}),
        ({"memory": {"limit": 5, "swap": 5}}, {"memory.swap.max": "0", "memory.max": "5"}),
        ({"memory": {"limit": 5, "swap": -1}}, {"memory.swap.max": "max", "memory.max": "5"}),
        ({"memory": {"limit": 0, "swap": 0, "reservation": 0}}, {}),
        ({"cpu": {"quota": 5000, "period": 10000}}, {"cpu.max": "5000 10000"}),  # "$MAX $PERIOD"
        ({"cpu": {"quota": 5000}}, {"cpu.max": "5000"}),
        ({"cpu": {"quota": -1, "period": 10000}}, {"cpu.max": "max 10000"}),
        ({"cpu": {"period": 10000}}, {"cpu.max": "max 10000"}),
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
        ({"cpu": {"realtimeRuntime": 0, "realtimePeriod": 0}}, {}),
        ({"cpu": {"realtimeRuntime": -1}}, {}),  # no limit, which is what v2 has
        ({"memory": {"kernel": -1, "kernelTCP": -1}}, {}),
        ({"memory": {"kernel": 0, "disableOOMKiller": False, "useHierarchy": True}}, {}),
        ({"network": {"classID": 0, "priorities": []}}, {}),
        ({"network": {}, "blockIO": {}, "rdma": {}, "unified": {}}, {}),
        ({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 4}}}, {"rdma.max": "mlx5_1 hca_handle=3 hca_object=4"}),
        ({"cpu": {"shares": 0}}, {}),
        ({"cpu": {"burst": 0}}, {"cpu.max.burst": "0"}),
        ({"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
        ({"cpu": {"idle": 0}}, {"cpu.idle": "0"}),
        ({"cpu": {"quota": -1}}, {"cpu.max": "max"}),
        ({"cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""}}, {}),
        ({"cpu": {"cpus": "0-1", "mems": "0"}}, {"cpuset.cpus": "0-1", "cpuset.mems": "0"}),
        ({"pids": {"limit": 7}}, {"pids.max": "7"}),
        ({"pids": {"limit": 1}}, {"pids.max": "1"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"pids": {"limit": 0}}, {"pids.max": "1"}),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]},
            {"hugetlb.2MB.max": "9", "hugetlb.2MB.rsvd.max": "9"},
        ),
        ({"unified": {"memory.high": "5", "io.weight": "7"}}, {"memory.high": "5", "io.weight": "7"}),
        ({}, {}),
    ],
)
def test_settings(resources, expected):
    assert writes(**resources) == {f"/c/{file}": value for file, value in expected.items()}


@pytest.mark.parametrize(
    ("shares", "weight"),
    # ConvertCPUSharesToCgroupV2Value of runc 1.3.2 and convert_shares_to_weight of crun 1.23:
    # ceil(10 ** ((l*l + 125*l) / 612 - 7/34)), l = log2(shares), 1 for 2 and less, 10000 for 262144 and more.  Older
    # ones: 1 + (shares - 2) * 9999 / 262142, which makes 39 of the default, 1024.
    [
        (0, 0), (1, 1), (2, 1), (3, 2), (10, 4), (100, 17), (512, 59), (1024, 100), (2048, 174), (4096, 303),
        (102400, 4429), (262143, 10000), (262144, 10000), (10**9, 10000),
    ],
)  # fmt: skip
def test_shares_as_weight(shares, weight):
    assert v2.weight(shares) == weight


@pytest.mark.parametrize("memory", [{"swap": 5}, {"swap": 5, "limit": -1}, {"swap": 5, "limit": 0}])
def test_memory_and_swap_together_need_a_limit_on_memory(memory):
    with pytest.raises(StepError, match="needs a memory limit") as caught:
        writes(memory=memory)
    assert caught.value.pointer == "/linux/resources/memory/swap"


@pytest.mark.parametrize(
    ("resources", "pointer", "reason"),
    # crun 1.x refuses each of them ("cannot set ... with cgroupv2"), runc ignores them; the specification wants an
    # error for what can't be converted (config-linux.md, Unified).
    [
        ({"memory": {"kernel": 1}}, "memory/kernel", "kernel memory"),
        ({"memory": {"kernelTCP": 1}}, "memory/kernelTCP", "kernel memory"),
        ({"memory": {"swappiness": 0}}, "memory/swappiness", "swappiness"),
        ({"memory": {"disableOOMKiller": True}}, "memory/disableOOMKiller", "OOM killer"),
        ({"memory": {"useHierarchy": False}}, "memory/useHierarchy", "always counts"),
        ({"cpu": {"realtimeRuntime": 5}}, "cpu/realtimeRuntime", "real-time"),
        ({"cpu": {"realtimePeriod": 5}}, "cpu/realtimePeriod", "real-time"),
        ({"network": {"classID": 1}}, "network/classID", "net_cls"),
        ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network/priorities", "net_prio"),
        ({"unified": {"cgroup.freeze": "1"}}, "unified/cgroup.freeze", "frozen"),
    ],
)
def test_what_version_2_lacks(resources, pointer, reason):
    with pytest.raises(StepError, match=reason) as caught:
        writes(**resources)
    assert caught.value.pointer == f"/linux/resources/{pointer}"
    assert "drop it from config.json" in str(caught.value)


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"limit": 5, "swap": 5}},  # runc: without swap there is no file, and none to be had
        {"memory": {"limit": -1}},
        {"cpu": {"burst": 0}},
        {"cpu": {"idle": 0}},
    ],
)
def test_what_the_kernel_does_anyway_needs_no_file(resources):
    assert v2.settings(resources, "/c")[0].optional
    asked = {"memory": {"limit": 5, "swap": 6}, "cpu": {"burst": 1, "idle": 1}, "unified": {"cpu.idle": "0"}}
    assert not any(setting.optional for setting in v2.settings(asked, "/c"))


def test_a_limit_is_checked_against_the_usage_when_that_is_asked_for():
    """The kernel would call the OOM killer (config-linux.md, checkBeforeUpdate)."""
    usage = [s.usage for s in v2.settings({"memory": {"limit": 5, "swap": 5, "checkBeforeUpdate": True}}, "/c")]
    assert usage == ["", "/c/memory.current"]
    for memory in ({"limit": -1, "checkBeforeUpdate": True}, {"limit": 5, "checkBeforeUpdate": False}, {"limit": 5}):
        assert not any(setting.usage for setting in v2.settings({"memory": memory}, "/c"))


def test_an_idle_cgroup_takes_no_weight():
    """sched_group_set_shares in kernel/sched/fair.c: EINVAL; so it is put to idle after, or waked before."""
    assert list(writes(cpu={"idle": 1, "shares": 1024})) == ["/c/cpu.weight", "/c/cpu.idle"]
    assert list(writes(cpu={"idle": 0, "shares": 1024})) == ["/c/cpu.idle", "/c/cpu.weight"]


@pytest.mark.parametrize(
    ("value", "written"),
    # io.max takes one device a write (cgroup-v2.rst); "" clears cpuset.cpus.
    [("259:0 rbps=5\n253:0 rbps=6\n", ["259:0 rbps=5", "253:0 rbps=6"]), ("5", ["5"]), ("", [""]), ("\n", ["\n"])],
)
def test_unified_is_written_as_it_stands_a_line_at_a_time(value, written):
    found = v2.settings({"unified": {"io.max": value}}, "/c")
    assert [(setting.path, setting.value) for setting in found] == [("/c/io.max", line) for line in written]


@pytest.mark.parametrize(
    ("resources", "pointer", "controller"),
    [
        ({"memory": {"limit": 5}}, "memory/limit", "memory"),
        ({"cpu": {"cpus": "0"}}, "cpu/cpus", "cpuset"),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}, "hugepageLimits/0", "hugetlb"),
        ({"unified": {"misc.max": "x"}}, "unified/misc.max", "misc"),
        ({"rdma": {"a": {"hcaObjects": 1}}}, "rdma/a", "rdma"),
    ],
)
def test_a_limit_without_its_controller_is_refused(resources, pointer, controller):
    """config-linux.md, Unified: an error for a controller that isn't there."""
    with pytest.raises(StepError, match=f"the {controller} controller is not available on this host") as caught:
        v2.settings(resources, "/c", ("cpu", "pids"))
    assert caught.value.pointer == f"/linux/resources/{pointer}"
    assert "the unified hierarchy has cpu pids" in str(caught.value)
    v2.settings(resources, "/c", ("cpu", controller))


def test_the_core_s_own_files_need_no_controller():
    assert v2.settings({"unified": {"cgroup.max.depth": "3"}}, "/c", ())


def test_the_controllers_that_are_needed():
    settings = v2.settings(
        {"memory": {"limit": 5}, "cpu": {"cpus": "0"}, "unified": {"cgroup.freeze": "0", "io.weight": "7"}}, "/c.d/e"
    )
    assert v2.controllers(settings) == ["cpuset", "io", "memory"]
    assert v2.controllers([]) == []


def test_the_config_s_own_words_come_last():
    """unified is more particular than what is translated, so it is written after it."""
    assert list(writes(unified={"memory.max": "9"}, pids={"limit": 1}))[-1] == "/c/memory.max"


def test_every_setting_tells_where_it_comes_from():
    resources = {
        "cpu": {"shares": 5, "quota": 5, "period": 5, "burst": 1, "idle": 0, "cpus": "0", "mems": "0"},
        "memory": {"limit": 5, "swap": 6, "reservation": 4},
        "pids": {"limit": 3},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
        "unified": {"io.max": "x"},
    }
    assert [setting.pointer.removeprefix("/linux/resources/") for setting in v2.settings(resources, "/c")] == [
        "cpu/idle", "cpu/shares", "cpu/quota", "cpu/burst", "cpu/cpus", "cpu/mems",
        "memory/swap", "memory/limit", "memory/reservation",
        "pids/limit", "hugepageLimits/0", "hugepageLimits/0", "unified/io.max",
    ]  # fmt: skip
    (alone,) = v2.settings({"cpu": {"period": 5}}, "/c")
    assert alone.pointer == "/linux/resources/cpu/period"
