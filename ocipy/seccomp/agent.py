"""The seccomp agent: who decides on the system calls of SCMP_ACT_NOTIFY (config-linux.md#seccomp, listenerPath).

Init asks for it when it is about to load the filter, in create (without noNewPrivileges) or in start: what it gets are
a connection to the agent and the container process state.  It sends the listener along with that, by itself
(cffi_build/op_seccomp.c), for it has the listener only once the filter is in force.
"""

import _socket
import posix
from _struct import pack

from ocipy import files
from ocipy.failures import step_error
from ocipy.spec.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.ops import SetupOp

_GO = b"G"


def answer(channel: int, op: "SetupOp", index: int, pid: int, state: "dict[str, Any]") -> None:
    """Give init what it needs, over the socket it asked by.

    ``op`` is its step, number ``index`` in the plan; ``pid`` that of the process, as we see it; ``state`` the
    container's state document.  Raises StepError when the agent isn't there.
    """
    try:
        agent = _connect(op.values["path"])
    except OSError as problem:
        raise step_error(op, index, OSError(problem.errno, "connect to the seccomp agent")) from None
    document = files.in_memory("ocipy-state", dumps(process_state(pid, op.values["metadata"], state)).encode())
    try:
        _send(channel, agent, document)
    finally:
        posix.close(agent)
        posix.close(document)


def process_state(pid: int, metadata: str, state: "dict[str, Any]") -> "dict[str, Any]":
    """The container process state (config-linux.md#the-container-process-state)."""
    document: dict[str, Any] = {"ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid}
    if metadata:
        document["metadata"] = metadata
    document["state"] = state
    return document


def _connect(path: str) -> int:
    """By way of the directory's descriptor: a socket's path holds 107 bytes (unix(7)), one in the config any number."""
    directory, _, name = path.rpartition("/")
    parent = posix.open(f"{directory}/", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        client.connect(f"/proc/self/fd/{parent}/{name}")
        return client.detach()
    finally:
        client.close()
        posix.close(parent)


def _send(channel: int, *fds: int) -> None:
    connection = _socket.socket(fileno=channel)
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pack(f"={len(fds)}i", *fds))
    try:
        connection.sendmsg([_GO], [rights])
    except (BrokenPipeError, ConnectionResetError):
        pass  # init is gone: who reads its messages finds out next, and says why
    finally:
        connection.detach()
