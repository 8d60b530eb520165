"""``resources.blockIO`` → files of the v1 controller blkio and of the v2 controller io.  Pure.

Their weights are those of the BFQ scheduler, whose files are there once its module is loaded; before Linux 5.0 v1 had
those of CFQ, and v2 has io.weight beside, of io.cost or for nothing (cgroup-v1/blkio-controller.rst, cgroup-v2.rst).
"""

from ocipy.cgroups.settings import Setting, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BASE = "/linux/resources/blockIO"
# (member, file of v1, key in io.max of v2)
_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)


def v1(block_io: "dict[str, Any]") -> "Iterator[Setting]":
    """The writes, with file names for paths.  A weight of 0 is none."""
    if block_io.get("weight"):
        value = str(block_io["weight"])
        yield Setting(f"{_BASE}/weight", "blkio.weight", value, ("blkio.bfq.weight", value))
    if block_io.get("leafWeight"):
        yield Setting(f"{_BASE}/leafWeight", "blkio.leaf_weight", str(block_io["leafWeight"]))
    for number, device in enumerate(block_io.get("weightDevice", ())):
        pointer, name = f"{_BASE}/weightDevice/{number}", f"{device['major']}:{device['minor']}"
        if device.get("weight"):
            value = f"{name} {device['weight']}"
            yield Setting(f"{pointer}/weight", "blkio.weight_device", value, ("blkio.bfq.weight_device", value))
        if device.get("leafWeight"):
            yield Setting(f"{pointer}/leafWeight", "blkio.leaf_weight_device", f"{name} {device['leafWeight']}")
    for member, file, _ in _THROTTLES:
        for number, device in enumerate(block_io.get(member, ())):
            value = f"{device['major']}:{device['minor']} {device.get('rate', 0)}"
            yield Setting(f"{_BASE}/{member}/{number}", file, value)


def v2(block_io: "dict[str, Any]") -> "Iterator[Setting]":
    """As ``v1``.  Raises StepError for leaf weights, which v2 doesn't have."""
    if block_io.get("weight"):
        weight = block_io["weight"]
        yield Setting(f"{_BASE}/weight", "io.bfq.weight", str(weight), ("io.weight", str(io_weight(weight))))
    if block_io.get("leafWeight"):
        raise refusal(f"{_BASE}/leafWeight", "cgroup v2 has no leaf weights")
    for number, device in enumerate(block_io.get("weightDevice", ())):
        pointer, name = f"{_BASE}/weightDevice/{number}", f"{device['major']}:{device['minor']}"
        if device.get("leafWeight"):
            raise refusal(f"{pointer}/leafWeight", "cgroup v2 has no leaf weights")
        if device.get("weight"):
            weight = device["weight"]
            fallback = ("io.weight", f"{name} {io_weight(weight)}")
            yield Setting(f"{pointer}/weight", "io.bfq.weight", f"{name} {weight}", fallback)
    for member, _, key in _THROTTLES:
        for number, device in enumerate(block_io.get(member, ())):
            # 0 is no limit, as in v1; io.max takes no 0.
            rate = device.get("rate", 0) or "max"
            value = f"{device['major']}:{device['minor']} {key}={rate}"
            yield Setting(f"{_BASE}/{member}/{number}", "io.max", value)


def io_weight(weight: int) -> int:
    """blkio's weight, 10 … 1000, as io.weight, 1 … 10000: linearly, as runc and crun do."""
    return 1 + (min(max(weight, 10), 1000) - 10) * 9999 // 990


def below(directory: str, setting: Setting) -> Setting:
    """The setting with its file, and that of its fallback, in ``directory``."""
    fallback = (f"{directory}/{setting.fallback[0]}", setting.fallback[1]) if setting.fallback else None
    return Setting(setting.pointer, f"{directory}/{setting.path}", setting.value, fallback)
