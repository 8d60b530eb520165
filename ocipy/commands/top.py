"""``ocipy top``."""

import time

from ocipy.errors import UsageError
from ocipy.options import Option, Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings
    from ocipy.usage import Usage

SUMMARY = "show what containers use of what they may: processors, memory, block devices, processes"
USAGE = "ocipy top [options] [ID...]"
OPTIONS = (
    Option("interval", "how often to look (default: 1s)", "text", "DURATION"),
    Option("sort", "the order: cpu, memory, io, pids or id (default: cpu)", "text", "ORDER"),
    Option("once", "look twice, an interval apart, and print the difference"),
    Option("format", "with --once: table or json (default: table)", "text", "FORMAT", short="f"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.durations import parse_duration
    from ocipy.usage import Usage
    from ocipy.usage_table import ORDERS

    interval = parse_duration(parsed.text("interval") or "1s", "interval")
    order = parsed.text("sort") or "cpu"
    if order not in ORDERS:
        raise UsageError(f"--sort is {', '.join(ORDERS[:-1])} or {ORDERS[-1]}, not {order!r}")
    form = parsed.text("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(f"--format is table or json, not {form!r}")
    usage = Usage(settings.root, parsed.arguments)
    if parsed.flag("once"):
        return _once(usage, interval, order, form)
    if parsed.text("format"):
        raise UsageError("--format is for --once")
    try:
        from ocipy.screen import Screen
    except ModuleNotFoundError as problem:
        hint = "pip install 'ocipy[top]', or use --once"
        raise UsageError(f"there is no {problem.name} to draw the screen: {hint}") from None
    return Screen(usage, interval, order).show()


def _once(usage: "Usage", interval: float, order: str, form: str) -> int:
    from ocipy.usage_table import in_order, text

    if usage.measure():
        time.sleep(interval)
    rows = in_order(usage.measure(), order)
    if form == "json":
        from ocipy.spec.jsontext import dumps

        print(dumps(rows))
    else:
        print(text(rows))
    return 0
