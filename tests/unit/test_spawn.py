"""The runtime's end of the socket to init: messages in every order that two processes may send them in."""

import os
import socket
import struct

import pytest

from ocipy import cloning
from ocipy.cloning import CALLERS_OWN, Request
from ocipy.errors import StepError
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


@pytest.fixture
def go_between():
    """A process that ends at once, with status 3."""
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    return pid


def test_a_go_between_and_what_it_leaves(pair, go_between):
    spawn, init = pair
    init.send(packet(b"P", 1234))
    init.send(packet(b"B", 7))
    spawn._adopt(go_between)
    assert (spawn.pid, spawn._receive_until(b"B")) == (1234, 7)
    with pytest.raises(ChildProcessError):
        os.waitpid(go_between, 0)
    os.close(spawn._between)


def test_a_go_between_that_ends_before_it_tells(pair, go_between):
    """A container may have the right to kill it, by its cgroup; who it left behind keeps the socket open."""
    spawn, _ = pair
    spawn.pid = go_between
    with pytest.raises(StepError, match="the process exited with status 3 during setup"):
        spawn._adopt(go_between)
    assert spawn.pid == 0
    os.close(spawn._between)


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
