"""``ocipy ps``: what ps(1) says of a container's processes."""

from ocipy.container import Container
from ocipy.errors import OcipyError, UsageError, one_line
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocipy.cli import Settings

SUMMARY = "list the processes of a container"
USAGE = "ocipy ps [options] ID [PS OPTION...]"
OPTIONS = (Option("format", "table (what ps prints) or json (pids; default: table)", "text", "FORMAT", short="f"),)
INTERSPERSED = False  # what comes after the id is for ps
_MOST = 1000


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 1, _MOST, USAGE)
    form = parsed.text("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(f"--format is table or json, not {form!r}")
    container_id, *options = parsed.arguments
    pids = Container.load(container_id, settings.root).processes()
    if form == "json":
        from ocipy.spec.jsontext import dumps

        print(dumps(list(pids)) if pids else "null")
    else:
        print("\n".join(only(_ps(options or ["-ef"]), pids)))
    return 0


def _ps(options: "Sequence[str]") -> str:
    import subprocess

    try:
        # The caller's ps, as runc has it.
        done = subprocess.run(["ps", *options], capture_output=True, text=True, errors="surrogateescape", check=False)  # noqa: S607
    except OSError as problem:
        raise OcipyError(f"ps can't be run: {problem.strerror} (--format json needs no ps)") from None
    if done.returncode:
        raise OcipyError(f"ps exited with {done.returncode}: {one_line(done.stderr or done.stdout)}")
    return done.stdout


def only(table: str, pids: "Sequence[int]") -> "list[str]":
    """The title of a table of ps(1), and those lines whose column PID has one of the pids.  Raises UsageError."""
    title, *lines = table.splitlines() or [""]
    try:
        column = title.split().index("PID")
    except ValueError:
        raise UsageError("these options of ps show no column PID, by which the container's lines are known") from None
    wanted = {str(pid) for pid in pids}
    return [title, *(line for line in lines if not wanted.isdisjoint(line.split()[column : column + 1]))]
