"""From a step that failed to the one line that says so: step, config pointer, path, system call, errno, hint."""

import errno

from ocipy.errors import ProgramError, StepError, SyscallError, one_line
from ocipy.hints import HINTS
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocipy.plan.ops import SetupOp

_SUBJECTS = ("destination", "path", "name", "hook")


def step_error(op: "SetupOp", index: int, problem: "OSError | SyscallError") -> StepError:
    """The error for a step; of an OSError, ``strerror`` is the system call and its subject."""
    number = problem.errno or 0
    detail = str(problem.action + " " + problem.path if isinstance(problem, SyscallError) else problem.strerror or "")
    if isinstance(problem, OSError) and problem.filename:
        detail = f"open {problem.filename}"
    hint = problem.hint if isinstance(problem, SyscallError) else ""
    special = _SPECIAL.get(op.name)
    if special is not None:
        return special(op, index, number, detail)
    return StepError(_where(op), detail.strip(), number, hint or _hint(op, number, detail), index, op.pointer)


def step_warning(op: "SetupOp", number: int, text: str) -> str:
    """The log line for a warning init sent: today, always a mask of capabilities it wasn't given."""
    from ocipy.capabilities import names

    what, _, mask = text.rpartition(" ")
    listed = ", ".join(names(int(mask)))
    if what == "inheritable capabilities":
        return f"can't make {listed} inheritable: it isn't in the bounding set"
    if what == "ambient capabilities":
        return f"can't raise ambient capability {listed}: {errno.errorcode.get(number, number)}"
    return f"{dotted(op.pointer)}: {listed} can't be granted: the runtime doesn't hold it"


def hook_output(op: "SetupOp", text: str) -> str:
    """The log line for what one of init's hooks printed."""
    kind, _, number = op.pointer[len("/hooks/") :].partition("/")
    return f"{kind} hook #{number} {op.values['path']}: {one_line(text)}"


def _where(op: "SetupOp") -> str:
    """``mounts[3] (/dev/mqueue)``, or the step's name where config.json has no part that asks for it."""
    place = dotted(op.pointer) or op.name
    subject = next((str(op.values[name]) for name in _SUBJECTS if name in op.values), "")
    return f"{place} ({subject})" if subject and subject not in place else place


def _hook(op: "SetupOp", index: int, number: int, detail: str) -> StepError:
    kind, _, position = op.pointer[len("/hooks/") :].partition("/")
    if number == errno.ETIMEDOUT:
        detail, number = f"{op.values['path']} still ran after {op.values['timeout']} s and was killed", 0
    return StepError(f"error running {kind} hook #{position}", one_line(detail), number, "", index, op.pointer)


def _program(op: "SetupOp", index: int, number: int, detail: str) -> StepError:
    """In words that engines know: they make exit statuses 127 and 126 of them."""
    name = (op.values["name"] if "name" in op.values else op.values["args"][0]) or '""'
    reason = {errno.ENOENT: "no such file or directory", errno.EACCES: "permission denied"}.get(number)
    if reason is None:
        return ProgramError(_where(op), detail, number, _hint(op, number, detail), index, op.pointer)
    if number == errno.ENOENT and "/" not in name:
        reason = "executable file not found in $PATH"
    hint = f" ({_hint(op, number, detail)})" if _hint(op, number, detail) else ""
    problem = ProgramError("", f"exec {name}: {reason}{hint}", 0, "", index, op.pointer)
    if number == errno.ENOENT:
        problem.shell_status = 127
    return problem


_SPECIAL: "dict[str, Callable[[SetupOp, int, int, str], StepError]]" = {
    "hook": _hook,
    "find-program": _program,
    "exec": _program,
}


def _hint(op: "SetupOp", number: int, detail: str) -> str:
    said = f"{detail} {op.values.get('type', '')}"
    for name, error, word, text in HINTS:
        if op.name == name and errno.errorcode.get(number) == error and word in said:
            return text
    return ""
