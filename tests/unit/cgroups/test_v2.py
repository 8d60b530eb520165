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
        ({"memory": {"limit": -1}}, {"memory.max": "max"}),
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
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "39"}),
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
        ({"pids": {"limit": 0}}, {}),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}, {"hugetlb.2MB.max": "9"}),
        ({"unified": {"memory.high": "5", "io.weight": "7"}}, {"memory.high": "5", "io.weight": "7"}),
        ({}, {}),
    ],
)
def test_settings(resources, expected):
    assert writes(**resources) == {f"/c/{file}": value for file, value in expected.items()}


@pytest.mark.parametrize(
    ("shares", "weight"),
    # 2…262144 onto 1…10000, linearly (runc's ConvertCPUSharesToCgroupV2Value, crun's convert_shares_to_weight)
    [(0, 0), (1, 1), (2, 1), (512, 20), (1024, 39), (2048, 79), (262143, 9999), (262144, 10000), (10**9, 10000)],
)
def test_shares_as_weight(shares, weight):
    assert v2.weight(shares) == weight


@pytest.mark.parametrize("memory", [{"swap": 5}, {"swap": 5, "limit": -1}, {"swap": 5, "limit": 0}])
def test_memory_and_swap_together_need_a_limit_on_memory(memory):
    with pytest.raises(StepError, match="needs a memory limit") as caught:
        writes(memory=memory)
    assert caught.value.pointer == "/linux/resources/memory/swap"


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
        "cpu/shares", "cpu/quota", "cpu/burst", "cpu/idle", "cpu/cpus", "cpu/mems",
        "memory/swap", "memory/limit", "memory/reservation",
        "pids/limit", "hugepageLimits/0", "unified/io.max",
    ]  # fmt: skip
    (alone,) = v2.settings({"cpu": {"period": 5}}, "/c")
    assert alone.pointer == "/linux/resources/cpu/period"
