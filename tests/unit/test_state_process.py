"""Which process is meant: whatever it is called, a recycled pid isn't it, and a zombie has ended."""

import multiprocessing
import os
from pathlib import Path

import pytest

from ocipy import state
from ocipy.init_process import open_pidfd
from ocipy.state import process_stat


@pytest.fixture
def child():
    """A process that ends when told to, under a name given to it."""
    context = multiprocessing.get_context("fork")
    started = []

    def start(name):
        ours, theirs = context.Pipe()

        def live():
            Path("/proc/self/comm").write_text(name)
            theirs.send("ready")
            theirs.recv()

        process = context.Process(target=live)
        process.start()
        ours.recv()
        started.append((process, ours))
        return process

    yield start
    for process, ours in started:
        ours.send("end")
        process.join()


@pytest.mark.parametrize("name", ["plain", "two words", "a) Z 1 2 3", ") R 0 (", "()"])
def test_stat_of_a_process_of_any_name(child, name):
    pid = child(name).pid
    found = process_stat(pid)
    after_name = Path(f"/proc/{pid}/stat").read_text().split(f"({name}) ", 1)[1].split()
    assert found.state in "SRD"
    assert found.start_time == int(after_name[19])
    assert state.is_alive(pid, found.start_time)
    assert not state.is_alive(pid, found.start_time - 1)  # a recycled pid


def test_a_zombie_has_ended():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    found = process_stat(pid)
    assert found.state == "Z"
    assert not state.is_alive(pid, found.start_time)
    os.waitpid(pid, 0)
    assert process_stat(pid) is None
    assert not state.is_alive(pid, found.start_time)


@pytest.mark.parametrize("pid", [0, -1])
def test_no_process(pid):
    assert not state.is_alive(pid, 0)


def test_process_1():
    assert state.is_alive(1, process_stat(1).start_time)


def test_a_dead_process_s_pid_that_is_still_a_session_s_is_nobody_s():
    """Some kernels say EINVAL then, others ESRCH."""
    stop, ours = os.pipe()
    leader = os.fork()
    if not leader:
        os.setsid()
        if not os.fork():
            os.close(ours)
            os.read(stop, 1)
        os._exit(0)
    os.close(stop)
    os.waitpid(leader, 0)
    with pytest.raises(ProcessLookupError):
        open_pidfd(leader)
    os.close(ours)
