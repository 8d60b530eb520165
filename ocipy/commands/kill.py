"""``ocipy kill``."""

from ocipy.container import Container
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "send a signal (default: SIGTERM) to a container's init"
USAGE = "ocipy kill [options] ID [SIGNAL]"
OPTIONS = (Option("all", "send it to every process in the container's cgroup", short="a"),)


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 2, USAGE)
    container_id, *signal = parsed.arguments
    Container.load(container_id, settings.root).kill(signal[0] if signal else "TERM", all=parsed.flag("all"))
    return 0
