"""Waiting for another process, but not for ever: what is in a container may be frozen, or held by one of its files."""

import _signal
import posix
import select
from _struct import unpack_from

from ocipy import log
from ocipy.errors import OcipyError
from ocipy.init_process import open_pidfd

ENDING = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
_SIGNALFD_INFO = 128  # bytes of a struct signalfd_siginfo (signalfd(2)), whose first four are the number
_GRACE = 1_000  # ms after a signal to end: what comes in that time isn't stuck
_END_TIMEOUT = 2_000  # ms that a killed process may take: it is small, and has nothing to give back


class InterruptedWait(OcipyError):
    """A signal came that is to end this command; ``shell_status`` is what a shell would exit with."""

    def __init__(self, number: int) -> None:
        self.shell_status = 128 + number
        super().__init__(f"exec: signal {number} came before the program ran")


def wait(fd: int, end: int, signals: int) -> bool:
    """Wait until ``fd`` can be read; False: ``end`` can be read, and ``fd`` can't.

    ``signals`` is a signalfd of all signals, -1: none.  One that is to end this command, and a second later ``fd``
    still can't be read: InterruptedWait.  All are put back, for who reads that descriptor next.
    """
    poller = select.poll()
    for each in (fd, end, signals):
        if each >= 0:
            poller.register(each, select.POLLIN)
    taken: list[int] = []
    try:
        while True:
            ending = [number for number in taken if number in ENDING]
            ready = [ready for ready, _ in poller.poll(_GRACE if ending else None)]
            if fd in ready or end in ready:
                return fd in ready
            if not ready:
                raise InterruptedWait(ending[0])
            data = posix.read(signals, _SIGNALFD_INFO)
            taken.append(unpack_from("<I", data)[0])
    finally:
        for number in taken:
            if number != _signal.SIGPIPE:
                posix.kill(posix.getpid(), number)  # blocked, so it waits


def end(pid: int) -> None:
    """Kill a child of ours, and reap it; one that is frozen ends, by itself, when that is over (cgroup v1)."""
    posix.kill(pid, _signal.SIGKILL)
    pidfd = open_pidfd(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if poller.poll(_END_TIMEOUT):
            posix.waitpid(pid, 0)
        else:
            log.warning(f"process {pid} is killed, but frozen: it ends when the container is resumed")
    finally:
        posix.close(pidfd)
