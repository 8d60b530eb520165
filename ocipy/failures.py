"""From a step that failed to the one line that says so: step, config pointer, path, system call, errno, hint."""

import errno

from ocipy.errors import StepError, SyscallError
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
    if what == "ambient capabilities":
        return f"can't raise ambient capability {listed}: {errno.errorcode.get(number, number)}"
    return f"{dotted(op.pointer)}: {listed} can't be granted: the runtime doesn't hold it"


def _where(op: "SetupOp") -> str:
    """``mounts[3] (/dev/mqueue)``, or the step's name where config.json has no part that asks for it."""
    place = dotted(op.pointer) or op.name
    subject = next((str(op.values[name]) for name in _SUBJECTS if name in op.values), "")
    return f"{place} ({subject})" if subject and subject not in place else place


def _hook(op: "SetupOp", index: int, number: int, detail: str) -> StepError:
    kind, _, position = op.pointer[len("/hooks/") :].partition("/")
    if number == errno.ETIMEDOUT:
        detail, number = f"{op.values['path']} still ran after {op.values['timeout']} s and was killed", 0
    return StepError(f"error running {kind} hook #{position}", detail, number, "", index, op.pointer)


def _program(op: "SetupOp", index: int, number: int, detail: str) -> StepError:
    """In words that engines know: they make exit statuses 127 and 126 of them."""
    name = op.values.get("name") or op.values["args"][0]
    reason = {errno.ENOENT: "no such file or directory", errno.EACCES: "permission denied"}.get(number)
    if reason is None:
        return StepError(_where(op), detail, number, _hint(op, number, detail), index, op.pointer)
    if number == errno.ENOENT and "/" not in name:
        reason = "executable file not found in $PATH"
    hint = f" ({_hint(op, number, detail)})" if _hint(op, number, detail) else ""
    return StepError("", f"exec {name}: {reason}{hint}", 0, "", index, op.pointer)


_SPECIAL: "dict[str, Callable[[SetupOp, int, int, str], StepError]]" = {
    "hook": _hook,
    "find-program": _program,
    "exec": _program,
}


def _hint(op: "SetupOp", number: int, detail: str) -> str:
    for name, error, word, text in _HINTS:
        if op.name == name and errno.errorcode.get(number) == error and word in f"{detail} {_type(op.values)}":
            return text
    return ""


def _type(values: "dict[str, Any]") -> str:
    return str(values.get("type", ""))


# (step, errno, a word in the detail or the mount's type, advice)
_HINTS = (
    ("mount", "EPERM", "mqueue", "the IPC namespace is not owned by this user namespace; add an ipc namespace"),
    ("mount", "EPERM", "sysfs", "the network namespace is not owned by this user namespace; add a network namespace, "
     "or bind /sys"),
    ("mount", "EPERM", "proc", "the PID namespace is not owned by this user namespace, or the host's /proc is masked; "
     "add a pid namespace"),
    ("mount", "EPERM", "cgroup", "add a cgroup namespace, or bind /sys/fs/cgroup"),
    ("mount", "ENODEV", "", "this kernel doesn't have the filesystem"),
    ("mount", "EINVAL", "devpts", "an option was refused; inside a user namespace, gid=5 has to be mapped"),
    ("mount", "EINVAL", "", "the filesystem refused an option"),
    ("mount", "ELOOP", "", "a symbolic link in the root filesystem stands where this must be mounted"),
    ("mount", "EROFS", "", "the mount point doesn't exist, and the root filesystem is read-only"),
    ("bind", "ENOENT", "source", "the source of a bind mount must exist on the host"),
    ("bind", "EPERM", "mount_setattr", "a flag locked by an outer user namespace can't be cleared"),
    ("root", "ENOENT", "open", "root.path names the root filesystem, relative to the bundle"),
    ("root", "EACCES", "", "the user namespace's root needs search permission on every directory above it"),
    ("root", "ENOTDIR", "open", "root.path must be a directory"),
    ("pivot-root", "EINVAL", "", "the root filesystem may lie on a ramdisk: --no-pivot"),
    ("console", "ENOENT", "ptmx", "process.terminal needs a devpts mount on /dev/pts"),
    ("oom-score", "EACCES", "", "lowering it takes CAP_SYS_RESOURCE, which the runtime doesn't hold"),
    ("rlimit", "EPERM", "", "raising a hard limit takes CAP_SYS_RESOURCE, which the runtime doesn't hold"),
    ("id-map", "EPERM", "", "the runtime may not map these ids: see newuidmap(1) and subuid(5)"),
    ("id-map", "EINVAL", "", "ranges overlap, or an id isn't mapped in the runtime's own user namespace"),
    ("sysctl", "ENOENT", "", "this kernel doesn't have that setting"),
    ("sysctl", "EACCES", "", "the namespace that owns this setting is not the container's"),
    ("hostname", "EPERM", "", "the UTS namespace is not the container's; add a uts namespace"),
    ("find-program", "ENOEXEC", "", "not a program this kernel can run"),
    ("exec", "ENOENT", "", "or the interpreter or loader it names is missing in the container"),
    ("exec", "ENOEXEC", "", "not a program this kernel can run; a script needs a #! line"),
    ("device", "EPERM", "", "device nodes can't be made here, and the host has no such node to bind"),
    ("user", "EINVAL", "", "the id isn't mapped in the container's user namespace"),
    ("user", "EPERM", "setgroups", "setgroups is denied in this user namespace; drop additionalGids"),
    ("spawn", "EPERM", "", "this user may not make these namespaces (sysctl user.max_*_namespaces, "
     "kernel.unprivileged_userns_clone, AppArmor)"),
    ("spawn", "ENOSPC", "", "the limit of namespaces is reached (sysctl user.max_*_namespaces)"),
    ("spawn", "EINVAL", "", "the kernel doesn't have one of the namespaces"),
)  # fmt: skip
