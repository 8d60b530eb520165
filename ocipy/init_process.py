"""The container's init as a process of the host: known by pid and start time, and held by a pidfd."""

import _signal
import errno
import posix
import select

from ocipy import files
from ocipy.errors import StateError, SyscallError
from ocipy.state import is_alive, process_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL = 9
KILL_TIMEOUT = 10_000  # ms that a killed process may take to end (it may have much memory to give back)
_PENDING_KILL = 1 << (SIGKILL - 1)


def open_pidfd(pid: int) -> int:
    """A descriptor of that process.  Raises ProcessLookupError when there is none.

    A dead process's pid that is still the session or the process group of others is EINVAL to older kernels; so is a
    thread's, which is ENOENT to newer ones.
    """
    try:
        return posix.pidfd_open(pid)
    except OSError as problem:
        if problem.errno in (errno.EINVAL, errno.ENOENT):
            raise ProcessLookupError(errno.ESRCH, posix.strerror(errno.ESRCH)) from None
        raise


def send_signal(pid: int, start_time: int, number: int) -> bool:
    """Signal that very process, never one that got its pid since; False: it has ended.

    The pidfd is opened first and the start time compared after: then the pidfd can't mean another process.
    """
    try:
        pidfd = open_pidfd(pid)
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


def kill(pid: int, start_time: int) -> None:
    """Kill that very process, wait until it has ended, and reap it if it is a child of ours."""
    if send_signal(pid, start_time, SIGKILL) and not wait_end(pid, start_time, KILL_TIMEOUT):
        raise StateError(f"process {pid} doesn't end after SIGKILL")
    reap(pid, start_time, posix.WNOHANG)


def reap(pid: int, start_time: int, flags: int = 0) -> "int | None":
    """Wait for that very process, if it is a child of ours: its exit status, 128+n if signal n ended it.

    None: it is another's child, was reaped before, or, with WNOHANG in ``flags``, still runs.
    """
    try:
        pidfd = open_pidfd(pid)
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
        pidfd = open_pidfd(pid)
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


def exit_status(wait_status: int) -> int:
    """The shell's number for what waitpid(2) says: the exit status, or 128+n for signal n."""
    code = posix.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


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
    return wait_end(pid, state["init_process_start"], KILL_TIMEOUT)


def is_ending(state: "dict[str, Any]") -> bool:
    """Whether init has ended, or is about to: as the first of a PID namespace it waits for the rest to end first."""
    pid = state["init_process_pid"]
    if not is_alive(pid, state["init_process_start"]):
        return True
    try:
        flags = int(files.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[_FLAGS])
    except (FileNotFoundError, ProcessLookupError):
        return True
    return bool(flags & _PF_EXITING) or is_dying(state)


_FLAGS = 6  # proc_pid_stat(5), counted from the state on
_PF_EXITING = 0x4  # linux/sched.h


def is_namespace_init(pid: int) -> bool:
    """Whether the process is the first of a PID namespace, all others of which the kernel ends with it."""
    try:
        text = files.read(f"/proc/{pid}/status").decode("utf-8", "surrogateescape")
    except (FileNotFoundError, ProcessLookupError):
        return False
    pids = next(line.split()[1:] for line in text.splitlines() if line.startswith("NSpid:"))
    return len(pids) > 1 and pids[-1] == "1"
