"""Running a hook in the runtime's namespaces (config.md, POSIX-platform Hooks): state on stdin, output kept."""

import posix
import select
import time

from ocipy import files, log
from ocipy.errors import StepError, one_line
from ocipy.plan.hooks import LONGEST_TIMEOUT
from ocipy.pointers import dotted
from ocipy.spec.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE, SIGXFSZ
_SIGKILL = 9
_KEPT = 4096  # bytes of the end of its output, for the log
_SHOWN = 300  # characters of the end of its output, for the error message
_READ = 4096
_MOST_LEFT = 1 << 20  # bytes in its output at its end: the most a pipe holds (pipe(7), pipe-max-size)


def run_all(hooks: "list[dict[str, Any]]", kind: str, state: "dict[str, Any]") -> None:
    """Run hooks of one kind in order.  Raises StepError at the first that fails."""
    for number, hook in enumerate(hooks):
        run(kind, number, hook, state)


def run_all_with_warnings(hooks: "list[dict[str, Any]]", kind: str, state: "dict[str, Any]") -> None:
    """Run hooks of one kind; a failure is a warning, and the rest run all the same (poststop)."""
    for number, hook in enumerate(hooks):
        try:
            run(kind, number, hook, state)
        except StepError as problem:
            log.warning(str(problem))


def run(kind: str, number: int, hook: "dict[str, Any]", state: "dict[str, Any]") -> None:
    """Run one hook: ``path``, ``args``, ``env``, optional ``timeout`` in seconds.

    What it prints goes to the log (debug).  It is waited for, but not for what it leaves behind, such as a daemon.
    Raises StepError when it can't be started, fails, or outlives its timeout (then its whole session is killed).
    """
    pointer = f"/hooks/{kind}/{number}"
    where = f"error running {kind} hook #{number}"
    try:
        pid, stdin, output = _start(hook)
    except OSError as problem:
        raise StepError(
            f"{where}: {dotted(pointer)}", f"exec {hook['path']}", problem.errno or 0, "", -1, pointer
        ) from None
    timeout = min(hook.get("timeout", 0), LONGEST_TIMEOUT)
    document = dumps(state).encode("utf-8", "surrogateescape")
    conversation = _Conversation(pid, stdin, document, output)
    in_time = False
    try:
        in_time = conversation.hold(time.monotonic() + timeout if timeout else None)
    finally:
        conversation.close()
        if not in_time:
            _kill_session(pid)
        status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    text = one_line(conversation.said.decode("utf-8", "replace"))
    if text:
        log.debug(f"{kind} hook #{number} {hook['path']}: {text}")
    if not in_time:
        raise StepError(where, f"{hook['path']} still ran after {hook['timeout']} s and was killed", 0, "", -1, pointer)
    if status:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        detail = f"{hook['path']}: {ended}" + (f": {text[-_SHOWN:]}" if text else "")
        raise StepError(where, detail, 0, "", -1, pointer)


def _start(hook: "dict[str, Any]") -> "tuple[int, int, int]":
    """(pid, the write end of its stdin, the read end of its output)."""
    stdin_read, stdin_write = posix.pipe()
    output_read, output_write = posix.pipe()
    actions = [
        (posix.POSIX_SPAWN_DUP2, stdin_read, 0),
        (posix.POSIX_SPAWN_DUP2, output_write, 1),
        (posix.POSIX_SPAWN_DUP2, output_write, 2),
        *((posix.POSIX_SPAWN_CLOSE, fd) for fd in _inherited()),
    ]
    environment = dict(entry.partition("=")[::2] for entry in hook["env"])
    name, *arguments = hook["args"]
    try:
        # A session of its own, so that a timeout ends what the hook started as well; and none of the signals blocked
        # that `run` takes by signalfd, nor ignored that Python ignores.
        pid = posix.posix_spawn(
            hook["path"],
            (name or hook["path"], *arguments),  # which posix_spawn(3) takes empty, but not Python
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_IGNORED_BY_PYTHON,
        )
    except OSError:
        posix.close(stdin_write)
        posix.close(output_read)
        raise
    finally:
        posix.close(stdin_read)
        posix.close(output_write)
    return pid, stdin_write, output_read


def _inherited() -> "list[int]":
    """Descriptors that our caller left to us (--preserve-fds): they are for the container, not for its hooks."""
    found = []
    for name in posix.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and posix.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # that of the listing itself
    return found


class _Conversation:
    """What is said to a hook, and by it, until it ends; ``said`` is the end of what it printed.

    The process counts, not the end of its output: a daemon that it left may hold that for good.
    """

    def __init__(self, pid: int, stdin: int, document: bytes, output: int) -> None:
        self.said = b""
        self._left = document
        self._stdin, self._output, self._pidfd = stdin, output, posix.pidfd_open(pid)
        self._poller = select.poll()
        self._poller.register(self._pidfd, select.POLLIN)
        self._poller.register(stdin, select.POLLOUT)
        self._poller.register(output, select.POLLIN)
        posix.set_blocking(stdin, False)
        posix.set_blocking(output, False)

    def hold(self, deadline: "float | None") -> bool:
        """Until the hook has ended; False: the deadline (of time.monotonic) has passed."""
        while True:
            left = None if deadline is None else (deadline - time.monotonic()) * 1000
            if left is not None and left <= 0:
                return False
            ready = [fd for fd, _ in self._poller.poll(left)]
            if self._stdin in ready:
                self._feed()
            if self._output in ready:
                self._listen(_READ)
            if self._pidfd in ready:
                self._listen(_MOST_LEFT)
                return True

    def close(self) -> None:
        for fd in (self._stdin, self._output, self._pidfd):
            if fd >= 0:
                posix.close(fd)
        self._stdin = self._output = self._pidfd = -1

    def _feed(self) -> None:
        try:
            self._left = self._left[posix.write(self._stdin, self._left) :]
        except BrokenPipeError:
            self._left = b""  # a hook need not read its stdin
        if not self._left:
            self._poller.unregister(self._stdin)
            posix.close(self._stdin)
            self._stdin = -1

    def _listen(self, most: int) -> None:
        while most > 0 and self._output >= 0:
            try:
                part = posix.read(self._output, _READ)
            except BlockingIOError:
                return
            if not part:
                self._poller.unregister(self._output)
                posix.close(self._output)
                self._output = -1
            self.said = (self.said + part)[-_KEPT:]
            most -= len(part)


def _kill_session(session: int) -> None:
    """Kill every process of the session, until there is none left that could have made another."""
    while members := _members(session):
        for pid in members:
            try:
                posix.kill(pid, _SIGKILL)
            except ProcessLookupError:
                pass


def _members(session: int) -> "list[int]":
    """Its processes that have not ended (proc_pid_stat(5); one that has, and waits to be reaped, is a zombie)."""
    found = []
    for name in posix.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = files.read(f"/proc/{name}/stat")
        except (FileNotFoundError, ProcessLookupError):
            continue
        letter, _, _, its_session = stat.rpartition(b")")[2].split()[:4]
        if int(its_session) == session and letter not in b"ZX":
            found.append(int(name))
    return found
