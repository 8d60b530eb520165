"""Signals to all processes of a container, by its cgroups.  Imported where there are any left to signal."""

import _signal
import posix

from ocipy.cgroups import manager
from ocipy.errors import SyscallError
from ocipy.init_process import SIGKILL, open_pidfd


def signal_all(paths: "dict[str, str]", number: int) -> None:
    """Signal every process in the cgroups, and none that got the pid of one since.

    SIGKILL goes by ``cgroup.kill`` where the kernel has it (cgroup v2, Linux 5.14), which no fork escapes.  Else each
    process is held by a pidfd before the cgroup is asked again: a pid that is listed then either is the process held,
    or that one has ended and takes no signal.
    """
    if number == SIGKILL and "" in paths and _kill(paths[""]) and len(paths) == 1:
        return
    pidfds: list[tuple[int, int]] = []
    try:
        for pid in manager.processes(paths.values()):
            try:
                pidfds.append((pid, open_pidfd(pid)))
            except ProcessLookupError:
                continue
        still = manager.processes(paths.values())
        for pid, pidfd in pidfds:
            if pid in still:
                _send(pidfd, number)
    finally:
        for _, pidfd in pidfds:
            posix.close(pidfd)


def _kill(unified: str) -> bool:
    """Whether the kernel does it; it doesn't for a threaded cgroup (EOPNOTSUPP)."""
    try:
        manager.write(f"{unified}/cgroup.kill", "1")
    except SyscallError:
        return False
    return True


def _send(pidfd: int, number: int) -> None:
    try:
        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return  # it has ended meanwhile, which is as good
