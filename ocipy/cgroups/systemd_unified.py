"""``linux.resources.unified`` as properties of a systemd unit.  Pure.

What systemd has no property for is written to its file alone.
"""

from ocipy.cgroups.settings import refusal
from ocipy.cgroups.systemd import INFINITY, bits, quota_properties
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocipy.cgroups.systemd import Property

_NUMBERS = {
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.max": "MemoryMax",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
_OOM_POLICIES = {"0": "continue", "1": "kill"}


def unified_properties(unified: "dict[str, str]", version: int) -> "list[Property]":
    """Raises StepError for a value that isn't what its file takes."""
    idle = unified.get("cpu.idle", "").strip() == "1" and version >= 252
    found: list[Property] = [("CPUWeight", "t", 0)] if idle else []
    for name, value in unified.items():
        if name == "cpu.weight" and idle:
            continue
        try:
            found += _property(name, value.strip(), version)
        except ValueError:
            raise refusal(
                f"/linux/resources/unified/{escape(name)}", f"{name} takes no {value!r}", "see cgroup-v2.rst"
            ) from None
    return found


def _property(name: str, value: str, version: int) -> "Iterator[Property]":
    if name in _NUMBERS:
        yield _NUMBERS[name], "t", _number(value)
    elif name in _SETS and value and version >= 244:
        yield _SETS[name], "ay", bits(value)
    elif name == "cpu.weight":
        yield "CPUWeight", "t", int(value)
    elif name == "cpu.max":
        quota, _, period = value.partition(" ")
        yield from quota_properties(-1 if quota == "max" else int(quota), int(period or 100000), version)
    elif name == "memory.oom.group" and value in _OOM_POLICIES and version >= 253:
        yield "OOMPolicy", "s", _OOM_POLICIES[value]


def _number(value: str) -> int:
    return INFINITY if value == "max" else int(value)
