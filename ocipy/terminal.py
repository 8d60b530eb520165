"""Our terminal and the container's, joined: bytes both ways, size, and ours put back as it was.

What the container prints is copied by a thread of its own: our stdout may block for as long as its reader likes, while
signals have to be passed on.  All else is polled for.
"""

import _thread
import errno
import fcntl
import posix
import select
import termios

from ocipy.raw_mode import RawMode

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK = 1 << 16
# More than the kernel holds back of what was written before the end (tty_buffer.c: 640 KiB); what others that have the
# terminal open go on to write doesn't keep us.
_LAST = 1 << 20


class Terminal:
    """``master`` is the container's terminal, ours from now on; our own, if stdin is one, is raw until ``finish``.

    What is typed waits in ``_pending`` while the container's terminal takes no more.  The other end of the container's
    terminal stays open here: a program may close all of its own, and open /dev/console again.
    """

    def __init__(self, master: int) -> None:
        from ocipy._shim import lib

        posix.set_blocking(master, False)
        self._master = master
        self._slave: int = lib.ocipy_terminal_peer(master)  # below 0 where the kernel doesn't give it: then without
        self._pending = b""
        self._reads = True
        self._registered: set[int] = set()
        self._ours = RawMode(_STDIN)
        self.resize()
        self._ours.enter()
        try:
            self._output = _Output(master)  # so nothing is printed, and answered, before ours is raw
        except BaseException:
            self._ours.leave()
            raise

    @property
    def is_open(self) -> bool:
        """Until the terminal is hung up: all has been printed then, or can't be."""
        return self._master >= 0

    def resize(self) -> None:
        """Give the container's terminal the size of ours, if that is known (ioctl_tty(2), TIOCSWINSZ)."""
        size = our_size()
        if self.is_open and size:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def resume(self) -> None:
        """After SIGCONT: whoever had our terminal while we were stopped has left it in a mode and size of its own."""
        self._reads = self.is_open and (self._reads or self._ours.is_terminal)
        self._ours.enter()
        self.resize()

    def finish(self) -> None:
        """The program has ended: put our terminal back, and print what it wrote before; then ``is_open`` is false."""
        self._reads = False
        self._pending = b""
        self._ours.leave()
        self._output.stop()

    def close(self) -> None:
        """Put our terminal back, and hang the container's up, whether all is printed or not."""
        self.finish()
        if not self._output.runs:
            self._hang_up()

    def register(self, poller: "select.poll") -> None:
        """Ask for what can be done now."""
        wanted = {self._output.ended: select.POLLIN} if self.is_open else {}
        if self._pending:
            wanted[self._master] = select.POLLOUT
        elif self._reads:
            wanted[_STDIN] = select.POLLIN
        for fd in self._registered - wanted.keys():
            poller.unregister(fd)
        for fd, events in wanted.items():
            poller.register(fd, events)
        self._registered = set(wanted)

    def relay(self, fd: int, poller: "select.poll") -> None:
        """Do what ``fd`` is ready for: our stdin to be read, the container's terminal to take more, or the end."""
        if fd == self._output.ended:
            self._output.take_end()
            self._hang_up()
        elif fd == _STDIN and self._reads:
            self._copy_in()
        if self._pending:
            self._feed()
        self.register(poller)

    def _hang_up(self) -> None:
        """As a terminal's line drops: the container's session gets SIGHUP."""
        for fd in (self._master, self._slave):
            if fd >= 0:
                posix.close(fd)
        self._master = self._slave = -1
        self._reads = False
        self._pending = b""

    def _copy_in(self) -> None:
        try:
            self._pending = posix.read(_STDIN, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._pending = b""  # it was hung up, or we aren't in its foreground: then until SIGCONT
        self._reads = bool(self._pending)
        if not self._pending and self._ours.was_lost:
            self._output.stop()

    def _feed(self) -> None:
        try:
            while self._pending:
                self._pending = self._pending[posix.write(self._master, self._pending) :]
        except BlockingIOError:
            return  # the rest when it takes more
        except OSError:
            self._pending = b""  # nobody is there to read it


def our_size() -> bytes:
    """The struct winsize of the terminal that one of our streams is; empty if none is, or it doesn't know."""
    for fd in (_STDIN, _STDOUT, _STDERR):
        try:
            size = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            continue  # not a terminal, or hung up
        return size if any(size[:4]) else b""
    return b""


class _Output:
    """The thread that prints; it ends after ``stop`` with what is there by then, or when our stdout takes no more.

    ``ended`` can be read from then, and ``runs`` is true before.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        self._stopped, self._stop = posix.pipe2(posix.O_CLOEXEC)
        self.ended, self._end = posix.pipe2(posix.O_CLOEXEC)
        _thread.start_new_thread(self._run, ())

    @property
    def runs(self) -> bool:
        return self.ended >= 0

    def stop(self) -> None:
        if self._stop >= 0:
            posix.close(self._stop)
            self._stop = -1

    def take_end(self) -> None:
        self.stop()
        posix.close(self.ended)
        self.ended = -1

    def _run(self) -> None:
        try:
            self._print()
        except OSError:
            return  # our stdout has gone, or the container's terminal
        finally:
            posix.close(self._stopped)
            posix.close(self._end)

    def _print(self) -> None:
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        poller.register(self._stopped, 0)
        while not any(fd == self._stopped for fd, _ in poller.poll()):
            self._copy()
        left = _LAST
        while left > 0 and (count := self._copy()):
            left -= count

    def _copy(self) -> int:
        """How many bytes; 0: none are there.  What is on its way from the program, read(2) waits for (n_tty.c)."""
        try:
            data = posix.read(self._master, _CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            raise OSError(errno.EIO, "hung up")
        write_all(_STDOUT, data)
        return len(data)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``, however many calls it takes, and however the caller has set up its stdout."""
    while data:
        try:
            data = data[posix.write(fd, data) :]
        except BlockingIOError:
            poller = select.poll()
            poller.register(fd, select.POLLOUT)
            poller.poll()
