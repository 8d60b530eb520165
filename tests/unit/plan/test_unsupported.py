"""What ocipy can't do yet is refused, never ignored; what says "none" isn't."""

import json

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.errors import StepError
from ocipy.plan.unsupported import refuse_unsupported
from ocipy.spec.load import parse_config

OFFSETS = {"boottime": {"secs": 1}}


def refuse(part, name, value, unified):
    config = default_config()
    config["linux"]["resources"] = {}
    place = config["linux"]["resources"] if part == "linux.resources" else config[part]
    place[name] = value
    refuse_unsupported(parse_config(json.dumps(config).encode(), "config.json"), unified)


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("process", "apparmorProfile", "docker-default"),
        ("process", "selinuxLabel", "u:r:t:s0"),
        ("linux", "intelRdt", {"closID": "x"}),
        ("linux", "netDevices", {"eth0": {}}),
        ("linux", "timeOffsets", OFFSETS),
        ("linux", "mountLabel", "u:r:t:s0"),
        ("linux.resources", "blockIO", {"weight": 10}),
    ],
)
def test_refused_on_any_host(part, name, value, unified):
    with pytest.raises(StepError) as caught:
        refuse(part, name, value, unified)
    assert str(caught.value) == f"{part}.{name}: not supported yet (drop it from config.json)"
    assert caught.value.pointer == f"/{part.replace('.', '/')}/{name}"
    assert (caught.value.errno, caught.value.index) == (0, -1)


@pytest.mark.parametrize(
    ("name", "value", "unified"),
    [
        ("unified", {"memory.high": "1"}, False),
        ("network", {"classID": 1}, True),
        ("network", {"priorities": [{"name": "lo", "priority": 1}]}, True),
        ("rdma", {"mlx5_0": {"hcaHandles": 1}}, True),
    ],
)
def test_refused_where_the_cgroups_are_not_those_for_it(name, value, unified):
    with pytest.raises(StepError, match=f"^linux.resources.{name}: not supported yet"):
        refuse("linux.resources", name, value, unified)
    refuse("linux.resources", name, value, not unified)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("memory", "swappiness", 0),
        ("memory", "disableOOMKiller", True),
        ("cpu", "realtimeRuntime", 1000),
        ("cpu", "realtimePeriod", 1000),
    ],
)
def test_what_version_2_lacks(part, name, value):
    with pytest.raises(StepError, match=f"^linux.resources.{part}.{name}: not supported yet"):
        refuse("linux.resources", part, {name: value}, True)
    refuse("linux.resources", part, {name: value}, False)


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("name", ["kernel", "kernelTCP"])
def test_kernel_memory_is_counted_nowhere(name, unified):
    with pytest.raises(StepError, match=f"^linux.resources.memory.{name}: not supported yet"):
        refuse("linux.resources", "memory", {name: 1 << 20}, unified)
    refuse("linux.resources", "memory", {name: 0, "disableOOMKiller": False}, unified)


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("linux.resources", "blockIO", {"weight": 0}),  # engines write it for "none"
        ("linux.resources", "blockIO", {}),
        ("linux.resources", "network", {"classID": 0, "priorities": []}),
        ("linux.resources", "rdma", {}),
        ("linux.resources", "unified", {}),
        ("process", "apparmorProfile", ""),
        ("process", "selinuxLabel", ""),
        ("linux", "mountLabel", ""),
        ("linux", "timeOffsets", {}),
        ("linux", "netDevices", {}),
    ],
)
def test_none_is_not_refused(part, name, value, unified):
    refuse(part, name, value, unified)
