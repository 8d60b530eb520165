"""``run`` in the foreground: signals go to the container, its orphans are reaped, its terminal is ours.

For the command only: it blocks every signal of the process and takes over its terminal.
"""

import _signal
import _socket
import posix
import select
from _struct import unpack

from ocipy.container import Container, exit_status
from ocipy.errors import OcipyError, SyscallError, UsageError
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.terminal import Terminal

_SIGNALFD_INFO = 128  # bytes of a struct signalfd_siginfo, which starts with the signal's number
_PR_SET_CHILD_SUBREAPER = 36


def run_in_foreground(container_id: str, options: "dict[str, Any]", *, keep: bool, subreaper: bool) -> int:
    """Create, start, wait, and delete unless ``keep``; the value is the container's exit status."""
    from ocipy._shim import lib

    if options["console_socket"]:
        raise UsageError("--console-socket is for a detached container: add --detach")
    if subreaper:
        import _prctl

        _prctl.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signals = lib.ocipy_signalfd()
    if signals < 0:
        raise SyscallError("signalfd", -signals)
    terminal = None
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        container = Container.create(container_id, **options, console=theirs.fileno())
        try:
            # Not container.pid, which is 0 for a program that has ended by now.
            state = StateDir(container.root, container.id).read()
            if state["terminal"]:
                from ocipy.terminal import Terminal

                terminal = Terminal(receive_master(ours))
            container.start()
            status = _Loop(state["init_process_pid"], signals, terminal).run()
        except BaseException:
            container.delete(force=True)
            raise
        finally:
            if terminal:
                terminal.close()
        if not keep:
            container.delete(force=True)
        return status
    finally:
        ours.close()
        theirs.close()
        posix.close(signals)


def receive_master(socket: "_socket.socket") -> int:
    """The descriptor of the terminal's master, as init sends it (SCM_RIGHTS)."""
    _, control, _, _ = socket.recvmsg(4096, _socket.CMSG_SPACE(4))
    for level, kind, data in control:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            (fd,) = unpack("i", data[:4])
            posix.set_inheritable(fd, False)
            return int(fd)
    raise OcipyError("the container's init sent no terminal")


class _Loop:
    """Waits for the container's init, passing on what comes meanwhile."""

    def __init__(self, pid: int, signals: int, terminal: "Terminal | None") -> None:
        self._pid = pid
        self._signals = signals
        self._terminal = terminal
        self._status: int | None = None

    def run(self) -> int:
        poller = select.poll()
        poller.register(self._signals, select.POLLIN)
        if self._terminal:
            self._terminal.register(poller)
        self._reap()  # it may have ended before we looked
        while self._status is None:
            for fd, _ in poller.poll():
                if fd == self._signals:
                    self._take_signals()
                elif self._terminal:
                    self._terminal.relay(fd, poller)
        if self._terminal:
            self._terminal.drain()
        return self._status

    def _take_signals(self) -> None:
        data = posix.read(self._signals, _SIGNALFD_INFO * 16)
        for at in range(0, len(data), _SIGNALFD_INFO):
            (number,) = unpack("<I", data[at : at + 4])
            if number == _signal.SIGCHLD:
                self._reap()
            elif number == _signal.SIGWINCH:
                if self._terminal:
                    self._terminal.resize()
            elif number != _signal.SIGURG and self._status is None:
                posix.kill(self._pid, number)  # our own child, not reaped yet

    def _reap(self) -> None:
        """Take every ended child: as subreaper, the container's orphans are ours too."""
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = exit_status(status)
