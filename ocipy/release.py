"""Letting a created init go on to the program: the runtime's end of the socket in the state directory."""

import _socket
import posix
from _struct import unpack_from

from ocipy import files, init_process, log
from ocipy.errors import OcipyError, StateError, StepError
from ocipy.state import NOTIFY, SOCKET, StateDir, hook_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.notify import Proxy


def start(directory: StateDir, notify_socket: str = "") -> None:
    """Let a created container's init run the program, and run the poststart hooks.

    With ``notify_socket``, for a container that has one of its own: until the program says there that it is ready, or
    has ended.  Raises as ``start_whole``, and SyscallError for a ``notify_socket`` where nobody listens.
    """
    if not notify_socket or not files.exists(f"{directory.path}/{NOTIFY}"):
        start_whole(directory)
        return
    from ocipy.notify import Proxy

    proxy = Proxy(notify_socket)
    try:
        found = start_whole(directory, proxy)
        proxy.wait(found["init_process_pid"], found["init_process_start"])
    finally:
        proxy.close()


def start_whole(directory: StateDir, proxy: "Proxy | None" = None) -> "dict[str, Any]":
    """As ``start``, without waiting for more; the value is the state.

    Raises as ``let_go``; after a hook that failed the container is gone (runtime.md, Lifecycle, 7 and 9).
    """
    try:
        found = let_go(directory, proxy)
        if found["hooks"]["poststart"]:
            from ocipy import hooks

            hooks.run_all(found["hooks"]["poststart"], "poststart", hook_document(found, "running"))
    except StepError as problem:
        if problem.pointer.startswith("/hooks/"):
            _destroy_after_failure(directory)
        raise
    return found


def let_go(directory: StateDir, proxy: "Proxy | None" = None) -> "dict[str, Any]":
    """Let a created container's init run the program; the value is the state.

    Raises StateError unless the status is ``created``, NotFoundError, and what ``release`` raises.
    """
    directory.lock()
    try:
        found = directory.read()
        status = directory.status(found)
        if status != "created":
            raise StateError(_CANNOT_START.get(status, f"cannot start a container in the {status} state"))
        if not any(name == "exec" for _, name, _, _ in found["steps_of_start"]):
            raise StateError("cannot start a container without a process: config.json has none")
        if proxy:
            proxy.bind(directory)
        release(directory, found)
    finally:
        directory.close()
    return found


def _destroy_after_failure(directory: StateDir) -> None:
    from ocipy.destruction import delete

    try:
        delete(directory, force=True)
    except (OcipyError, OSError) as problem:
        # The first error is the one to report; what couldn't be undone is said in the log.
        log.warning(f"while undoing the failed start: {problem}")


_CANNOT_START = {
    "running": "cannot start an already running container",
    "stopped": "cannot start a container that has stopped",
}


def release(directory: StateDir, found: "dict[str, Any]") -> None:
    """Connect to init's socket, say go, and take what it reports until execve closes the connection.

    ``found`` is what state.json says.  Raises StepError when a step fails, StateError when init was killed meanwhile;
    init has ended then.  The socket's name goes first: who dies between the two leaves a container that ends, not one
    in between.
    """
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        client.connect(directory.entry(SOCKET))
        posix.unlink(f"{directory.path}/{SOCKET}")
        client.send(b"G")
        while packet := client.recv(4096):
            _take(client, packet, found)
    except ConnectionError:
        _wait_end(found)
        raise StateError("cannot start a container that has stopped") from None
    except StepError:
        client.close()  # if init still waits for an answer, it ends now
        _wait_end(found)
        raise
    finally:
        client.close()


def _take(client: "_socket.socket", packet: bytes, found: "dict[str, Any]") -> None:
    from ocipy.failures import hook_output, step_error, step_warning
    from ocipy.plan.ops import SetupOp

    index, error = unpack_from("<II", packet, 1)
    text = packet[9:].decode("utf-8", "surrogateescape")
    op = next(
        SetupOp(name, pointer, **values) for number, name, pointer, values in found["steps_of_start"] if number == index
    )
    if packet[:1] == b"E":
        raise step_error(op, index, OSError(error, text))
    if packet[:1] == b"A":
        from ocipy.seccomp import agent

        agent.answer(client.fileno(), op, index, found["init_process_pid"], hook_document(found, "created"))
        return
    if packet[:1] == b"L":
        log.debug(hook_output(op, text))
        return
    log.warning(step_warning(op, error, text))


def _wait_end(found: "dict[str, Any]") -> None:
    """Init has failed and is ending: afterwards the status is ``stopped``, whoever is its parent."""
    init_process.wait_end(found["init_process_pid"], found["init_process_start"], init_process.KILL_TIMEOUT)
