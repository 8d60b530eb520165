"""``ocipy uninstall``: take back what ``ocipy install`` did."""

import sys

from ocipy.commands.install import SCOPE_OPTIONS, places_of, report, show_diff
from ocipy.errors import OcipyError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "take back what install did: all of it, or what is named"
USAGE = "ocipy uninstall [options]"
_NAMES = ("podman", "docker", "containerd", "crio", "apparmor", "runtimeclass")
OPTIONS = (
    *(Option(name, f"what install did by --{name}") for name in _NAMES),
    Option("name", "the runtime of this name (default: all)", "text", "NAME"),
    *SCOPE_OPTIONS,
)


def run(parsed: Parsed, _settings: "Settings") -> int:
    from ocipy.install.changes import carry_out
    from ocipy.install.planning import plan_uninstall

    expect(parsed.arguments, 0, 0, USAGE)
    places = places_of(parsed)
    chosen = [name for name in _NAMES if parsed.flag(name)]
    outcome = plan_uninstall(places, chosen, parsed.text("name"))
    if parsed.flag("dry-run"):
        show_diff(outcome, sys.stdout)
    else:
        carry_out(outcome, places, installing=False)
        report(outcome, places, "put back", sys.stdout)
    if not (outcome.changes or outcome.unchanged or outcome.kept):
        print(f"nothing to take back (by {places.record})")
    if outcome.kept:
        raise OcipyError(f"kept: {'; '.join(outcome.kept)} (take it out by hand, then run uninstall again)")
    return 0
