"""Our terminal and the container's, joined: bytes both ways, size, and ours put back as it was."""

import fcntl
import posix
import select
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STDIN, _STDOUT = 0, 1
_CHUNK = 1 << 16


class Terminal:
    """``master`` is the container's terminal; ours, if stdin is one, is in raw mode until ``close``."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._saved: list[Any] | None = None
        if posix.isatty(_STDIN):
            self._saved = termios.tcgetattr(_STDIN)
            termios.tcsetattr(_STDIN, termios.TCSANOW, _raw(self._saved))
            self.resize()

    def close(self) -> None:
        """Put our terminal back and close the container's."""
        if self._saved is not None:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._saved)
            self._saved = None
        posix.close(self._master)

    def register(self, poller: "select.poll") -> None:
        poller.register(self._master, select.POLLIN)
        poller.register(_STDIN, select.POLLIN)

    def resize(self) -> None:
        """Give the container's terminal the size of ours (ioctl_tty(2), TIOCSWINSZ)."""
        for fd in (_STDIN, _STDOUT):
            if posix.isatty(fd):
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
                return

    def relay(self, fd: int, poller: "select.poll") -> None:
        """Move what is there on ``fd``: our stdin or the container's terminal."""
        if fd == self._master:
            if not self._copy_out():
                poller.unregister(self._master)
        elif not self._copy_in():
            poller.unregister(_STDIN)

    def drain(self) -> None:
        """What the container wrote before it ended."""
        posix.set_blocking(self._master, False)
        while self._copy_out():
            continue

    def _copy_out(self) -> bool:
        try:
            data = posix.read(self._master, _CHUNK)
        except OSError:
            return False  # EIO: nobody has the slave open; EAGAIN while draining: all is read
        write_all(_STDOUT, data)
        return bool(data)

    def _copy_in(self) -> bool:
        data = posix.read(_STDIN, _CHUNK)
        if data:
            write_all(self._master, data)
        return bool(data)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``, however many calls it takes."""
    while data:
        data = data[posix.write(fd, data) :]


def _raw(attributes: "list[Any]") -> "list[Any]":
    """cfmakeraw(3): every byte passes as it is; the container's terminal does what a terminal does."""
    iflag, oflag, cflag, lflag, *rest = attributes
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    return [iflag, oflag & ~termios.OPOST, cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8, lflag, *rest]
