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
    """``master`` is the container's terminal; ours, if stdin is one, is in raw mode until ``close``.

    What is typed waits in ``_pending`` while the container's terminal takes no more: were its output not read
    meanwhile, a program that writes as it reads and we would wait for each other.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        self._pending = b""
        self._open = {master: True, _STDIN: True}
        self._registered: set[int] = set()
        posix.set_blocking(master, False)
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
        """Ask for what can be done now."""
        wanted = {fd: select.POLLIN for fd, is_open in self._open.items() if is_open}
        if self._pending and wanted.pop(_STDIN, 0):
            wanted[self._master] |= select.POLLOUT
        for fd in self._registered - wanted.keys():
            poller.unregister(fd)
        for fd, events in wanted.items():
            poller.register(fd, events)
        self._registered = set(wanted)

    def resize(self) -> None:
        """Give the container's terminal the size of ours (ioctl_tty(2), TIOCSWINSZ)."""
        for fd in (_STDIN, _STDOUT):
            if posix.isatty(fd):
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
                return

    def relay(self, fd: int, poller: "select.poll") -> None:
        """Move what is there on ``fd``: our stdin or the container's terminal."""
        if fd == self._master:
            self._copy_out()
        else:
            self._copy_in()
        self._feed()
        self.register(poller)

    def drain(self) -> None:
        """What the container wrote before it ended."""
        while self._copy_out():
            continue

    def _copy_out(self) -> bool:
        """Whether there was something to copy."""
        try:
            data = posix.read(self._master, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: nobody has the slave open any more
        if not data:
            self._open = {self._master: False, _STDIN: False}
        write_all(_STDOUT, data)
        return bool(data)

    def _copy_in(self) -> None:
        try:
            data = posix.read(_STDIN, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # our terminal was hung up
        self._open[_STDIN] = bool(data)
        self._pending += data

    def _feed(self) -> None:
        try:
            while self._pending:
                self._pending = self._pending[posix.write(self._master, self._pending) :]
        except BlockingIOError:
            return  # the rest when it takes more
        except OSError:
            self._pending = b""  # nobody is there to read it


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``, however many calls it takes, and however the caller has set up its stdout."""
    while data:
        try:
            data = data[posix.write(fd, data) :]
        except BlockingIOError:
            poller = select.poll()
            poller.register(fd, select.POLLOUT)
            poller.poll()


def _raw(attributes: "list[Any]") -> "list[Any]":
    """cfmakeraw(3): every byte passes as it is; the container's terminal does what a terminal does."""
    iflag, oflag, cflag, lflag, *rest = attributes
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    return [iflag, oflag & ~termios.OPOST, cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8, lflag, *rest]
