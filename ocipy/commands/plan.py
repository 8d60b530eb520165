"""``ocipy plan``: print what create and start would do, step by step; nothing is changed, no root is needed."""

from ocipy.errors import UsageError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "print the steps that create and start would do, in order"
USAGE = "ocipy plan [options] [ID]"
OPTIONS = (
    Option("bundle", "the bundle's directory (default: the current one)", "text", "DIR", short="b"),
    Option("format", "text or json (default: text)", "text", "FORMAT", short="f"),
    Option("no-pivot", "as for create"),
    Option("no-new-keyring", "as for create"),
    Option("preserve-fds", "as for create", "int", "N"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.creation import prepare
    from ocipy.files import absolute
    from ocipy.plan import describe
    from ocipy.plan.options import CreateOptions
    from ocipy.spec.jsontext import dumps_pretty
    from ocipy.state import check_id

    expect(parsed.arguments, 0, 1, USAGE)
    form = parsed.text("format") or "text"
    if form not in ("text", "json"):
        raise UsageError(f"--format is text or json, not {form!r}")
    container_id = parsed.arguments[0] if parsed.arguments else "ID"
    check_id(container_id)
    options = CreateOptions(
        container_id,
        absolute(parsed.text("bundle") or "."),
        no_pivot=parsed.flag("no-pivot"),
        no_new_keyring=parsed.flag("no-new-keyring"),
        preserve_fds=parsed.integer("preserve-fds") or 0,
        systemd_cgroup=settings.systemd_cgroup,
        rootless=settings.rootless,
    )
    _, _, plan = prepare(options, for_show=True)
    print("\n".join(describe.lines(plan)) if form == "text" else dumps_pretty(describe.documents(plan)))
    return 0
