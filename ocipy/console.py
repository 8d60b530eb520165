"""The console socket: what a container's terminal is sent over (its master, by SCM_RIGHTS)."""

import _socket
import posix
from _struct import unpack

from ocipy.errors import OcipyError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


def check(wanted: bool, console: int, console_socket: str) -> None:
    """Whether a terminal has somewhere to go, and what is to go somewhere is one.  Raises UsageError, as runc says it.

    ``wanted`` is ``process.terminal``, ``console`` a connected socket (-1: none), ``console_socket`` a path ("": none).
    """
    if wanted and console < 0 and not console_socket:
        raise UsageError(
            "cannot allocate tty if ocipy will detach without setting console socket (--console-socket PATH is missing)"
        )
    if not wanted and console_socket:
        refuse_socket("no terminal is asked for")


def refuse_socket(reason: str) -> None:
    """Raises UsageError: a console socket was given where no terminal goes over one."""
    raise UsageError(f"cannot use console socket if ocipy will not detach or allocate tty ({reason})")


class Console:
    """Takes the terminal of one container, or of one process of it, within this process.

    >>> with Console() as console:
    ...     container = Container.create("shell", "/bundle", console=console)
    ...     master = console.receive()

    ``console`` can be given wherever a connected socket can, for it has ``fileno``; it may be closed once the master
    has been received, which stays open until its owner closes it: that hangs the terminal up.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The end that the terminal is sent to."""
        return self._theirs.fileno()

    def receive(self) -> int:
        """The terminal's master: a descriptor, blocking and close-on-exec, for the caller to close.

        It is there as soon as ``create`` or ``exec`` has returned.  Raises OcipyError if none was sent.
        """
        try:
            _, control, _, _ = self._ours.recvmsg(4096, _socket.CMSG_SPACE(4), _socket.MSG_DONTWAIT)
        except BlockingIOError:
            control = []
        for level, kind, data in control:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                (fd,) = unpack("i", data[:4])
                posix.set_inheritable(fd, False)
                return int(fd)
        raise OcipyError("no terminal was sent: process.terminal is false")

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
