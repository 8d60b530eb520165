"""The state directory: ``ROOT/ID/state.json`` and, until the container is started, ``ROOT/ID/init.sock``.

``ROOT/ID/notify`` is there for a container that has a NOTIFY_SOCKET (notify.py).
state.json is written by rename, under a lock on the directory, before anything exists that could be orphaned.
Member names are runc's where the thing is the same.
"""

import fcntl
import posix
import time

from ocipy import files
from ocipy.errors import NotFoundError, StateError, SyscallError, UsageError
from ocipy.root_directory import make_root
from ocipy.spec.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "init.sock"
NOTIFY = "notify"
_FILE = "state.json"
CONFIG = "config.json"
_MOST_ID = 1024


def check_id(container_id: str) -> None:
    """Raise UsageError unless it is an id as runc takes it: letters, digits and ``_ + - .``, not ``.`` or ``..``."""
    if not container_id:
        raise UsageError("container id cannot be empty")
    plain = container_id.translate(_DELETE_ID_CHARACTERS)
    if plain or container_id in (".", "..") or not container_id.isascii() or len(container_id) > _MOST_ID:
        raise UsageError(f"invalid container id format: {container_id!r} (letters, digits, and _ + - . are allowed)")


_DELETE_ID_CHARACTERS = dict.fromkeys(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-."))


class StateDir:
    """One container's directory; ``path`` is ROOT/ID.  Holds the lock from ``lock`` (or ``create``) to ``close``."""

    __slots__ = ("_fd", "container_id", "path", "root")

    def __init__(self, root: str, container_id: str) -> None:
        check_id(container_id)
        self.root = root
        self.container_id = container_id
        self.path = f"{root}/{container_id}"
        self._fd = -1

    def make_root(self) -> None:
        """Make the runtime's root directory, 0700, with its parents.  Raises SyscallError."""
        try:
            make_root(self.root)
        except OSError as problem:
            raise SyscallError("make the root directory", problem.errno or 0, self.root) from None

    def entry(self, name: str) -> str:
        """A short path to a file in the locked directory: that of a socket holds 107 bytes at most (unix(7))."""
        return f"/proc/self/fd/{self._fd}/{name}"

    def create(self) -> None:
        """Make the directory, and lock it.  Raises StateError when the id is in use, SyscallError."""
        try:
            posix.mkdir(self.path, 0o700)
        except FileExistsError:
            raise self._used() from None
        except OSError as problem:
            raise SyscallError("make the state directory", problem.errno or 0, self.path) from None
        self.lock()

    def refuse_used(self) -> None:
        """Raise StateError when the id is in use, which is to be said before anything else that is wrong."""
        if self.exists():
            raise self._used()

    def _used(self) -> StateError:
        return StateError(f"container with id exists already: {self.container_id}")

    def lock(self) -> None:
        """Wait for the lock.  Raises NotFoundError when there is no such container (any more)."""
        try:
            self._fd = posix.open(self.path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise self._unknown() from None
        except OSError as problem:
            raise SyscallError("open the state directory", problem.errno or 0, self.path) from None
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        if posix.fstat(self._fd).st_nlink == 0:
            self.close()
            raise self._unknown()

    def close(self) -> None:
        """Give the lock up."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1

    def is_locked(self) -> bool:
        """Whether some process holds the lock: a create is under way, or a start, or a delete."""
        try:
            fd = posix.open(self.path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look must not see each other
        except BlockingIOError:
            return True
        finally:
            posix.close(fd)
        return False

    def write(self, state: "dict[str, Any]", name: str = _FILE) -> None:
        """Replace state.json, or the other file, at once.  Raises SyscallError."""
        try:
            files.replace(f"{self.path}/{name}", dumps(state).encode("utf-8", "surrogateescape"), 0o600)
        except OSError as problem:
            raise SyscallError("write", problem.errno or 0, f"{self.path}/{name}") from None

    def read(self) -> "dict[str, Any]":
        """What state.json says; ``{}`` when the create that made the directory died before writing it.

        Raises NotFoundError, SyscallError, ConfigError (broken JSON).
        """
        try:
            data = files.read(f"{self.path}/{_FILE}")
        except FileNotFoundError:
            if self.exists():
                return {}
            raise self._unknown() from None
        except OSError as problem:
            raise SyscallError("open", problem.errno or 0, f"{self.path}/{_FILE}") from None
        state: Any = loads(data, f"{self.path}/{_FILE}")
        found: dict[str, Any] = state
        return found

    def look(self) -> "tuple[dict[str, Any], str]":
        """What ``read`` gives, and the status with it, whatever others do to the container meanwhile.

        Without the lock held by somebody, the create that wrote "creating" has died; or it came to its end between the
        two looks.  One that holds the lock before it has written anything (or has removed all again) has none to show.
        Raises as ``read``.
        """
        since = time.monotonic()
        while True:
            found = self.read()
            if not _is_unfinished(found):
                return found, self.status(found)
            if self.is_locked():
                if found:
                    return found, "creating"
                raise self._unknown()
            # Between mkdir and flock there is nothing, and no lock.
            if self.read() == found and (found or time.monotonic() - since > _MOST_OF_MKDIR):
                return found, "stopped"
            time.sleep(0.001)

    def status(self, found: "dict[str, Any]") -> str:
        """``created``, ``running``, ``paused`` or ``stopped`` (runtime.md, State).

        ``found`` is what ``read`` gave to who holds the lock: a create that isn't finished then has died.
        """
        if _is_unfinished(found):
            return "stopped"
        if not is_alive(found["init_process_pid"], found["init_process_start"]):
            return "stopped"
        if is_frozen(found["cgroup_paths"]):
            return "paused"
        return "created" if files.exists(f"{self.path}/{SOCKET}") else "running"

    def _unknown(self) -> NotFoundError:
        return NotFoundError(f"container {self.container_id!r} does not exist")

    def exists(self) -> bool:
        """Whether the directory is there."""
        return files.exists(self.path)

    def remove(self) -> None:
        """Remove the directory with all in it; the lock goes with it."""
        try:
            _remove_directory(self.path)
        except FileNotFoundError:
            return
        except OSError as problem:
            raise SyscallError("remove the state directory", problem.errno or 0, self.path) from None
        finally:
            self.close()


def _is_unfinished(found: "dict[str, Any]") -> bool:
    return bool(found.get("status", "creating") == "creating")


_MOST_OF_MKDIR = 0.1  # seconds


def _remove_directory(path: str) -> None:
    for name in posix.listdir(path):
        if name == NOTIFY:
            files.empty(f"{path}/{name}")
            posix.rmdir(f"{path}/{name}")
        else:
            posix.unlink(f"{path}/{name}")
    posix.rmdir(path)


def list_ids(root: str) -> "list[str]":
    """The ids of all containers below a root directory, sorted; none when it isn't there."""
    try:
        names = posix.listdir(root)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.translate(_DELETE_ID_CHARACTERS))


def hook_document(state: "dict[str, Any]", status: str) -> "dict[str, Any]":
    """The state as hooks read it (runtime.md, State), from what state.json says; without the pid when it is 0."""
    document: dict[str, Any] = {name: state[name] for name in _HOOK_MEMBERS if name in state}
    document["status"] = status
    if state["init_process_pid"] and status != "stopped":
        document["pid"] = state["init_process_pid"]
    return document


_HOOK_MEMBERS = ("ociVersion", "id", "bundle", "annotations")


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with nanoseconds, as Go writes it."""
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09}Z"


def freezer_of(paths: "dict[str, str]") -> "tuple[str, int]":
    """The cgroup by which a container is frozen, and of which version: v1's where there is one; ("", 0) for none."""
    for name, path in paths.items():
        if "freezer" in name.split(","):
            return path, 1
    return (paths[""], 2) if "" in paths else ("", 0)


def is_frozen(paths: "dict[str, str]") -> bool:
    """Whether the processes in a container's cgroups (hierarchy name → directory) are frozen, or about to be."""
    directory, version = freezer_of(paths)
    try:
        if version == 1:
            return files.read(f"{directory}/freezer.state").startswith(b"FR")  # FROZEN, FREEZING
        return version == 2 and b"frozen 1" in files.read(f"{directory}/cgroup.events")
    except OSError:
        return False  # no cgroup (any more)


class ProcessStat:
    """What /proc/PID/stat says (proc_pid_stat(5)): state letter, and start time in clock ticks since boot."""

    __slots__ = ("start_time", "state")

    def __init__(self, state: str, start_time: int) -> None:
        self.state = state
        self.start_time = start_time


def process_stat(pid: int) -> "ProcessStat | None":
    """The process's stat; None when there is none."""
    try:
        data = files.read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything; the fields count from its last ")".
    fields = data.rpartition(b")")[2].split()
    return ProcessStat(fields[0].decode(), int(fields[19]))


def is_alive(pid: int, start_time: int) -> bool:
    """Whether that very process still runs: a recycled pid has another start time, a zombie has ended."""
    stat = process_stat(pid) if pid > 0 else None
    return stat is not None and stat.start_time == start_time and stat.state not in ("Z", "X")
