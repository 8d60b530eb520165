"""Signals as something to poll for, so that a command ends between two lines of its output.  Main thread only."""

import _signal
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

ENDING = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


class Signals:
    """While entered, these signals do nothing but make ``fd`` readable; ``take`` tells which came."""

    def __init__(self, numbers: "Iterable[int]" = ENDING) -> None:
        self._numbers = tuple(numbers)

    def __enter__(self) -> "Self":
        self.fd, self._writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._wakeup = _signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._before = {number: _signal.signal(number, lambda *_: None) for number in self._numbers}
        return self

    def take(self) -> "list[int]":
        try:
            return [number for number in posix.read(self.fd, 512) if number in self._numbers]
        except BlockingIOError:
            return []

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            _signal.signal(number, handler)
        _signal.set_wakeup_fd(self._wakeup)
        posix.close(self.fd)
        posix.close(self._writer)
