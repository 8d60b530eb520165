"""``ocipy exec``."""

from ocipy.container import Container
from ocipy.errors import OcipyError, UsageError, describe_errno
from ocipy.exec_options import ExecOptions
from ocipy.handover import listen_fds
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "run one more process in a running container"
USAGE = "ocipy exec [options] ID PROGRAM [ARGUMENT...]"
OPTIONS = (
    Option("process", "take the process from FILE, a process object as in config.json", "text", "FILE", short="p"),
    Option("cwd", "working directory in the container", "text", "DIR"),
    Option("env", "set an environment variable (repeatable)", "list", "NAME=VALUE", short="e"),
    Option("tty", "give it a terminal", short="t"),
    Option("user", "run as UID, or UID:GID", "text", "UID[:GID]", short="u"),
    Option("additional-gids", "be in one more group (repeatable)", "list", "GID", short="g"),
    Option("detach", "don't wait for the process", short="d"),
    Option("pid-file", "file to write the process's pid to", "text", "FILE"),
    Option("process-label", "SELinux label", "text", "LABEL"),
    Option("apparmor", "AppArmor profile", "text", "PROFILE"),
    Option("no-new-privs", "set no_new_privs; =false: don't, whatever the container has", "switch"),
    Option("cap", "grant one more capability (repeatable)", "list", "CAP_NAME", short="c"),
    Option("preserve-fds", "pass N descriptors after stdio on to the process", "int", "N"),
    Option("cgroup", "run in a cgroup below the container's: PATH, or CONTROLLER:PATH", "list", "PATH"),
    Option("ignore-paused", "in a paused container, start when it is resumed"),
    Option("console-socket", "unix socket that takes the terminal's master", "text", "PATH"),
    Option("pidfd-socket", "unix socket that takes a pidfd of the process", "text", "PATH"),
)
INTERSPERSED = False  # what comes after the id is the program's
FAULT = 255  # as runc has it: 1 could be the program's own
_MOST = 1 << 20


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, _MOST, USAGE)
    try:
        return _run(parsed, settings)
    except OcipyError as problem:
        problem.exit_status = getattr(problem, "shell_status", FAULT)
        raise
    except OSError as problem:
        subject = f"{problem.filename}: " if problem.filename else ""
        fault = OcipyError(subject + describe_errno(problem.errno or 0))
        fault.exit_status = FAULT
        raise fault from problem


def _run(parsed: Parsed, settings: "Settings") -> int:
    container = Container.load(parsed.arguments[0], settings.root)
    options = exec_options(parsed)
    if parsed.flag("detach"):
        from ocipy.execution import execute

        execute(container.directory(), options)
        return 0
    from ocipy.foreground import exec_in_foreground

    return exec_in_foreground(container, options)


def exec_options(parsed: Parsed) -> ExecOptions:
    """The command line's, as the library takes them.  Raises UsageError."""
    return ExecOptions(
        parsed.arguments[1:],
        process=parsed.text("process"),
        env=parsed.texts("env"),
        cwd=parsed.text("cwd"),
        user=parsed.text("user"),
        additional_gids=[_gid(text) for text in parsed.texts("additional-gids")],
        tty=parsed.flag("tty"),
        capabilities=parsed.texts("cap"),
        no_new_privileges=parsed.switch("no-new-privs"),
        apparmor=parsed.text("apparmor"),
        label=parsed.text("process-label"),
        cgroup=parsed.texts("cgroup"),
        ignore_paused=parsed.flag("ignore-paused"),
        listen_fds=listen_fds(),
        preserve_fds=parsed.integer("preserve-fds") or 0,
        console_socket=parsed.text("console-socket"),
        pid_file=parsed.text("pid-file"),
        pidfd_socket=parsed.text("pidfd-socket"),
    )


def _gid(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise UsageError(f"--additional-gids {text!r}: expected a number")
    return int(text)
