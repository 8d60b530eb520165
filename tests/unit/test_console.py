"""The console socket of this process's own, without a container: what init does, done by hand."""

import array
import os
import socket

import pytest

from ocipy import Console, OcipyError


def send(console, text, *fds):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    with socket.socket(fileno=os.dup(console.fileno())) as connection:
        connection.sendmsg([text], rights)


def test_the_terminal_comes_out():
    master, slave = os.openpty()
    with Console() as console:
        send(console, b"/dev/ptmx", master)
        os.close(master)
        received = console.receive()
    assert not os.get_inheritable(received)
    assert os.get_blocking(received)
    os.write(received, b"typed\n")
    assert os.read(slave, 100) == b"typed\n"
    os.close(received)
    os.close(slave)


def test_none_was_sent():
    with Console() as console, pytest.raises(OcipyError, match="no terminal was sent"):
        console.receive()


def test_only_bytes_were_sent():
    with Console() as console:
        send(console, b"/dev/ptmx")
        with pytest.raises(OcipyError, match="no terminal was sent"):
            console.receive()


def test_nothing_stays_open():
    before = os.listdir("/proc/self/fd")
    with Console():
        assert len(os.listdir("/proc/self/fd")) == len(before) + 2
    console = Console()
    console.close()
    console.close()
    assert os.listdir("/proc/self/fd") == before
