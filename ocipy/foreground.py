"""``run`` in the foreground: signals go to the container, its orphans are reaped, its terminal is ours.

For the command only: it blocks every signal of the process and takes over its terminal.
"""

import _signal
import posix
import select
from _struct import unpack

from ocipy import log
from ocipy.console import Console, refuse_socket
from ocipy.container import Container
from ocipy.errors import SyscallError
from ocipy.handover import notify_socket
from ocipy.init_process import exit_status
from ocipy.release import start_whole
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.exec_options import ExecOptions
    from ocipy.notify import Proxy
    from ocipy.terminal import Terminal

_SIGNALFD_INFO = 128  # bytes of a struct signalfd_siginfo (signalfd(2)): number, errno, code, pid of the sender, …
_PR_SET_CHILD_SUBREAPER = 36
_ENDING = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def run_in_foreground(container_id: str, options: "dict[str, Any]", *, keep: bool, subreaper: bool) -> int:
    """Create, start, wait, and delete unless ``keep``; the value is the container's exit status."""
    if options["console_socket"]:
        refuse_socket("--detach is missing")
    signals = take_signals(subreaper=subreaper)
    terminal = proxy = None
    with Console() as console:
        container = Container.create(container_id, **options, console=console)
        try:
            try:
                # Not container.pid, which is 0 for a program that has ended by now.
                directory = StateDir(container.root, container.id)
                state = directory.read()
                if state["terminal"]:
                    from ocipy.terminal import Terminal

                    terminal = Terminal(console.receive())
                if options["notify"]:
                    from ocipy.notify import Proxy

                    proxy = Proxy(notify_socket())
                start_whole(directory, proxy)
                status = attend(state["init_process_pid"], signals, terminal, proxy)
            finally:
                if terminal:
                    terminal.close()
                if proxy:
                    proxy.close()
        except BaseException:
            container.delete(force=True)
            raise
    if not keep:
        container.delete(force=True)
    return status


def exec_in_foreground(container: Container, options: "ExecOptions") -> int:
    """Start one more process of the container, wait for it; the value is its exit status."""
    from ocipy.execution import execute

    if options.console_socket:
        refuse_socket("--detach is missing")
    if options.tty or options.process:
        from ocipy.terminal import our_size

        # The program runs before there is a Terminal, and may ask at once; set by that, it would be told of a change.
        options.console_size = unpack("HH", our_size()[:4] or bytes(4))
    signals = take_signals(subreaper=False)
    terminal = None
    with Console() as console:
        options.console = console
        pid, has_terminal = execute(container.directory(), options, signals=signals)
        try:
            if has_terminal:
                from ocipy.terminal import Terminal

                terminal = Terminal(console.receive())
            return attend(pid, signals, terminal)
        except BaseException:
            posix.kill(pid, _signal.SIGKILL)  # our own child, which nobody would attend to
            raise
        finally:
            if terminal:
                terminal.close()


def take_signals(*, subreaper: bool) -> int:
    """From now on signals do nothing but wait in the descriptor returned; orphans become children of ours if wanted."""
    from ocipy._shim import lib

    if subreaper:
        import _prctl

        _prctl.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signals: int = lib.ocipy_signalfd()
    if signals < 0:
        raise SyscallError("signalfd", -signals)
    return signals


def attend(pid: int, signals: int, terminal: "Terminal | None", proxy: "Proxy | None" = None) -> int:
    """Wait for a child, passing on signals, from ``take_signals``, and bytes; the value is its exit status."""
    return _Loop(pid, signals, terminal, proxy).run()


class _Loop:
    """Waits for the container's init, passing on what comes meanwhile."""

    def __init__(self, pid: int, signals: int, terminal: "Terminal | None", proxy: "Proxy | None") -> None:
        self._pid = pid
        self._signals = signals
        self._terminal = terminal
        self._proxy = proxy
        self._poller = select.poll()
        self._status: int | None = None
        self._told_to_end = False

    def run(self) -> int:
        self._poller.register(self._signals, select.POLLIN)
        if self._terminal:
            self._terminal.register(self._poller)
        if self._proxy:
            self._poller.register(self._proxy, select.POLLIN)
        self._reap()  # it may have ended before we looked
        while self._status is None:
            self._turn()
        if self._proxy:
            self._proxy.relay()  # its last word
        if self._terminal:
            self._terminal.finish()
            self._terminal.register(self._poller)
            while self._terminal.is_open and not self._told_to_end:
                self._turn()
        return self._status

    def _turn(self) -> None:
        for fd, _ in self._poller.poll():
            if fd == self._signals:
                self._take_signals()
            elif self._proxy and fd == self._proxy.fileno():
                self._proxy.relay()
            elif self._terminal:
                self._terminal.relay(fd, self._poller)

    def _take_signals(self) -> None:
        data = posix.read(self._signals, _SIGNALFD_INFO * 16)
        for at in range(0, len(data), _SIGNALFD_INFO):
            number, _, _, sender = unpack("<IiiI", data[at : at + 16])
            if number == _signal.SIGCHLD:
                self._reap()
            elif number == _signal.SIGWINCH:
                if self._terminal:
                    self._terminal.resize()
            elif self._status is not None:
                self._told_to_end = self._told_to_end or number in _ENDING
            elif number != _signal.SIGURG and not (number == _signal.SIGPIPE and sender == posix.getpid()):
                self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if number == _signal.SIGCONT and self._terminal:
            self._terminal.resume()
        try:
            posix.kill(self._pid, number)  # our own child, not reaped yet
        except OSError as problem:
            log.warning(f"signal {number} can't be passed on: {problem.strerror}")

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
