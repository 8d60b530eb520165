"""``ocipy resume``."""

from ocipy.container import Container
from ocipy.options import Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "let the processes of a paused container go on"
USAGE = "ocipy resume ID"
OPTIONS = ()


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    Container.load(parsed.arguments[0], settings.root).resume()
    return 0
