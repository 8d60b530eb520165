"""``ocipy bundle``: make a runnable bundle from the host's programs, busybox, a directory or an archive."""

from ocipy.errors import UsageError
from ocipy.options import Option, Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "make a runnable bundle: config.json and a root filesystem"
USAGE = "ocipy bundle DIR [options] [-- CMD...]"
OPTIONS = (
    Option("from-host", "root filesystem: these programs of the host, with their libraries", "list", "BIN[,BIN...]"),
    Option("busybox", "root filesystem: the host's static busybox"),
    Option("rootfs", "root filesystem: a directory (used in place) or a tar archive", "text", "DIR|TAR"),
    Option("hello", "run a script that shows the container's surroundings"),
    Option("hostname", "host name in the container", "text", "NAME"),
    Option("user", "user to run as: UID[:GID[:GID...]] or NAME[:GROUP...]", "text", "USER"),
    Option("env", "environment variable (repeatable)", "list", "NAME=VALUE"),
    Option("cwd", "working directory in the container", "text", "DIR"),
    Option("memory", "memory limit: bytes, or with k, m or g", "text", "SIZE"),
    Option("cpus", "CPU time limit, in CPUs", "text", "NUMBER"),
    Option("pids", "limit of processes and threads", "int", "NUMBER"),
    Option("mount", "SRC:DST[:OPTION,...] or type=bind,source=SRC,target=DST[,readonly] (repeatable)", "list", "MOUNT"),
    Option("read-only", "make the root filesystem read-only"),
    Option("terminal", "give the process a terminal", short="t"),
    Option("rootless", "write a config that runs without root privileges"),
    Option("force", "replace a bundle made by this command"),
)


def run(parsed: Parsed, _settings: "Settings") -> int:
    import os

    from ocipy.bundle.builder import make_bundle
    from ocipy.bundle.values import parse_cpus, parse_memory, parse_mount

    if not parsed.arguments or not parsed.arguments[0]:
        raise UsageError(f"needs the directory to make (usage: {USAGE})")
    _unwind_on_signals()
    directory, *args = parsed.arguments
    memory, cpus = parsed.text("memory"), parsed.text("cpus")
    names = [name for listed in parsed.texts("from-host") for name in listed.split(",")]
    if "" in names:
        raise UsageError(f"--from-host needs names of programs, not {','.join(names)!r}")
    bundle = make_bundle(
        directory,
        force=parsed.flag("force"),
        from_host=names,
        busybox=parsed.flag("busybox"),
        rootfs=parsed.text("rootfs"),
        args=args,
        hostname=parsed.text("hostname"),
        user=parsed.text("user"),
        env=parsed.texts("env"),
        memory=parse_memory(memory) if memory else None,
        cpus=parse_cpus(cpus) if cpus else None,
        pids=parsed.integer("pids"),
        mounts=[parse_mount(text) for text in parsed.texts("mount")],
        read_only=parsed.flag("read-only"),
        terminal=parsed.flag("terminal"),
        rootless=parsed.flag("rootless"),
        cwd=parsed.text("cwd") or "/",
        hello=parsed.flag("hello"),
    )
    shown = directory if os.path.isabs(directory) or directory.startswith(".") else f"./{directory}"
    print(f"bundle: {shown} ({bundle.contents}); run it: ocipy run --bundle {shown} ID")
    return 0


def _unwind_on_signals() -> None:
    """Let a signal that ends the command raise, so that the half-made bundle is removed."""
    import signal
    import sys

    def leave(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
