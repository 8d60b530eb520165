"""``ocipy features``."""

from ocipy.options import Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "print what this runtime can do, as the spec's features document"
USAGE = "ocipy features"
OPTIONS = ()


def run(parsed: Parsed, _settings: "Settings") -> int:
    import json

    from ocipy.features_document import features

    expect(parsed.arguments, 0, 0, USAGE)
    print(json.dumps(features(), indent=4))
    return 0
