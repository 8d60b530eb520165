"""``ocipy state``."""

from ocipy.container import Container
from ocipy.options import Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "print the state of a container as JSON"
USAGE = "ocipy state ID"
OPTIONS = ()


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.spec.jsontext import dumps_pretty

    expect(parsed.arguments, 1, 1, USAGE)
    print(dumps_pretty(Container.load(parsed.arguments[0], settings.root).state()))
    return 0
