"""What is done to a container that is there: ``pause`` and ``resume``; and who is in it."""

import fcntl
import posix

from ocipy.cgroups import freezer, manager
from ocipy.errors import StateError
from ocipy.init_process import is_namespace_init
from ocipy.state import StateDir, is_alive

_NS_GET_PARENT = 0xB702  # ioctl_ns(2)


def pause(directory: StateDir) -> None:
    """Freeze all of a created or running container's processes, and wait until they are.

    Raises StateError: not running, paused already, no cgroup, or one that can't be frozen.
    """
    directory.lock()
    try:
        found = directory.read()
        status = directory.status(found)
        if status == "paused":
            raise StateError("container is paused already")
        _need_running(status)
        freezer.freeze(found["cgroup_paths"])
        if not is_alive(found["init_process_pid"], found["init_process_start"]):
            # It ended meanwhile, and a frozen cgroup that nobody thaws isn't to stay.
            freezer.thaw(found["cgroup_paths"])
            _need_running("stopped")
    finally:
        directory.close()


def resume(directory: StateDir) -> None:
    """Let a paused container's processes go on.  Raises StateError for one that isn't paused."""
    directory.lock()
    try:
        found = directory.read()
        if directory.status(found) != "paused":
            raise StateError("container not paused")
        freezer.resume(found["cgroup_paths"])
    finally:
        directory.close()


def processes(directory: StateDir) -> "list[int]":
    """The pids of a container's processes, as the runtime sees them: those in its cgroup and in the cgroups below.

    Without a cgroup those in its PID namespace and in namespaces below.  None once it has stopped.  Raises StateError
    where it has neither.
    """
    found = directory.read()
    paths = found.get("cgroup_paths", {})
    if paths:
        return sorted(filter(None, manager.processes(paths.values())))  # 0: in no PID namespace of ours
    pid = found.get("init_process_pid", 0)
    if not is_alive(pid, found.get("init_process_start", 0)):
        return []
    if not is_namespace_init(pid):
        raise StateError("the container has neither a cgroup nor a PID namespace to know its processes by")
    wanted = posix.stat(f"/proc/{pid}/ns/pid").st_ino
    return sorted(int(name) for name in posix.listdir("/proc") if name.isdigit() and _is_in(name, wanted))


def _is_in(pid: str, wanted: int) -> bool:
    """Whether its PID namespace, or one above that, is the one of that inode number."""
    try:
        at = posix.open(f"/proc/{pid}/ns/pid", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False  # gone, or another user's
    try:
        while posix.fstat(at).st_ino != wanted:
            parent = fcntl.ioctl(at, _NS_GET_PARENT)
            posix.close(at)
            at = parent
    except PermissionError:
        return False  # those above our own aren't shown
    finally:
        posix.close(at)
    return True


def _need_running(status: str) -> None:
    if status not in ("created", "running", "paused"):
        raise StateError("container not running")
