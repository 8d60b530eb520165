"""Our own terminal in raw mode, and back."""

import _signal
import posix
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RawMode:
    """The terminal that ``fd`` is, if it is one; ``enter`` and ``leave`` may be called in any order and number."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.is_terminal = posix.isatty(fd)
        self._saved: list[Any] | None = None

    @property
    def was_lost(self) -> bool:
        """Whether it is a terminal that was hung up."""
        return self.is_terminal and not posix.isatty(self._fd)

    def enter(self) -> None:
        """Let every byte through as it is typed.  In the background this stops us, by SIGTTOU, until we have it."""
        if not self.is_terminal:
            return
        blocked = _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGTTOU,))
        try:
            before = termios.tcgetattr(self._fd)
            termios.tcsetattr(self._fd, termios.TCSANOW, _raw(before))
        except termios.error:
            return  # hung up, or not ours to change (an orphan in the background)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        self._saved = self._saved or before

    def leave(self) -> None:
        """Put it back as it was found."""
        if self._saved is None:
            return
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)
        except termios.error:
            return  # hung up: nobody is there to mind
        finally:
            self._saved = None


def _raw(attributes: "list[Any]") -> "list[Any]":
    """cfmakeraw(3), but for the output: our terminal makes lines of what the container's passes on, newlines as such.

    As runc has it; the container's terminal doesn't translate them (op_console.c), for stdout may be anything.
    """
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = attributes
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    characters = characters[:]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [iflag, oflag | termios.OPOST, cflag, lflag, ispeed, ospeed, characters]
