"""A process on its way into the namespaces of another, held as soon as it is there."""

import contextlib
import os
import socket

from ocipy import cloning
from ocipy.plan.encode import encode
from ocipy.plan.ops import Plan, SetupOp
from tests.system.looking import NAMESPACES
from tests.system.runtime import wait_ended


@contextlib.contextmanager
def entering(target, *kinds):
    """(its pid, the runtime's end of its socket), in those namespaces of the process ``target``."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    join = {kind: f"/proc/{target}/ns/{NAMESPACES[kind]}" for kind in kinds}
    spawn = SetupOp(
        "spawn", "", new=[], join=join, become_root=False, wait_maps=True, fork_again=True, time_offsets="",
        oom_score="", tasks=[], unified="",
    )  # fmt: skip
    request = cloning.Request(-1, -1, 3, cloning.CALLERS_OWN, None)
    request.sync, request.runtime = theirs.detach(), ours.fileno()
    between = cloning.clone(spawn, 0, encode(Plan([spawn], {}, False)), request)
    message = ours.recv(100)
    assert message[:1] == b"P", message
    pid = int.from_bytes(message[1:5], "little")
    os.waitpid(between, 0)
    with ours:
        yield pid, ours
    wait_ended(pid)
