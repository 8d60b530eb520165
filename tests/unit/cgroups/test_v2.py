"""Each resource's file and value in cgroup v2; the facts are the kernel's, Documentation/admin-guide/cgroup-v2.rst."""

import pytest

from ocipy.cgroups import v2
from ocipy.errors import StepError

BASE = "/linux/resources"


def settings(**resources):
    return [
        (each.pointer.removeprefix(f"{BASE}/"), each.path, each.value)
        for each in v2.settings({"devices": [], **resources}, "/cg")
    ]


# (resources, pointer, file, what is written)
CASES = [
    # Memory Interface Files: "max" is no limit
    ({"memory": {"limit": 1 << 40}}, "memory/limit", "memory.max", "1099511627776"),
    ({"memory": {"limit": -1}}, "memory/limit", "memory.max", "max"),
    ({"memory": {"reservation": 4096}}, "memory/reservation", "memory.low", "4096"),
    ({"memory": {"reservation": -1}}, "memory/reservation", "memory.low", "max"),
    ({"memory": {"swap": -1}}, "memory/swap", "memory.swap.max", "max"),
    # CPU Interface Files: cpu.max "$MAX $PERIOD"; one value alone leaves the period as it is
    ({"cpu": {"quota": 50000, "period": 100000}}, "cpu/quota", "cpu.max", "50000 100000"),
    ({"cpu": {"quota": 50000}}, "cpu/quota", "cpu.max", "50000"),
    ({"cpu": {"quota": -1, "period": 100000}}, "cpu/quota", "cpu.max", "max 100000"),
    ({"cpu": {"quota": -1}}, "cpu/quota", "cpu.max", "max"),
    ({"cpu": {"period": 100000}}, "cpu/period", "cpu.max", "max 100000"),
    ({"cpu": {"burst": 5000}}, "cpu/burst", "cpu.max.burst", "5000"),
    ({"cpu": {"idle": 1}}, "cpu/idle", "cpu.idle", "1"),
    ({"cpu": {"idle": 0}}, "cpu/idle", "cpu.idle", "0"),
    ({"cpu": {"cpus": "0-1,3"}}, "cpu/cpus", "cpuset.cpus", "0-1,3"),
    ({"cpu": {"mems": "0"}}, "cpu/mems", "cpuset.mems", "0"),
    ({"pids": {"limit": 7}}, "pids/limit", "pids.max", "7"),
    ({"pids": {"limit": -1}}, "pids/limit", "pids.max", "max"),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}, "hugepageLimits/0", "hugetlb.2MB.max", "0"),
    ({"unified": {"memory.high": "max"}}, "unified/memory.high", "memory.high", "max"),
]


@pytest.mark.parametrize(("resources", "pointer", "file", "written"), CASES)
def test_values(resources, pointer, file, written):
    assert settings(**resources) == [(pointer, f"/cg/{file}", written)]


@pytest.mark.parametrize(
    ("limit", "swap", "written"),
    [(100, 150, "50"), (100, 100, "0"), (100, -1, "max"), (-1, -1, "max"), (0, -1, "max")],
)
def test_swap_apart_from_memory(limit, swap, written):
    """config-linux.md: ``swap`` is memory and swap together; memory.swap.max counts swap alone."""
    found = {path: value for _, path, value in settings(memory={"limit": limit, "swap": swap})}
    assert found["/cg/memory.swap.max"] == written


@pytest.mark.parametrize("memory", [{"swap": 100}, {"swap": 100, "limit": -1}, {"swap": 100, "limit": 0}])
def test_a_limit_on_both_without_one_on_memory_cannot_be_said(memory):
    with pytest.raises(StepError) as caught:
        settings(memory=memory)
    assert str(caught.value) == (
        "linux.resources.memory.swap: needs a memory limit (cgroup v2 limits swap apart from memory)"
    )


def test_swap_comes_before_memory():
    """With less memory than is used, what doesn't fit has to have somewhere to go."""
    files = [path for _, path, _ in settings(memory={"limit": 1, "swap": 2})]
    assert files == ["/cg/memory.swap.max", "/cg/memory.max"]


@pytest.mark.parametrize(
    ("shares", "weight"),
    [
        (0, 0),
        (1, 1),  # below the kernel's least, 2
        (2, 1),
        (1024, 39),  # the default of v1 is not that of v2 (100), under runc and crun alike
        (131072, 5000),
        (262143, 9999),
        (262144, 10000),
        (10**9, 10000),  # above the kernel's most
    ],
)
def test_weight_of_shares(shares, weight):
    """1 + (shares - 2) * 9999 / 262142 maps 2 … 262144 on 1 … 10000, as kubernetes/enhancements KEP-2254 has it."""
    assert v2.weight(shares) == weight
    expected = [("cpu/shares", "/cg/cpu.weight", str(weight))] if weight else []
    assert settings(cpu={"shares": shares}) == expected


def test_weights_keep_the_order_of_shares():
    weights = [v2.weight(shares) for shares in range(2, 262145, 13)]
    assert weights == sorted(weights)
    assert (weights[0], max(weights) <= 10000) == (1, True)


@pytest.mark.parametrize(
    "resources",
    [{}, {"memory": {"limit": 0, "swap": 0, "reservation": 0}}, {"cpu": {"shares": 0, "quota": 0, "period": 0}},
     {"cpu": {"cpus": "", "mems": ""}}, {"pids": {"limit": 0}}, {"hugepageLimits": [], "unified": {}}],
)  # fmt: skip
def test_zero_and_nothing_are_not_set(resources):
    assert settings(**resources) == []


def test_unified_has_the_last_word():
    found = settings(memory={"limit": 5}, unified={"memory.max": "7"})
    assert [value for _, path, value in found if path == "/cg/memory.max"] == ["5", "7"]


def test_controllers_that_have_to_be_enabled():
    made = v2.settings(
        {
            "cpu": {"cpus": "0", "shares": 2},
            "pids": {"limit": 1},
            "unified": {"io.max": "8:0 rbps=1", "cgroup.max.depth": "3", "memory.high": "1"},
        },
        "/cg/with.dots",
    )
    assert v2.controllers(made) == ["cpu", "cpuset", "io", "memory", "pids"]
    assert v2.controllers([]) == []
