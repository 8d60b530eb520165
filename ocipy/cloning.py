"""The new process, from clone to ocipy-init: everything it gets is listed here."""

import errno
import posix

from ocipy import files
from ocipy.init_program import sealed_program
from ocipy.plan.encode import clone_flags, enters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.plan.ops import SetupOp

# clone3(2) is missing or filtered (ENOSYS), or knows no CLONE_INTO_CGROUP (E2BIG; before Linux 5.7).
_NO_CLONE_INTO = (errno.ENOSYS, errno.E2BIG)
CALLERS_OWN = (-1, -1, -1)


class Request:
    """What the process gets beside the plan.

    ``sync`` is its end of the socket (closed by ``clone``), ``runtime`` ours; ``listen`` and ``console`` as ``Spawn``
    has them, ``base`` the number of the first descriptor of ocipy-init's own, ``stdio`` what becomes its standard
    streams (-1: the caller's own).  ``verify`` is called once the namespaces to join are open.  ``signals`` is a
    signalfd of signals that end the wait for the process (-1: none).
    """

    __slots__ = ("base", "console", "listen", "runtime", "signals", "stdio", "sync", "verify")

    def __init__(
        self, listen: int, console: int, base: int, stdio: "tuple[int, int, int]", verify: "Callable[[], None] | None"
    ) -> None:
        self.sync = self.runtime = -1
        self.listen = listen
        self.console = console
        self.base = base
        self.stdio = stdio
        self.verify = verify
        self.signals = -1


def clone(op: "SetupOp", index: int, plan: bytes, request: Request) -> int:
    """Do the step ``spawn``, number ``index``; the value is the pid.  Raises OSError, SyscallError."""
    from ocipy._shim import ffi, lib

    opened = [request.sync]
    try:
        program = sealed_program()
        opened.append(program)
        opened.append(files.in_memory("ocipy-plan", plan))
        spawn = ffi.new("struct ocipy_spawn *")
        spawn.sync_fd, spawn.runtime_fd, spawn.program_fd = request.sync, request.runtime, program
        fds = [request.sync, opened[-1], request.listen, request.console]
        for path in op.values["join"].values():
            opened.append(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC))
            fds.append(opened[-1])
        if request.verify:
            request.verify()
        alive: list[Any] = [ffi.new("int[]", fds)]  # a cffi structure doesn't hold what it points to
        spawn.fds, spawn.fd_count = alive[0], len(fds)
        spawn.fd_base, spawn.stdio, spawn.index = request.base, request.stdio, index
        if not enters(op):
            spawn.flags = clone_flags(op.values["new"])
            spawn.wait_maps, spawn.become_root = int(op.values["wait_maps"]), int(op.values["become_root"])
        if op.values["oom_score"]:
            alive.append(ffi.new("char[]", op.values["oom_score"].encode()))
            spawn.oom_score = alive[-1]
        _open_cgroups(spawn, op, opened, alive)
        pid = lib.ocipy_spawn(spawn)
        if -pid in _NO_CLONE_INTO and spawn.cgroup_fd >= 0:
            # Then the process moves itself into the unified cgroup as well, by the last of the names.
            spawn.cgroup_fd = -1
            spawn.task_count += 1
            pid = lib.ocipy_spawn(spawn)
    finally:
        for fd in opened:
            posix.close(fd)
    if pid < 0:
        raise OSError(-pid, f"clone3 into {op.values['unified']}" if op.values["unified"] else "clone3")
    return int(pid)


def _open_cgroups(spawn: "Any", op: "SetupOp", opened: "list[int]", alive: "list[Any]") -> None:
    """The cgroups' files, as the spawn takes them."""
    from ocipy._shim import ffi

    spawn.cgroup_fd = -1
    paths = list(op.values["tasks"])
    spawn.task_count = len(paths)
    if op.values["unified"]:
        opened.append(posix.open(op.values["unified"], posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC))
        spawn.cgroup_fd = opened[-1]
        paths.append(f"{op.values['unified']}/cgroup.procs")
    fds = []
    for path in paths:
        fds.append(posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC))
        opened.append(fds[-1])
    names = [ffi.new("char[]", f"write to {path}".encode("utf-8", "surrogateescape")) for path in paths]
    alive += names
    alive += ffi.new("int[]", fds), ffi.new("char *[]", names)
    spawn.task_fds, spawn.task_paths = alive[-2:]
