"""The runtime's end of the socket to init: messages in every order that two processes may send them in."""

import os
import socket
import struct

import pytest

from ocipy import cloning
from ocipy.cloning import CALLERS_OWN, Request
from ocipy.plan.ops import Plan, SetupOp
from ocipy.spawn import Spawn


def packet(kind, number):
    return kind + struct.pack("<II", number, 0)


@pytest.fixture
def pair():
    """A spawn that hears from the other value, a socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        spawn = Spawn(Plan([], {}, False), "/nowhere", {}, Request(-1, -1, 3, CALLERS_OWN, None))
        spawn._sync = ours.fileno()
        ours.settimeout(5)
        yield spawn, theirs


def test_barrier_before_pid(pair):
    # The container's process may be faster than the go-between that has to tell of it.
    spawn, init = pair
    init.send(packet(b"B", 7))
    init.send(packet(b"P", 1234))
    init.shutdown(socket.SHUT_WR)  # a barrier that was lost shows as the end, not as a wait for ever
    assert spawn._receive_until(b"P") == 1234
    assert spawn._receive_until(b"B") == 7


def test_barrier_once(pair):
    spawn, init = pair
    for kind, number in ((b"B", 7), (b"P", 1234), (b"B", 9)):
        init.send(packet(kind, number))
    assert [spawn._receive_until(kind) for kind in (b"P", b"B", b"B")] == [1234, 7, 9]


def test_any_number_of_hierarchies(tmp_path):
    """Beside those with controllers there may be others, which only have a name."""
    from ocipy._shim import ffi

    names = [f"{tmp_path}/{number}" for number in range(40)]
    for name in names:
        os.close(os.open(name, os.O_CREAT))
    spawn, opened, alive = ffi.new("struct ocipy_spawn *"), [], []
    try:
        cloning._open_cgroups(spawn, SetupOp("spawn", "", tasks=names, unified=""), opened, alive)
        assert spawn.task_count == len(names)
        assert [os.readlink(f"/proc/self/fd/{spawn.task_fds[at]}") for at in range(40)] == names
        assert [ffi.string(spawn.task_paths[at]).decode() for at in range(40)] == [f"write to {name}" for name in names]
    finally:
        for fd in opened:
            os.close(fd)
