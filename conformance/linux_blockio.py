"""config-linux.md: block IO."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_settings import need_controller, offers, resources, setting

SECTION = "config-linux.md#block-io"
BLOCK_IO = "linux.resources.blockIO"


def controller() -> str:
    return "io" if host.unified() else "blkio"


def weight_file(suffix: str = "") -> str:
    """The file for weights: the BFQ scheduler's, or what kernels had before, and have with io.cost."""
    need_controller(controller())
    prefix = controller()
    names = [f"{prefix}.bfq.weight", f"{prefix}.weight"]
    if suffix and not host.unified():
        names = [f"{name}_{suffix}" for name in names]
    found = [name for name in names if offers(controller(), name)]
    need(found, "this kernel's block layer has no weights (no BFQ, no io.cost)")
    return found[0]


@contextlib.contextmanager
def block_device(runtime: Runtime) -> Iterator[tuple[int, int]]:
    """A block device of the case's own, a file as a loop device, under the BFQ scheduler where that is: its numbers."""
    backing = runtime.directory / "disk"
    backing.write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, text=True, check=False)
    need(made.returncode == 0, "this host makes no loop devices")
    name = Path(made.stdout.strip()).name
    scheduler = Path(f"/sys/block/{name}/queue/scheduler")
    before = scheduler.read_text().partition("[")[2].partition("]")[0]
    try:
        if "bfq" in scheduler.read_text():
            scheduler.write_text("bfq")
        major, minor = Path(f"/sys/block/{name}/dev").read_text().split(":")
        yield int(major), int(minor)
    finally:
        runtime("delete", "--force", runtime.container_id)
        if before:
            scheduler.write_text(before)
        subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=False)


def weight(value: int, name: str) -> int:
    """What a weight of the config's, from 10 to 1000, is in the file: io.weight goes from 1 to 10000."""
    return 1 + (value - 10) * 9999 // 990 if name == "io.weight" else value


@case(SECTION, "MUST", "weight is the cgroup's weight", f"{BLOCK_IO}.weight")
def block_io_weight(runtime: Runtime) -> None:
    name = weight_file()
    resources(runtime, blockIO={"weight": 500})
    found = setting(runtime, controller(), name).split()[-1]
    check(found == str(weight(500, name)), f"{name} is {found}")


@case(SECTION, "MUST", "a weight for a device is that device's", f"{BLOCK_IO}.weightDevice[].weight",
      f"{BLOCK_IO}.weightDevice[].major", f"{BLOCK_IO}.weightDevice[].minor")  # fmt: skip
def block_io_weight_device(runtime: Runtime) -> None:
    name = weight_file("device")
    with block_device(runtime) as (major, minor):
        scheduler = Path(f"/sys/dev/block/{major}:{minor}/queue/scheduler").read_text()
        need("bfq" not in name or "[bfq]" in scheduler, "this kernel has no BFQ scheduler")
        resources(runtime, blockIO={"weightDevice": [{"major": major, "minor": minor, "weight": 300}]})
        lines = setting(runtime, controller(), name).splitlines()
        check(f"{major}:{minor} {weight(300, name)}" in lines, f"{name} is {lines}")


def leaf_weights(runtime: Runtime, name: str) -> None:
    """A kernel without them (since 5.0) can't apply such a weight, which is an error (runtime.md#create)."""
    if not host.unified():
        need_controller("blkio")
        if offers("blkio", name):
            content = setting(runtime, "blkio", name)
            check("300" in content.split(), f"{name} is {content}")
            return
    runtime.refused()


@case(SECTION, "MUST", "leafWeight is the weight against child cgroups, or refused", f"{BLOCK_IO}.leafWeight")
def block_io_leaf_weight(runtime: Runtime) -> None:
    resources(runtime, blockIO={"leafWeight": 300})
    leaf_weights(runtime, "blkio.leaf_weight")


@case(SECTION, "MUST", "leafWeight of a device is its, or refused", f"{BLOCK_IO}.weightDevice[].leafWeight")
def block_io_leaf_weight_device(runtime: Runtime) -> None:
    with block_device(runtime) as (major, minor):
        resources(runtime, blockIO={"weightDevice": [{"major": major, "minor": minor, "leafWeight": 300}]})
        leaf_weights(runtime, "blkio.leaf_weight_device")


@case(SECTION, "MUST", "a weight for a device without any weight is an error", f"{BLOCK_IO}.weightDevice")
def block_io_weight_device_empty(runtime: Runtime) -> None:
    resources(runtime, blockIO={"weightDevice": [{"major": 7, "minor": 0}]})
    runtime.refused()


def throttle(property_: str, v1: str, v2: str) -> None:
    """The case: a rate of a device is its limit."""

    def run(runtime: Runtime) -> None:
        need_controller(controller())
        with block_device(runtime) as (major, minor):
            resources(runtime, blockIO={property_: [{"major": major, "minor": minor, "rate": 2_097_152}]})
            name = "io.max" if host.unified() else f"blkio.throttle.{v1}_device"
            content = setting(runtime, controller(), name)
            wanted = f"{v2}=2097152" if host.unified() else f"{major}:{minor} 2097152"
            lines = [line for line in content.splitlines() if line.startswith(f"{major}:{minor} ")]
            check(any(wanted in line for line in lines), f"{name} is {content!r}")

    run.__name__ = f"block_io_{v1}"
    names = [f"{BLOCK_IO}.{property_}[].{member}" for member in ("major", "minor", "rate")]
    case(SECTION, "MUST", f"{property_} limits the device's rate", *names)(run)


RATES = {
    "throttleReadBpsDevice": ("read_bps", "rbps"),
    "throttleWriteBpsDevice": ("write_bps", "wbps"),
    "throttleReadIOPSDevice": ("read_iops", "riops"),
    "throttleWriteIOPSDevice": ("write_iops", "wiops"),
}
for each, files in RATES.items():
    throttle(each, *files)


@case(SECTION, "MUST", "major and minor are required", f"{BLOCK_IO}.throttleReadBpsDevice[].major",
      f"{BLOCK_IO}.throttleReadBpsDevice[].minor")  # fmt: skip
def block_io_without_numbers(runtime: Runtime) -> None:
    for member in ("major", "minor"):
        entry = {"major": 7, "minor": 0, "rate": 1024}
        del entry[member]
        resources(runtime, blockIO={"throttleReadBpsDevice": [entry]})
        runtime.refused()


sentence(SECTION, "MUST", "weight is the default on all devices", "block_io_weight")
sentence(SECTION, "MUST", "leafWeight is weight's like for child cgroups", "block_io_leaf_weight")
devices = ("block_io_weight_device", "block_io_leaf_weight_device")
sentence(SECTION, "MUST", "weightDevice has weights of devices", *devices)
sentence(SECTION, "MUST", "an entry of weightDevice has a weight or a leafWeight", "block_io_weight_device_empty")
rates = [f"block_io_{v1}" for v1, _ in RATES.values()]
sentence(SECTION, "MUST", "the four throttle lists limit bytes and operations per second", *rates)
sentence(SECTION, "MUST", "major and minor are required", "block_io_without_numbers")
