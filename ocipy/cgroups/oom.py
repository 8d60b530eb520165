"""Notifications of the kernel that it ran out of memory in a container's cgroup: what to poll, and what it means."""

import errno
import posix
import select

from ocipy import files
from ocipy.cgroups.stats import by_controller
from ocipy.cgroups.stats_text import pairs
from ocipy.errors import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Without the memory controller, or v1's notifications, which a real-time kernel has turned off (mm/memcontrol-v1.c).
_NOT_TOLD = (errno.ENOENT, errno.EOPNOTSUPP)
_REMOVAL = 100  # ms: v1's last signal, of the cgroup's end, comes out of a work queue


class EventFd:
    """v1: an eventfd that the kernel counts up (cgroup-v1/memory.rst, OOM Control).

    It does so once more when the cgroup is removed, a moment after the directory has gone.
    """

    mask = select.POLLIN

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.fd = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
        try:
            control = posix.open(f"{directory}/memory.oom_control", posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                files.write(f"{directory}/cgroup.event_control", f"{self.fd} {control}")
            finally:
                posix.close(control)
        except OSError:
            posix.close(self.fd)
            raise

    def happened(self) -> bool:
        """Whether it ran out of memory since the last call."""
        count = self._take()
        if not files.exists(self._directory):
            poller = select.poll()
            poller.register(self.fd, self.mask)
            while poller.poll(_REMOVAL):
                count += self._take()
            count -= 1
        return count > 0

    def _take(self) -> int:
        try:
            return posix.eventfd_read(self.fd)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        posix.close(self.fd)


class EventsFile:
    """v2: memory.events, which is polled for a change; ``oom_kill`` counts the processes killed (cgroup-v2.rst)."""

    mask = select.POLLPRI

    def __init__(self, directory: str) -> None:
        self._killed = 0
        self.fd = posix.open(f"{directory}/memory.events", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            self._killed = self._count()
        except OSError:
            posix.close(self.fd)
            raise

    def happened(self) -> bool:
        before, self._killed = self._killed, self._count()
        return self._killed > before

    def _count(self) -> int:
        try:
            return pairs(posix.pread(self.fd, 4096, 0).decode()).get("oom_kill", 0)
        except OSError as problem:
            if problem.errno == errno.ENODEV:
                return self._killed  # the cgroup has gone
            raise

    def close(self) -> None:
        posix.close(self.fd)


def watch(paths: "Mapping[str, str]") -> "EventFd | EventsFile | None":
    """Watch the memory of a container's cgroups (hierarchy name → directory); None where the kernel wouldn't tell.

    Raises SyscallError.
    """
    v1 = by_controller(paths).get("memory", "")
    directory = v1 or paths.get("", "")
    if not directory:
        return None
    try:
        return EventFd(v1) if v1 else EventsFile(directory)
    except OSError as problem:
        if problem.errno in _NOT_TOLD:
            return None
        raise SyscallError("watch for lack of memory in", problem.errno or 0, directory) from None
