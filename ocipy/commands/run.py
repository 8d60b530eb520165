"""``ocipy run``: create, start, and in the foreground: wait, delete."""

from ocipy.commands.create import OPTIONS as CREATE_OPTIONS
from ocipy.commands.create import create_options
from ocipy.container import Container
from ocipy.handover import notify_socket
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "create and start a container, and wait for it"
USAGE = "ocipy run [options] ID"
OPTIONS = (
    *CREATE_OPTIONS,
    Option("detach", "don't wait for the container", short="d"),
    Option("keep", "don't delete the container when it has ended"),
    Option("no-subreaper", "leave the container's orphans to the next reaper"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    options = create_options(parsed, settings)
    if not parsed.flag("detach"):
        from ocipy.foreground import run_in_foreground

        subreaper = not parsed.flag("no-subreaper")
        return run_in_foreground(parsed.arguments[0], options, keep=parsed.flag("keep"), subreaper=subreaper)
    container = Container.create(parsed.arguments[0], **options)
    try:
        container.start(notify_socket=notify_socket())
    except BaseException:
        container.delete(force=True)
        raise
    return 0
