"""``ocipy start``."""

from ocipy.container import Container
from ocipy.handover import notify_socket
from ocipy.options import Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "run the program of a created container"
USAGE = "ocipy start ID"
OPTIONS = ()


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    Container.load(parsed.arguments[0], settings.root).start(notify_socket=notify_socket())
    return 0
