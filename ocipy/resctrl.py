"""Groups of the resctrl filesystem (Documentation/filesystems/resctrl.rst): made, written to, joined, removed."""

import posix

from ocipy import files
from ocipy.errors import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.plan.ops import Plan, SetupOp


def set_up(op: "SetupOp", made: "list[str]") -> None:
    """Make the group of a ``resctrl-group`` step, or take the one that is there; write its schemata.

    A group with a name of the config's own stays when the container is deleted; if this makes it, its path goes to
    ``made``, for a create that fails later.  Raises SyscallError; a group that was made is gone then.
    """
    path, values = op.values["path"], op.values
    new = values["create"] and _make(path)
    if not new and not files.exists(path):
        hint = "without schemata, closID names a group that is there already"
        raise SyscallError("look for the resctrl group", 2, path, hint)
    try:
        if not new:
            _compare(path, values["equal"])
        for text in values["schemata"]:
            write_schemata(path, text)
    except SyscallError:
        if new:
            remove([path])
        raise
    if new and values["named"]:
        made.append(path)


def monitor(op: "SetupOp") -> None:
    """Make the group of a ``resctrl-monitor`` step.  Raises SyscallError, also if there is one of that name."""
    if not _make(op.values["path"]):
        raise SyscallError("make the resctrl monitoring group", 17, op.values["path"])


def join(op: "SetupOp", pid: int) -> None:
    """Put the process into the groups of a ``resctrl-join`` step.  Raises SyscallError."""
    for path in op.values["paths"]:
        _write(path, "tasks", str(pid))


def to_remove(plan: "Plan") -> "list[str]":
    """What is to be removed with the container, inner ones first: groups named after it that aren't there yet."""
    found = [
        op.values["path"]
        for op in plan.ops
        if op.name == "resctrl-monitor" or (op.name == "resctrl-group" and not op.values["named"])
    ]
    return [path for path in reversed(found) if not files.exists(path)]


def remove(paths: "Iterable[str]") -> None:
    """Remove groups, as far as they are there; tasks left in one go to the default group.  Raises SyscallError."""
    for path in paths:
        try:
            posix.rmdir(path)
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise SyscallError("remove the resctrl group", problem.errno or 0, path) from None


def make(path: str) -> None:
    """Make a group that isn't there.  Raises SyscallError, also if it is."""
    if not _make(path):
        raise SyscallError("make the resctrl group", 17, path)


def move(path: str, pid: int) -> None:
    """Put all threads of a process into a group; one that has ended meanwhile needs none.  Raises SyscallError."""
    try:
        for thread in posix.listdir(f"/proc/{pid}/task"):
            _write(path, "tasks", thread)
    except FileNotFoundError:
        return
    except SyscallError as problem:
        if problem.errno != 3:
            raise


def write_schemata(path: str, text: str) -> None:
    """Write lines to a group's schemata.  Raises SyscallError."""
    _write(path, "schemata", f"{text}\n")


def _make(path: str) -> bool:
    """Whether it wasn't there.  ENOSPC: the processor has no class, or no monitoring id, left."""
    try:
        posix.mkdir(path, 0o755)
    except FileExistsError:
        return False
    except OSError as problem:
        hint = "all that the processor has are in use" if problem.errno == 28 else ""
        raise SyscallError("make the resctrl group", problem.errno or 0, path, hint) from None
    return True


def _write(path: str, name: str, text: str) -> None:
    try:
        files.write(f"{path}/{name}", text)
    except OSError as problem:
        hint = _last_status(path)
        raise SyscallError(f"write {text.strip()!r} to", problem.errno or 0, f"{path}/{name}", hint) from None


def _last_status(path: str) -> str:
    """Why the kernel refused the last write, in its own words ("ok": it says nothing)."""
    while path:
        try:
            said = files.read(f"{path}/info/last_cmd_status").decode(errors="replace").strip()
        except OSError:
            path = path.rpartition("/")[0]
        else:
            return "" if said == "ok" else said.replace("\n", "; ")
    return ""


def _compare(path: str, wanted: "list[str]") -> None:
    """See that a group that is there is as the config has it.  Raises SyscallError."""
    if not wanted:
        return
    try:
        there = _parse(files.read(f"{path}/schemata").decode())
    except OSError as problem:
        raise SyscallError("read", problem.errno or 0, f"{path}/schemata") from None
    for line in "\n".join(wanted).split("\n"):
        for key, value in _parse(line).items():
            if there.get(key) != value:
                hint = f"the group is there, and its schemata isn't {line!r}"
                raise SyscallError("use the resctrl group", 17, path, hint)


def _parse(text: str) -> "dict[tuple[str, str], str]":
    """(resource, domain) → value of lines such as ``L3:0=7f0;1=1f``; leading zeros don't count."""
    found = {}
    for line in text.split("\n"):
        resource, _, domains = line.partition(":")
        for domain in domains.split(";"):
            key, separator, value = domain.partition("=")
            if separator:
                found[resource.strip(), key.strip()] = value.strip().lstrip("0").lower()
    return found
