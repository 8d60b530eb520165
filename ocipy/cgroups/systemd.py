"""The systemd driver's pure half: ``cgroupsPath`` → unit, slice and cgroup; ``linux.resources`` → unit properties.

Loaded only with ``--systemd-cgroup``.  Names and types of the properties: org.freedesktop.systemd1(5),
systemd.resource-control(5); which ones, and their values, are those that runc sets (its libcontainer/cgroups/systemd).
systemd writes them to the cgroup anew when it is reloaded, so what is written to the files directly as well, and more
exactly, has to be known to it.
"""

from ocipy.cgroups import v2
from ocipy.cgroups.settings import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo

    # name, D-Bus signature, value
    Property = tuple[str, str, Any]

INFINITY = 2**64 - 1
_POINTER = "/linux/cgroupsPath"
_SLICE = ".slice"
# Properties that older versions refuse (systemd's NEWS).
_PERIOD_SINCE, _CPUSETS_SINCE, _IDLE_SINCE, _SCOPE_OOM_SINCE = 242, 244, 252, 253


class Manager:
    """The systemd to ask: the ``user``'s or the system's; its ``version``, and its own ``cgroup`` ("/": the root)."""

    __slots__ = ("cgroup", "user", "version")

    def __init__(self, user: bool, version: int, cgroup: str) -> None:
        self.user = user
        self.version = version
        self.cgroup = cgroup


def unit_and_slice(cgroups_path: str, container_id: str, user: bool) -> "tuple[str, str]":
    """The scope's name and its slice's, of ``slice:prefix:name``; "" for the slice, or for all of it, is the default.

    Raises StepError for any other form.
    """
    default = "user.slice" if user else "system.slice"
    if not cgroups_path:
        return f"ocipy-{container_id}.scope", default
    parts = cgroups_path.split(":")
    if len(parts) != 3:
        hint = "such as system.slice:ocipy:NAME; or drop --systemd-cgroup"
        raise refusal(_POINTER, f"expected slice:prefix:name with --systemd-cgroup, got {cgroups_path!r}", hint)
    slice_, prefix, name = parts
    if not name or name.endswith(_SLICE) or "/" in prefix + name:
        raise refusal(
            _POINTER, f"{name!r} can't name a scope", "a container's processes are in a scope, not in a slice"
        )
    expand_slice(slice_ or default)
    return f"{prefix}-{name}.scope", slice_ or default


def expand_slice(name: str) -> str:
    """The path of a slice's cgroup: ``a-b.slice`` lies in ``a.slice`` (systemd.slice(5)); ``-.slice`` is the root."""
    stem = name.removesuffix(_SLICE)
    if stem == "-":
        return ""
    words = stem.split("-")
    if stem == name or "/" in name or "" in words:
        raise refusal(
            _POINTER, f"{name!r} is no name of a slice", "such as system.slice, or a-b.slice, which is in a.slice"
        )
    return "".join(f"/{'-'.join(words[: count + 1])}{_SLICE}" for count in range(len(words)))


def container_paths(host: "HostInfo", manager: Manager, unit: str, slice_: str) -> "dict[str, str]":
    """The scope's directory in every hierarchy, as ``cgroups.paths.container_paths``."""
    if manager.user and host.hierarchies:
        raise refusal(_POINTER, "cgroup v1 can't be delegated to a user's systemd", "drop --systemd-cgroup")
    path = f"{manager.cgroup.rstrip('/')}{expand_slice(slice_)}/{unit}"
    wanted = (*host.hierarchies, *((host.unified,) if host.unified else ()))
    return {each.name: each.mount + path for each in wanted}


def unit_properties(container_id: str, slice_: str, unified: bool) -> "list[Property]":
    """What the scope is; ``unified``: under cgroup v2.  The pid is added when there is one."""
    accounting = ("MemoryAccounting", "CPUAccounting", "IOAccounting" if unified else "BlockIOAccounting")
    return [
        ("Description", "s", f"ocipy container {container_id}"),
        ("Slice", "s", slice_),
        ("Delegate", "b", True),
        *((name, "b", True) for name in (*accounting, "TasksAccounting")),
        ("DefaultDependencies", "b", False),
    ]


def resource_properties(resources: "dict[str, Any]", version: int, unified: bool) -> "list[Property]":
    """``linux.resources`` but for devices, as far as systemd has properties for it."""
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    found: list[Property] = []
    if unified:
        found += [*_memory(memory), *_weight(cpu, version), *_io(resources.get("blockIO", {}))]
    else:
        for name, value in (
            ("MemoryLimit", memory.get("limit")),
            ("CPUShares", cpu.get("shares")),
            ("BlockIOWeight", resources.get("blockIO", {}).get("weight")),
        ):
            if value:
                found.append((name, "t", _unsigned(value)))
    found += quota_properties(cpu.get("quota") or 0, cpu.get("period") or 0, version)
    limit = resources.get("pids", {}).get("limit")
    if limit is not None:
        found.append(("TasksMax", "t", _unsigned(limit or 1)))
    if version >= _CPUSETS_SINCE:
        for member, name in (("cpus", "AllowedCPUs"), ("mems", "AllowedMemoryNodes")):
            if cpu.get(member):
                found.append((name, "ay", bits(cpu[member])))
    if resources.get("unified"):
        from ocipy.cgroups.systemd_unified import unified_properties

        found += unified_properties(resources["unified"], version)
    return found


def _memory(memory: "dict[str, Any]") -> "Iterator[Property]":
    for member, name in (("limit", "MemoryMax"), ("reservation", "MemoryLow")):
        if memory.get(member):
            yield name, "t", _unsigned(memory[member])
    swap = v2.swap_max(memory.get("limit", 0), memory.get("swap", 0))
    if swap:
        yield "MemorySwapMax", "t", INFINITY if swap == "max" else int(swap)


def _weight(cpu: "dict[str, Any]", version: int) -> "Iterator[Property]":
    if cpu.get("idle") == 1 and version >= _IDLE_SINCE:
        yield "CPUWeight", "t", 0  # which is idle
    elif cpu.get("shares"):
        yield "CPUWeight", "t", v2.weight(cpu["shares"])


def _io(block_io: "dict[str, Any]") -> "Iterator[Property]":
    if block_io.get("weight"):
        yield "IOWeight", "t", io_weight(block_io["weight"])
    devices = [
        (f"/dev/block/{device['major']}:{device['minor']}", io_weight(device["weight"]))
        for device in block_io.get("weightDevice", ())
        if device.get("weight")
    ]
    if devices:
        yield "IODeviceWeight", "a(st)", devices


def io_weight(weight: int) -> int:
    """BFQ's weight, 1 … 1000, as IOWeight, 1 … 10000, of which systemd makes the same weight for BFQ again.

    100 is the default of both.  The conversion is crun's; runc sets none.
    """
    if weight <= 100:
        return max(weight, 1)
    return 100 + (min(weight, 1000) - 100) * 9900 // 900


def quota_properties(quota: int, period: int, version: int) -> "list[Property]":
    """``cpu.quota`` and ``cpu.period``, 0 for none given, in microseconds a second.

    systemd rounds a quota down to whole percents, so it is rounded up to one: the files have it exactly.
    """
    found: list[Property] = []
    if period and version >= _PERIOD_SINCE:
        found.append(("CPUQuotaPeriodUSec", "t", period))
    if quota > 0:
        a_second = quota * 1000000 // (period or 100000)
        found.append(("CPUQuotaPerSecUSec", "t", -(-a_second // 10000) * 10000))
    elif quota or period:
        found.append(("CPUQuotaPerSecUSec", "t", INFINITY))
    return found


def unset(given: "list[Property]", before: "list[Property]") -> "list[Property]":
    """What takes back properties that were not given before: systemd's defaults, as it takes them."""
    names = {name for name, _, _ in before}
    defaults: dict[str, Any] = {"t": INFINITY, "ay": b"", "a(st)": []}
    return [
        (name, signature, 0 if name in _LEAST else defaults[signature])
        for name, signature, _ in given
        if name not in names and signature in defaults
    ]


_LEAST = ("MemoryLow", "MemoryMin")


def bits(numbers: str) -> bytes:
    """A list such as ``0-3,7`` as systemd takes it: bit N % 8 of byte N // 8."""
    from ocipy.spec.lists import numbers as listed

    mask = sum({1 << number for number in listed(numbers)})
    return mask.to_bytes(-(-mask.bit_length() // 8), "little")


def _unsigned(value: int) -> int:
    return INFINITY if value < 0 else value
