"""``ocipy create``."""

from ocipy import handover
from ocipy.container import Container
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cli import Settings

SUMMARY = "create a container; its program waits for start"
USAGE = "ocipy create [options] ID"
OPTIONS = (
    Option("bundle", "the bundle's directory (default: the current one)", "text", "DIR", short="b"),
    Option("console-socket", "unix socket that takes the terminal's master", "text", "PATH"),
    Option("pidfd-socket", "unix socket that takes a pidfd of the container's init", "text", "PATH"),
    Option("pid-file", "file to write the container's pid to", "text", "FILE"),
    Option("no-pivot", "move the root in place of pivot_root, for a root on a ramdisk"),
    Option("no-new-keyring", "keep the caller's session keyring"),
    Option("preserve-fds", "pass N descriptors after stdio on to the container", "int", "N"),
)


def create_options(parsed: Parsed, settings: "Settings") -> "dict[str, Any]":
    """The keyword arguments of ``Container.create`` that create and run have in common."""
    return {
        "bundle": parsed.text("bundle") or ".",
        "root": settings.root,
        "console_socket": parsed.text("console-socket"),
        "pidfd_socket": parsed.text("pidfd-socket"),
        "pid_file": parsed.text("pid-file"),
        "notify": handover.notify_socket() != "",
        "no_pivot": parsed.flag("no-pivot"),
        "no_new_keyring": parsed.flag("no-new-keyring"),
        "listen_fds": handover.listen_fds(),
        "preserve_fds": parsed.integer("preserve-fds") or 0,
        "systemd_cgroup": settings.systemd_cgroup,
        "rootless": settings.rootless,
    }


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, 1, USAGE)
    Container.create(parsed.arguments[0], **create_options(parsed, settings))
    return 0
