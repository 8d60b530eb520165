"""Taking a container apart: its processes, cgroups, state directory; then the poststop hooks."""

import _signal
import posix
import select

from ocipy import files
from ocipy.cgroups import manager
from ocipy.errors import StateError, SyscallError
from ocipy.state import StateDir, hook_document, is_alive, process_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL = 9
_PENDING_KILL = 1 << (SIGKILL - 1)
_KILL_TIMEOUT = 10_000  # ms that a killed process may take to end (it may have much memory to give back)


def destroy(state_dir: StateDir, state: "dict[str, Any]", *, run_hooks: bool) -> None:
    """Undo all of create; ``state_dir`` is locked, and gone afterwards.  ``state`` may be ``{}``: a create that died.

    A cgroup that can't be removed doesn't keep the rest from being undone; it is reported at the end (SyscallError).
    """
    pid = state.get("init_process_pid", 0)
    if pid:
        kill_process(pid, state["init_process_start"])
    paths: dict[str, str] = state.get("cgroup_paths", {})
    failure: SyscallError | None = None
    try:
        # Processes of a container that shares its PID namespace survive its init.
        manager.kill_all(paths)
        manager.remove(paths.values(), state_dir.root)
    except SyscallError as problem:
        failure = problem
    state_dir.remove()
    if run_hooks and state.get("hooks", {}).get("poststop"):
        from ocipy import hooks

        hooks.run_all_with_warnings(state["hooks"]["poststop"], "poststop", hook_document(state, "stopped"))
    if failure:
        raise failure


def send_signal(pid: int, start_time: int, number: int) -> bool:
    """Signal that very process, never one that got its pid since; False: it has ended.

    The pidfd is opened first and the start time compared after: then the pidfd can't mean another process.
    """
    try:
        pidfd = posix.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(pid, start_time):
            return False
        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    except OSError as problem:
        raise SyscallError(f"send signal {number} to process {pid}", problem.errno or 0) from None
    finally:
        posix.close(pidfd)
    return True


def kill_process(pid: int, start_time: int) -> None:
    """Kill that very process, wait until it has ended, and reap it if it is a child of ours."""
    if send_signal(pid, start_time, SIGKILL) and not wait_end(pid, start_time, _KILL_TIMEOUT):
        raise StateError(f"process {pid} doesn't end after SIGKILL")
    reap(pid, start_time, posix.WNOHANG)


def reap(pid: int, start_time: int, flags: int = 0) -> "int | None":
    """Wait for that very process, if it is a child of ours: its exit status, 128+n if signal n ended it.

    None: it is another's child, was reaped before, or, with WNOHANG in ``flags``, still runs.
    """
    try:
        pidfd = posix.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        stat = process_stat(pid)
        if stat is None or stat.start_time != start_time:
            return None
        ended = posix.waitid(posix.P_PIDFD, pidfd, posix.WEXITED | flags)
    except ChildProcessError:
        return None
    finally:
        posix.close(pidfd)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == posix.CLD_EXITED else 128 + ended.si_status


def wait_end(pid: int, start_time: int, timeout: "int | None" = None) -> bool:
    """Wait until that very process has ended (``timeout`` in ms, None: forever); whether it has."""
    try:
        pidfd = posix.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(pid, start_time):
            return True
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(timeout))
    finally:
        posix.close(pidfd)


def is_dying(state: "dict[str, Any]") -> bool:
    """Whether SIGKILL is on its way to init: then it has ended in a moment, which we wait for."""
    pid = state["init_process_pid"]
    try:
        text = files.read(f"/proc/{pid}/status").decode()
    except (FileNotFoundError, ProcessLookupError):
        return True
    pending = [int(line.split()[1], 16) for line in text.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    if not any(mask & _PENDING_KILL for mask in pending):
        return False
    return wait_end(pid, state["init_process_start"], _KILL_TIMEOUT)
