"""A process that ``Container.exec`` has started, in the caller's hands."""

import posix
from _thread import allocate_lock

from ocipy.init_process import open_pidfd


class Process:
    """A child of this process; any thread may wait for it or signal it.

    ``pid`` is as this process sees it; ``pidfd`` a descriptor of it, which is open (not -1) until ``wait`` has returned
    or ``close`` was called.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = open_pidfd(pid)
        self._status: int | None = None
        self._lock = allocate_lock()  # while pidfd is used for what doesn't wait, nobody closes it

    def __repr__(self) -> str:
        return f"Process(pid={self.pid})"

    def wait(self) -> int:
        """Wait until it has ended; its exit status (128+n: ended by signal n).  Raises OSError after ``close``."""
        with self._lock:
            if self._status is not None:
                return self._status
            waiting = posix.dup(self.pidfd)
        try:
            posix.waitid(posix.P_PIDFD, waiting, posix.WEXITED | posix.WNOWAIT)
        except ChildProcessError:
            pass  # another thread was here first
        finally:
            posix.close(waiting)
        with self._lock:
            if self._status is None:
                self._status = self._reap()
                self._close()
            return self._status

    def _reap(self) -> int:
        ended = posix.waitid(posix.P_PIDFD, self.pidfd, posix.WEXITED)
        assert ended is not None  # only WNOHANG may bring nothing
        return ended.si_status if ended.si_code == posix.CLD_EXITED else 128 + ended.si_status

    def kill(self, signal: "int | str" = "TERM") -> None:
        """Send it a signal (number or name); one that has ended takes none.  Raises UsageError."""
        from _signal import pidfd_send_signal

        from ocipy.signals import parse_signal

        number = parse_signal(str(signal))
        with self._lock:
            if self.pidfd < 0:
                return
            try:
                pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                return

    def close(self) -> None:
        """Close ``pidfd``; who does so before ``wait`` leaves the process to another's waitpid(2)."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self.pidfd >= 0:
            posix.close(self.pidfd)
            self.pidfd = -1
