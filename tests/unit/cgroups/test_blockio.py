"""``resources.blockIO`` as files of v1's blkio and v2's io; with what runc and crun write for the same.

runc: libcontainer/cgroups/fs/blkio.go, fs2/io.go, configs/blkio_device.go; crun: cgroup-resources.c,
write_blkio_resources.
"""

import pytest

from ocipy.cgroups import blockio, v1, v2
from ocipy.errors import StepError

SDA = {"major": 8, "minor": 0}
BOTH = (
    ("throttleReadBpsDevice", "read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "write_iops_device", "wiops"),
)


def old(**block_io):
    return [rest(setting) for setting in v1.settings({"blockIO": block_io, "devices": []}, {"blkio": "/b"})]


def new(**block_io):
    return [rest(setting) for setting in v2.settings({"blockIO": block_io}, "/c")]


def rest(setting):
    """pointer below blockIO, path, value, fallback"""
    return setting.pointer.removeprefix("/linux/resources/blockIO/"), setting.path, setting.value, setting.fallback


def test_weight():
    """runc and crun write what there is: CFQ's file or BFQ's; on v2 BFQ's, else io.weight."""
    assert old(weight=500) == [("weight", "/b/blkio.weight", "500", ("/b/blkio.bfq.weight", "500"))]
    assert new(weight=500) == [("weight", "/c/io.bfq.weight", "500", ("/c/io.weight", "4950"))]


@pytest.mark.parametrize(
    ("weight", "expected"),
    # ConvertBlkIOToIOWeightValue of runc (libcontainer/cgroups/utils.go), 1 + (w - 10) * 9999 / 990, as crun has it;
    # both count below 0 for what is below 10, which BFQ takes.
    [(10, 1), (11, 11), (100, 910), (300, 2930), (500, 4950), (1000, 10000), (1, 1), (2000, 10000)],
)
def test_weight_without_bfq(weight, expected):
    assert blockio.io_weight(weight) == expected


def test_leaf_weight():
    assert old(leafWeight=10) == [("leafWeight", "/b/blkio.leaf_weight", "10", None)]
    with pytest.raises(StepError, match="leafWeight: cgroup v2 has no leaf weights"):
        new(leafWeight=10)


def test_weights_of_devices():
    devices = [SDA | {"weight": 500, "leafWeight": 300}, {"major": 8, "minor": 16, "weight": 200}]
    assert old(weightDevice=devices) == [
        ("weightDevice/0/weight", "/b/blkio.weight_device", "8:0 500", ("/b/blkio.bfq.weight_device", "8:0 500")),
        ("weightDevice/0/leafWeight", "/b/blkio.leaf_weight_device", "8:0 300", None),
        ("weightDevice/1/weight", "/b/blkio.weight_device", "8:16 200", ("/b/blkio.bfq.weight_device", "8:16 200")),
    ]
    assert new(weightDevice=devices[1:]) == [
        ("weightDevice/0/weight", "/c/io.bfq.weight", "8:16 200", ("/c/io.weight", "8:16 1920")),
    ]
    with pytest.raises(StepError) as caught:
        new(weightDevice=devices)
    assert caught.value.pointer == "/linux/resources/blockIO/weightDevice/0/leafWeight"


@pytest.mark.parametrize(("member", "file", "key"), BOTH)
def test_throttles(member, file, key):
    """ThrottleDevice.String() and StringName() of runc."""
    devices = [SDA | {"rate": 600}, {"major": 259, "minor": 7, "rate": 1 << 40}]
    assert old(**{member: devices}) == [
        (f"{member}/0", f"/b/blkio.throttle.{file}", "8:0 600", None),
        (f"{member}/1", f"/b/blkio.throttle.{file}", "259:7 1099511627776", None),
    ]
    assert new(**{member: devices}) == [
        (f"{member}/0", "/c/io.max", f"8:0 {key}=600", None),
        (f"{member}/1", "/c/io.max", f"259:7 {key}=1099511627776", None),
    ]


@pytest.mark.parametrize("rate", [{}, {"rate": 0}])
def test_no_rate_is_no_limit(rate):
    """0 removes a limit in v1 (blkio-controller.rst), in v2 "max" does (cgroup-v2.rst, io.max)."""
    assert [each[2] for each in old(throttleReadBpsDevice=[SDA | rate])] == ["8:0 0"]
    assert [each[2] for each in new(throttleReadBpsDevice=[SDA | rate])] == ["8:0 rbps=max"]


def test_none_is_none():
    """dockerd writes a weight of 0 for none."""
    none = {"weight": 0, "leafWeight": 0, "weightDevice": [SDA | {"weight": 0, "leafWeight": 0}]}
    assert (old(**none), new(**none)) == ([], [])


def test_the_controller_that_is_missing():
    with pytest.raises(StepError, match="the blkio controller is not available") as caught:
        v1.settings({"blockIO": {"weight": 5}, "devices": []}, {"cpu": "/cpu"})
    assert caught.value.pointer == "/linux/resources/blockIO/weight"
    with pytest.raises(StepError, match=r"the io controller is not available on this host \(the unified hierarchy has"):
        v2.settings({"blockIO": {"weight": 5}}, "/c", ("cpu", "memory"))
