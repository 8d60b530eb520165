"""The command: global options, the table of sub-commands, errors to exit codes.

Each sub-command is a module of ``ocipy.commands`` with ``SUMMARY``, ``USAGE``, ``OPTIONS`` and
``run(parsed, settings) -> exit status``; it is imported only when it is called, and imports in turn only what
it needs (tests/unit/test_imports.py holds the budget).
"""

import sys

from ocipy import log
from ocipy.errors import OcipyError, UsageError, describe_errno, printable
from ocipy.options import Option, Parsed, help_text, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

GLOBAL_OPTIONS = (
    Option("root", "root directory for storage of container state (default: /run/ocipy)", "text", "DIR"),
    Option("log", "write the log to FILE instead of stderr, or to journald:[ID], syslog:[ID]", "text", "FILE"),
    Option("log-format", "format of the log: text or json", "text", "FORMAT"),
    Option("debug", "log debug lines"),
    Option("systemd-cgroup", "let systemd make the container's cgroup"),
    Option("rootless", "whether to run without root privileges: true, false or auto", "text", "MODE"),
    Option("version", "print the version", short="v"),
)

# In the order of --help: what a container lives through first.
COMMANDS = (
    "run", "create", "start", "exec", "state", "kill", "pause", "resume", "update", "ps", "delete", "list", "events",
    "top", "spec", "bundle", "validate", "plan", "features", "install", "uninstall",
)  # fmt: skip


class Settings:
    """The global options, parsed: ``root`` ("" means the default), ``systemd_cgroup``, ``rootless`` (None: auto)."""

    __slots__ = ("root", "rootless", "systemd_cgroup")

    def __init__(self, root: str = "", systemd_cgroup: bool = False, rootless: "bool | None" = None) -> None:
        self.root = root
        self.systemd_cgroup = systemd_cgroup
        self.rootless = rootless


_ROOTLESS = {"true": True, "false": False, "auto": None}


def main(argv: "Sequence[str]") -> int:
    """Run one command line; the value is the exit status.  Prints errors as the last line of stderr."""
    try:
        status = _dispatch(argv)
        sys.stdout.flush()
        return status
    except OcipyError as problem:
        return _report(str(problem), problem.exit_status)
    except BrokenPipeError:
        return 141  # 128 + SIGPIPE: who reads our output has gone
    except OSError as problem:
        subject = f"{problem.filename}: " if problem.filename else ""
        return _report(subject + describe_errno(problem.errno or 0), 1)
    except KeyboardInterrupt:
        return 130


def _dispatch(argv: "Sequence[str]") -> int:
    globals_ = parse(GLOBAL_OPTIONS, argv, interspersed=False)
    if globals_.flag("version"):
        _print_version()
        return 0
    if not globals_.arguments or globals_.flag("help") or globals_.arguments[0] == "help":
        _print_help()
        return 0
    name = globals_.arguments[0]
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r} (ocipy --help lists them)")
    settings = _settings(globals_)
    command = __import__(f"ocipy.commands.{name}", fromlist=["run"])
    parsed = parse(command.OPTIONS, globals_.arguments[1:], interspersed=getattr(command, "INTERSPERSED", True))
    if parsed.flag("help"):
        print(help_text(command.USAGE, command.SUMMARY, command.OPTIONS))
        return 0
    if log.LOG.sink and parsed.arguments and "ID" in command.USAGE.split():
        log.LOG.sink.container = parsed.arguments[0]
    status: int = command.run(parsed, settings)
    return status


def _settings(globals_: Parsed) -> Settings:
    form = globals_.text("log-format") or "text"
    if form not in ("text", "json"):
        raise UsageError(f"--log-format is text or json, not {form!r}")
    path = globals_.text("log")
    try:
        log.LOG.open("" if path == "/dev/stderr" else path, form, globals_.flag("debug"))
    except OSError as problem:
        raise UsageError(f"--log {path}: {problem.strerror}") from problem
    rootless = globals_.text("rootless") or "auto"
    if rootless not in _ROOTLESS:
        raise UsageError(f"--rootless is true, false or auto, not {rootless!r}")
    return Settings(globals_.text("root"), globals_.flag("systemd-cgroup"), _ROOTLESS[rootless])


def _report(message: str, status: int) -> int:
    """The one line of an error: in the log file if there is one, and always last on stderr; ``status`` is the value."""
    if log.LOG.is_apart:
        log.error(message)
    try:
        sys.stdout.flush()
    except OSError as problem:
        log.debug(f"standard output: {problem.strerror}")
    print(f"ocipy: {printable(message)}", file=sys.stderr)
    return status


def _print_version() -> None:
    from ocipy import SPEC_VERSION, __version__
    from ocipy._build import COMMIT

    print(f"ocipy version {__version__}\ncommit: {COMMIT}\nspec: {SPEC_VERSION}")


def _print_help() -> None:
    lines = [
        "usage: ocipy [global options] COMMAND [options] [arguments]",
        "",
        "An OCI container runtime.",
        "",
        "commands:",
    ]
    for name in COMMANDS:
        module = __import__(f"ocipy.commands.{name}", fromlist=["SUMMARY"])
        lines.append(f"  {name:<10} {module.SUMMARY}")
    lines += ["", "ocipy COMMAND --help tells a command's options.", ""]
    lines += help_text("", "", GLOBAL_OPTIONS).splitlines()[4:]
    print("\n".join(lines))
