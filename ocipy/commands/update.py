"""``ocipy update``: runc's options, as a ``linux.resources`` object."""

import sys

from ocipy import log
from ocipy.container import Container
from ocipy.errors import UsageError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cli import Settings

SUMMARY = "change a container's limits"
USAGE = "ocipy update [options] ID"
# option, place in linux.resources, kind, help
_LIMITS = (
    ("blkio-weight", "blockIO.weight", "int", "weight of block I/O, 10 to 1000"),
    ("cpu-period", "cpu.period", "int", "period of the CPU quota, in microseconds"),
    ("cpu-quota", "cpu.quota", "int", "CPU time in each period, in microseconds; -1: no limit"),
    ("cpu-burst", "cpu.burst", "int", "CPU time beyond the quota that may be saved up, in microseconds"),
    ("cpu-share", "cpu.shares", "int", "weight of CPU time; 1024 is the default"),
    ("cpu-rt-period", "cpu.realtimePeriod", "int", "period of the real-time limit, in microseconds"),
    ("cpu-rt-runtime", "cpu.realtimeRuntime", "int", "real-time in each period, in microseconds"),
    ("cpu-idle", "cpu.idle", "int", "1: run when no other cgroup wants to; 0: as usual"),
    ("cpuset-cpus", "cpu.cpus", "text", "CPUs to run on, such as 0-2,7"),
    ("cpuset-mems", "cpu.mems", "text", "memory nodes to use"),
    ("memory", "memory.limit", "size", "memory limit; -1: none"),
    ("memory-reservation", "memory.reservation", "size", "memory that is left when memory is short"),
    ("memory-swap", "memory.swap", "size", "limit of memory and swap together; -1: none"),
    ("pids-limit", "pids.limit", "int", "most processes; -1: no limit"),
)
_IGNORED = ("kernel-memory", "kernel-memory-tcp")
OPTIONS = (
    Option("resources", "read a linux.resources object from FILE (-: stdin)", "text", "FILE", short="r"),
    *(Option(name, text, "int" if kind == "int" else "text", kind.upper()) for name, _, kind, text in _LIMITS),
    *(Option(name, "ignored, as runc does", "text", "SIZE") for name in _IGNORED),
    Option("l3-cache-schema", "lines for L3 in the schemata of resctrl", "text", "LINES"),
    Option("mem-bw-schema", "lines for MB in the schemata of resctrl", "text", "LINES"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    container = Container.load(parsed.arguments[0], settings.root)
    file = parsed.text("resources")
    resources = _read(file) if file else _limits(parsed)
    if file and any(parsed.options[name] not in ("", None) for name, _, _, _ in _LIMITS):
        log.warning("the limits of other options are ignored beside --resources")
    for name in _IGNORED:
        if parsed.text(name):
            log.warning(f"--{name} is ignored: kernels that have such a limit are gone")
    schemata = {"l3_cache_schema": parsed.text("l3-cache-schema"), "mem_bw_schema": parsed.text("mem-bw-schema")}
    container.update(resources, **schemata)
    return 0


def _read(file: str) -> "dict[str, Any]":
    from ocipy.spec.load import parse_resources, read_file

    if file != "-":
        return parse_resources(read_file(file), file)
    return parse_resources(sys.stdin.buffer.read(), "standard input")


def _limits(parsed: Parsed) -> "dict[str, Any]":
    found: dict[str, Any] = {}
    for name, place, kind, _ in _LIMITS:
        value: object = parsed.integer(name) if kind == "int" else parsed.text(name)
        if value in ("", None):
            continue
        if kind == "size":
            value = size(parsed.text(name), name)
        section, _, member = place.partition(".")
        found.setdefault(section, {})[member] = value
    return found


_UNITS = "kmgtp"
_MOST_DIGITS = 40  # Python reads numbers of some thousands alone


def size(text: str, option: str) -> int:
    """Bytes, of ``512``, ``1.5g``, ``64 MiB``, ``10kb``: units are powers of 1024 in any spelling (go-units).

    -1 is itself.  Raises UsageError.
    """
    if text == "-1":
        return -1
    number = text.rstrip("kKmMgGtTpPiIbB")
    unit = text[len(number) :].lower()
    exponent = _UNITS.find(unit[:1]) + 1 if unit not in ("", "b") else 0
    digits = number.removesuffix(" ")
    whole, _, fraction = digits.partition(".")
    known = unit in ("", "b") or (exponent and unit[1:] in ("", "b", "ib"))
    if not (known and (whole + fraction).isascii() and (whole + fraction).isdigit() and len(digits) < _MOST_DIGITS):
        raise UsageError(f"invalid value for {option}: {text!r} (expected bytes, or such as 512k, 64m, 1.5g; -1: none)")
    scale = 1 << 10 * exponent
    return int(whole or 0) * scale + int(fraction or 0) * scale // int(f"1{'0' * len(fraction)}")
