"""newuidmap(1) and newgidmap(1): they map the ids that subuid(5) and subgid(5) entitle an ordinary user to."""

import posix

from ocipy.errors import StepError, one_line
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.plan.ops import SetupOp

# Where they lie if PATH doesn't lead to them.
_DIRECTORIES = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")


def refuse_missing(op: "SetupOp") -> None:
    """Raises StepError when a helper that the step needs isn't there: before anything is made."""
    for kind in op.values["helped"]:
        _find(kind)


def run(kind: str, pid: int, ranges: "list[tuple[int, int, int]]") -> None:
    """Map the ranges (inside, outside, size) of the process; ``kind`` is ``"uid"`` or ``"gid"``.

    Raises StepError with the helper's own words.
    """
    arguments = [f"new{kind}map", str(pid), *(str(number) for each in ranges for number in each)]
    path = _find(kind)
    reader, writer = posix.pipe()
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, writer, 2)]
        helper = posix.posix_spawn(path, arguments, posix.environ, file_actions=actions)
    finally:
        posix.close(writer)
    said = b""
    while part := posix.read(reader, 4096):
        said += part
    posix.close(reader)
    status = posix.waitstatus_to_exitcode(posix.waitpid(helper, 0)[1])
    if status:
        words = one_line(said.decode("utf-8", "replace")) or f"new{kind}map: exit status {status}"
        raise _error(kind, words, f"/etc/sub{kind} has the ranges a user may map; its own id alone needs no help")


def _find(kind: str) -> str:
    name = f"new{kind}map"
    listed = posix.environ.get(b"PATH", b"").decode("utf-8", "surrogateescape").split(":")
    for directory in (*filter(None, listed), *_DIRECTORIES):
        if posix.access(f"{directory}/{name}", posix.X_OK):
            return f"{directory}/{name}"
    hint = "install it (Debian: apt install uidmap), or map this user's own id alone, which needs no help"
    raise _error(kind, f"{name}, which maps ranges of ids for an ordinary user, is missing", hint)


def _error(kind: str, detail: str, hint: str) -> StepError:
    pointer = f"/linux/{kind}Mappings"
    return StepError(dotted(pointer), detail, 0, hint, -1, pointer)
