"""``ocipy delete``."""

from ocipy.container import Container
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "remove a container and all that was made for it"
USAGE = "ocipy delete [options] ID"
OPTIONS = (Option("force", "kill it first if it runs; an unknown id is no error", short="f"),)


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    Container(parsed.arguments[0], settings.root).delete(force=parsed.flag("force"))
    return 0
