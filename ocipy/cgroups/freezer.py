"""Freezing the processes of a container, and thawing them; which cgroup does it: ``state.freezer_of``.

The kernel's cgroup-v1/freezer-subsystem.rst; cgroup.freeze in cgroup-v2.rst.  Imported by what freezes, and for what is
frozen.
"""

import errno
import posix
import select
import time

from ocipy.cgroups import manager
from ocipy.cgroups.signalling import signal_all
from ocipy.errors import StateError, SyscallError
from ocipy.init_process import SIGKILL
from ocipy.state import freezer_of

TIMEOUT = 10.0  # seconds until all processes have to be frozen; one that waits for a disk can't be
_POLL = 0.001
_FREEZE_ANEW = 50  # polls


def freeze(paths: "dict[str, str]") -> None:
    """Freeze all processes in the cgroups, those below included, and wait until they are.

    Raises StateError, with the processes thawed, when it takes too long; also without a cgroup.  SyscallError.
    """
    directory, version = freezer_of(paths)
    if not directory:
        raise StateError("the container has no cgroup that could be frozen")
    frozen = _freeze_v1(directory) if version == 1 else _set_v2(directory, 1)
    if not frozen:
        thaw(paths)
        raise StateError(f"not all processes in {directory} could be frozen within {TIMEOUT:.0f} s")


def thaw(paths: "dict[str, str]") -> None:
    """Let the processes go on; this waits for nothing, and needs no cgroup to be there.  Raises SyscallError."""
    directory, version = freezer_of(paths)
    try:
        if version == 1:
            manager.write(f"{directory}/freezer.state", "THAWED")
        elif version == 2:
            manager.write(f"{directory}/cgroup.freeze", "0")
    except SyscallError as problem:
        if problem.errno not in (errno.ENOENT, errno.ENODEV):
            raise


def resume(paths: "dict[str, str]") -> None:
    """As ``thaw``, and wait until they do.  Raises StateError when a cgroup above keeps them frozen."""
    directory, version = freezer_of(paths)
    thaw(paths)
    thawed = manager.read(f"{directory}/freezer.state").startswith("THAWED") if version == 1 else _set_v2(directory, 0)
    if not thawed:
        raise StateError(f"a cgroup above {directory} is frozen: thaw that one")


def end(paths: "dict[str, str]") -> None:
    """Kill what is frozen.  v1 lets no process end before it is thawed: with the signal pending none gets further."""
    signal_all(paths, SIGKILL)
    thaw(paths)


def _freeze_v1(directory: str) -> bool:
    """Whether it went well.  This freezer tells nobody when it is done: it has to be asked.

    Processes that hold each other up while some are frozen already are freed now and then, to be frozen in another
    order.
    """
    file = f"{directory}/freezer.state"
    deadline = time.monotonic() + TIMEOUT
    polls = 0
    while time.monotonic() < deadline:
        manager.write(file, "FROZEN")
        if manager.read(file).startswith("FROZEN"):
            return True
        polls += 1
        if polls % _FREEZE_ANEW == 0:
            manager.write(file, "THAWED")
        time.sleep(_POLL)
    return False


def _set_v2(directory: str, value: int) -> bool:
    """Write it, and wait until cgroup.events says the same, whose changes wake who polls it; whether it did in time."""
    deadline = time.monotonic() + TIMEOUT
    events = posix.open(f"{directory}/cgroup.events", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        poller = select.poll()
        poller.register(events, select.POLLPRI)
        manager.write(f"{directory}/cgroup.freeze", str(value))
        while f"frozen {value}".encode() not in posix.pread(events, 4096, 0):
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                return False
    finally:
        posix.close(events)
    return True
