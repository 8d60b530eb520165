"""What goes on in a running container: its statistics, and events as they happen."""

import posix
import select
import time

from ocipy import log
from ocipy.cgroups import oom, stats
from ocipy.errors import StateError, SyscallError, UsageError
from ocipy.init_process import open_pidfd
from ocipy.state import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def read_stats(state: "dict[str, Any]") -> "dict[str, Any]":
    """The ``data`` of runc's ``stats`` event.  ``state`` is what state.json says.

    Raises StateError without a cgroup, SyscallError.
    """
    paths = state["cgroup_paths"]
    if not paths:
        raise StateError(f"container {state['id']!r} has no cgroup, which would know its statistics")
    try:
        document = stats.read(paths)
        document["intel_rdt"] = {}
        if "resctrl" in state:
            from ocipy.cgroups import stats_rdt

            document["intel_rdt"] = stats_rdt.read(state["init_process_pid"])
    except OSError as problem:
        raise SyscallError(
            "read the statistics of", problem.errno or 0, problem.filename or paths[min(paths)]
        ) from None
    # runc has here the interfaces that it makes itself, of which the specification knows none.
    document["network_interfaces"] = None
    return document


def events(state: "dict[str, Any]", interval: float, stop: int = -1) -> "Iterator[dict[str, Any]]":
    """runc's events: ``stats`` every ``interval`` seconds, ``oom`` when it happens, until the container's init ends.

    Ends as well once ``stop``, a descriptor, can be read from.  Raises UsageError for an interval that isn't above 0;
    the iterator raises as ``read_stats``.
    """
    if not interval > 0:
        raise UsageError(f"the interval between statistics must be greater than 0, not {interval}")
    return _events(state, interval, stop)


def _events(state: "dict[str, Any]", interval: float, stop: int) -> "Iterator[dict[str, Any]]":
    pid, container_id = state["init_process_pid"], state["id"]
    try:
        pidfd = open_pidfd(pid)
    except ProcessLookupError:
        return
    watch = None
    try:
        if not is_alive(pid, state["init_process_start"]):
            return
        read_stats(state)  # what is wrong is said now, not an interval later
        watch = oom.watch(state["cgroup_paths"])
        if watch is None:
            log.warning("the kernel won't tell when this container runs out of memory: it has no memory controller")
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if stop >= 0:
            poller.register(stop, select.POLLIN)
        if watch:
            poller.register(watch.fd, watch.mask)
        due = time.monotonic() + interval
        while True:
            ready = {fd for fd, _ in poller.poll(max(0.0, due - time.monotonic()) * 1000)}
            # Asked whoever woke us: the end of init may come first, and the reason for it second.
            if watch and (ready & {watch.fd, pidfd}) and watch.happened():
                yield {"type": "oom", "id": container_id}
            if ready & {pidfd, stop}:
                return
            if time.monotonic() >= due:
                data = read_stats(state)
                due = max(due + interval, time.monotonic())
                # Otherwise they may be those of a cgroup that is being removed.
                if is_alive(pid, state["init_process_start"]):
                    yield {"type": "stats", "id": container_id, "data": data}
    finally:
        posix.close(pidfd)
        if watch:
            watch.close()
