"""sd_notify(3) across the border of a container: that its program is ready is passed on to our service manager.

Imported with NOTIFY_SOCKET in the environment alone.  As with runc, the program's word and the pid to watch are all
that is passed on.
"""

import _socket
import posix
import select
from _struct import pack

from ocipy import log
from ocipy.errors import SyscallError
from ocipy.init_process import open_pidfd
from ocipy.plan.activation import NOTIFY_SOCKET
from ocipy.state import NOTIFY, StateDir, is_alive

_LONGEST = 4096  # bytes of a message, as systemd takes them
_BARRIER_TIMEOUT = 30_000  # ms; runc's


class Proxy:
    """``manager`` is what NOTIFY_SOCKET says on the host (``@…``: an abstract address).  Raises SyscallError."""

    def __init__(self, manager: str) -> None:
        self._name = manager
        self._announced = False
        self._barrier = -1
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        self._manager = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            self._manager.connect(f"\0{manager[1:]}" if manager.startswith("@") else manager)
        except OSError as problem:
            self.close()
            raise SyscallError("connect to NOTIFY_SOCKET", problem.errno or 0, manager) from None

    def bind(self, directory: StateDir) -> None:
        """Listen where the container of that (locked) directory finds it.  Raises SyscallError."""
        path = directory.entry(f"{NOTIFY}/{NOTIFY_SOCKET}")
        try:
            posix.unlink(path)  # of a start that was killed
        except FileNotFoundError:
            pass
        try:
            self._socket.bind(path)
            posix.chmod(path, 0o777)  # connecting takes the right to write, and the program may be any user
        except OSError as problem:
            raise SyscallError("bind", problem.errno or 0, f"{directory.path}/{NOTIFY}/{NOTIFY_SOCKET}") from None

    def fileno(self) -> int:
        """What to poll, to call ``take``."""
        return self._socket.fileno()

    def take(self) -> bytes:
        """Read one message; the line that says the program is ready, or b"".  Descriptors that come along are dropped.

        So a program's sd_notify_barrier(3) is answered: it waits for the end of a pipe that is closed by that.
        """
        try:
            message = self._socket.recv(_LONGEST, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        return next((line for line in message.split(b"\n") if line.startswith(b"READY=")), b"")

    def relay(self) -> None:
        """Read one message; the first "ready" is announced, of us: we end with the container, and with its status.

        Whatever is said after that is read as well: else the program would wait for room, sooner or later.
        """
        ready = self.take()
        if ready and not self._announced:
            self.announce(ready, posix.getpid())

    def wait(self, pid: int, start_time: int) -> None:
        """Until the program is ready, and the service manager has taken notice; or until it has ended."""
        try:
            pidfd = open_pidfd(pid)
        except ProcessLookupError:
            return
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(self._socket, select.POLLIN)
        timeout = None if is_alive(pid, start_time) else 0
        try:
            # What it said comes before its end.
            while self.fileno() in (fd for fd, _ in poller.poll(timeout)):
                ready = self.take()
                if ready:
                    self.announce(ready, pid)
                    break
        finally:
            posix.close(pidfd)

    def announce(self, ready: bytes, pid: int) -> None:
        """Tell the service manager that the program is ready, and of which process the end is that of the service."""
        self._announced = True
        try:
            self._manager.send(ready + b"\n")
            self._manager.send(b"MAINPID=%d\n" % pid)
            self._barrier = self._send_barrier()
        except OSError as problem:
            log.warning(f"NOTIFY_SOCKET {self._name}: {problem.strerror}")

    def _send_barrier(self) -> int:
        """A pipe's end, whose other end the service manager closes once it has read all that came before."""
        reader, writer = posix.pipe2(posix.O_CLOEXEC)
        try:
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pack("i", writer))
            self._manager.sendmsg([b"BARRIER=1"], [rights])
        except OSError:
            posix.close(reader)
            raise
        finally:
            posix.close(writer)
        return reader

    def close(self) -> None:
        """Give up, but not before the service manager has looked up who sent what: for that we have to be alive."""
        if self._barrier >= 0:
            poller = select.poll()
            poller.register(self._barrier, select.POLLIN)
            if not poller.poll(_BARRIER_TIMEOUT):
                log.warning(f"NOTIFY_SOCKET {self._name}: no answer to BARRIER=1 for {_BARRIER_TIMEOUT // 1000} s")
            posix.close(self._barrier)
            self._barrier = -1
        self._socket.close()
        self._manager.close()
