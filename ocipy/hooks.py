"""Running a hook in the runtime's namespaces (config.md, POSIX-platform Hooks): state on stdin, output kept."""

import posix
import select
import time

from ocipy import log
from ocipy.errors import StepError, one_line
from ocipy.plan.hooks import LONGEST_TIMEOUT
from ocipy.pointers import dotted
from ocipy.spec.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE, SIGXFSZ
_MOST_OUTPUT = 4096  # bytes kept for the error message and the log


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

    Raises StepError when it can't be started, fails, or outlives its timeout (its process group is killed then).
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
    deadline = time.monotonic() + timeout if timeout else None
    try:
        in_time, said = _converse(stdin, dumps(state).encode("utf-8", "surrogateescape"), output, deadline)
        if in_time:
            in_time = _wait(pid, deadline)
        if not in_time:
            posix.killpg(pid, 9)
    finally:
        posix.close(output)
    status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    text = one_line(said.decode("utf-8", "replace"))
    if text:
        log.debug(f"{kind} hook #{number} {hook['path']}: {text}")
    if not in_time:
        raise StepError(where, f"{hook['path']} still ran after {hook['timeout']} s and was killed", 0, "", -1, pointer)
    if status:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        detail = f"{hook['path']}: {ended}" + (f": {text}" if text else "")
        raise StepError(where, detail, 0, "", -1, pointer)


def _start(hook: "dict[str, Any]") -> "tuple[int, int, int]":
    """(pid, the write end of its stdin, the read end of its output)."""
    stdin_read, stdin_write = posix.pipe()
    output_read, output_write = posix.pipe()
    actions = (
        (posix.POSIX_SPAWN_DUP2, stdin_read, 0),
        (posix.POSIX_SPAWN_DUP2, output_write, 1),
        (posix.POSIX_SPAWN_DUP2, output_write, 2),
    )
    environment = dict(entry.partition("=")[::2] for entry in hook["env"])
    try:
        # A process group of its own, so that a timeout ends what the hook started as well; and none of the signals
        # blocked that `run` takes by signalfd, nor ignored that Python ignores.
        pid = posix.posix_spawn(
            hook["path"],
            hook["args"],
            environment,
            file_actions=actions,
            setpgroup=0,
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


def _converse(stdin: int, state: bytes, output: int, deadline: "float | None") -> "tuple[bool, bytes]":
    """Feed the state and take what it prints until it closes its output; False: the deadline has passed."""
    posix.set_blocking(stdin, False)
    poller = select.poll()
    poller.register(stdin, select.POLLOUT)
    poller.register(output, select.POLLIN)
    said = b""
    feeding = True
    try:
        while True:
            left = None if deadline is None else (deadline - time.monotonic()) * 1000
            if left is not None and left <= 0:
                return False, said
            for fd, _ in poller.poll(left):
                if fd == output:
                    part = posix.read(output, 4096)
                    if not part:
                        return True, said
                    said = (said + part)[:_MOST_OUTPUT]
                elif feeding:
                    state = state[_write(stdin, state) :]
                    if not state:
                        feeding = False
                        poller.unregister(stdin)
                        posix.close(stdin)
    finally:
        if feeding:
            posix.close(stdin)


def _write(fd: int, data: bytes) -> int:
    try:
        return posix.write(fd, data)
    except BrokenPipeError:
        return len(data)  # a hook need not read its stdin


def _wait(pid: int, deadline: "float | None") -> bool:
    """Whether it ends in time (it may live on after closing its output)."""
    if deadline is None:
        return True
    pidfd = posix.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(max(0, (deadline - time.monotonic()) * 1000)))
    finally:
        posix.close(pidfd)
