"""``ocipy pause``."""

from ocipy.container import Container
from ocipy.options import Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "freeze all processes of a container"
USAGE = "ocipy pause ID"
OPTIONS = ()


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    Container.load(parsed.arguments[0], settings.root).pause()
    return 0
