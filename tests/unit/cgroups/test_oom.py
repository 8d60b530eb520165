"""What the kernel's notifications mean, on files that stand for a cgroup's (tests/system/test_events.py: real ones)."""

import errno
import os
import shutil
import threading

import pytest

from ocipy.cgroups import oom
from ocipy.errors import SyscallError


@pytest.fixture
def v1(tree):
    """A v1 memory cgroup with what watches it; the test is the kernel, which counts up."""
    for name in ("memory.oom_control", "cgroup.event_control"):
        (tree / name).touch()
    watch = oom.watch({"memory": str(tree)})
    yield watch
    watch.close()


def test_v1_asks_for_notifications(tree, v1):
    eventfd, control = map(int, (tree / "cgroup.event_control").read_text().split())
    assert eventfd == v1.fd
    assert control != eventfd


def test_v1_counts(v1):
    assert not v1.happened()
    os.eventfd_write(v1.fd, 1)
    assert v1.happened()
    assert not v1.happened()
    os.eventfd_write(v1.fd, 3)
    assert v1.happened()


def test_v1_s_removal_is_no_lack_of_memory(tree, v1):
    shutil.rmtree(tree)
    os.eventfd_write(v1.fd, 1)
    assert not v1.happened()


def test_v1_lack_of_memory_and_removal_at_once(tree, v1):
    os.eventfd_write(v1.fd, 1)
    shutil.rmtree(tree)
    os.eventfd_write(v1.fd, 1)
    assert v1.happened()


def test_v1_s_removal_that_is_told_late(tree, v1):
    """The directory has gone, the last signal is on its way: the first one was lack of memory."""
    os.eventfd_write(v1.fd, 1)
    shutil.rmtree(tree)
    later = threading.Timer(0.02, os.eventfd_write, [v1.fd, 1])
    later.start()
    assert v1.happened()
    later.join()


def test_v2_counts_what_was_killed(tree):
    events = tree / "memory.events"
    events.write_text("low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n")
    watch = oom.watch({"": str(tree)})
    try:
        assert not watch.happened(), "what was before doesn't count"
        events.write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n")
        assert not watch.happened()
        events.write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\noom_group_kill 0\n")
        assert watch.happened()
        assert not watch.happened()
    finally:
        watch.close()


def test_v2_after_the_cgroup_has_gone(tree, monkeypatch):
    (tree / "memory.events").write_text("oom_kill 0\n")
    watch = oom.watch({"": str(tree)})

    def gone(*_):
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(oom.posix, "pread", gone)
    assert not watch.happened()
    monkeypatch.undo()
    watch.close()


def test_a_hybrid_host_s_is_v1_s(tree):
    for name in ("memory.oom_control", "cgroup.event_control", "memory.events"):
        (tree / name).touch()
    watch = oom.watch({"": str(tree), "memory": str(tree)})
    assert isinstance(watch, oom.EventFd)
    watch.close()


@pytest.mark.parametrize("paths", [{}, {"": "/nowhere"}, {"memory": "/nowhere"}, {"pids": "/nowhere"}])
def test_where_the_kernel_wouldn_t_tell(paths):
    before = sorted(os.listdir("/proc/self/fd"))
    assert oom.watch(paths) is None
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_fails(tree):
    (tree / "memory.events").mkdir()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SyscallError, match=r"watch for lack of memory in .*EISDIR"):
        oom.watch({"": str(tree)})
    assert sorted(os.listdir("/proc/self/fd")) == before
