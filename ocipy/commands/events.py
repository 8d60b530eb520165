"""``ocipy events``."""

import sys

from ocipy.container import Container
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "print what happens in a container: statistics, and when it runs out of memory"
USAGE = "ocipy events [options] ID"
OPTIONS = (
    Option("interval", "how often to print statistics (default: 5s)", "text", "DURATION"),
    Option("stats", "print the statistics once"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.durations import parse_duration
    from ocipy.interruption import Signals
    from ocipy.spec.jsontext import dumps

    expect(parsed.arguments, 1, 1, USAGE)
    interval = parse_duration(parsed.text("interval") or "5s", "interval")
    container = Container.load(parsed.arguments[0], settings.root)
    if parsed.flag("stats"):
        print(dumps({"type": "stats", "id": container.id, "data": container.stats()}))
        return 0
    with Signals() as signals:
        for event in container.events(interval, stop=signals.fd):
            print(dumps(event))
            sys.stdout.flush()
        came = signals.take()
    return 128 + came[0] if came else 0
