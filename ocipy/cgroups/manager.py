"""The one place that writes to cgroup filesystems.

Directories above the container's own that had to be made are noted in a ledger (a file in the runtime's root
directory), so that whoever empties them last removes them, and those that were there before stay.
"""

import fcntl
import posix
import time

from ocipy import files
from ocipy.cgroups.paths import DEFAULT_PARENT
from ocipy.errors import SyscallError
from ocipy.files import exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Self

_LEDGER = "@cgroups"  # not a container id: those have no "@"


def create(paths: "Iterable[str]", root: str) -> None:
    """Make the container's cgroups with their missing ancestors; existing ones are used as they are.

    ``root`` is the runtime's root directory, where the ledger lies.  Raises SyscallError.
    """
    paths = list(paths)
    for attempts_left in reversed(range(10)):
        try:
            _make(paths, root)
            break
        except FileNotFoundError as problem:
            # Another container's end removed an ancestor we had just made or seen.
            if not attempts_left:
                raise _error("make the cgroup", problem, problem.filename) from problem
        except OSError as problem:
            raise _error("make the cgroup", problem, problem.filename) from problem
    for path in paths:
        _fill_cpuset(path)


def _make(paths: "list[str]", root: str) -> None:
    chains = [_missing(path) for path in paths]
    ancestors = [directory for chain in chains for directory in reversed(chain[1:])]
    if ancestors:
        # Under the lock until they are made: who found them noted but missing would strike them out.
        with _Ledger(root) as ledger:
            ledger.add(ancestors)
            _make_all(ancestors)
    _make_all([chain[0] for chain in chains if chain])


def _make_all(directories: "Iterable[str]") -> None:
    for directory in directories:
        try:
            posix.mkdir(directory, 0o755)
        except FileExistsError:
            continue


def _missing(path: str) -> "list[str]":
    """The path, if it doesn't exist, and its ancestors that don't, deepest first."""
    missing = []
    while not exists(path):
        missing.append(path)
        path = path.rpartition("/")[0]
    return missing


def _fill_cpuset(path: str) -> None:
    """A v1 cpuset without cpus or mems takes no process: hand the parent's down where they are missing."""
    if not exists(f"{path}/cpuset.cpus") or not exists(f"{path}/cgroup.clone_children"):  # which v2 doesn't have
        return
    for file in ("cpuset.cpus", "cpuset.mems"):
        chain = []
        at = path
        while exists(f"{at}/{file}") and not read(f"{at}/{file}").strip():
            chain.append(at)
            at = at.rpartition("/")[0]
        if not chain or not exists(f"{at}/{file}"):
            continue
        value = read(f"{at}/{file}").strip()
        for directory in reversed(chain):
            write(f"{directory}/{file}", value)


def apply(
    path: str,
    value: str,
    fallback: "tuple[str, str] | None" = None,
    optional: bool = False,
    usage: str = "",
    verified: bool = False,
) -> None:
    """Write one setting (``cgroups.settings.Setting``).  Raises SyscallError, which names the file and the value."""
    if usage and exists(usage) and int(read(usage)) >= int(value):
        raise SyscallError(f"write {value!r} to", 16, path, f"{usage} is at {read(usage).strip()}")
    try:
        write(path, value)
    except SyscallError as problem:
        if problem.errno != 2 or not (fallback or optional):
            raise
        if fallback:
            write(*fallback)
    if verified and int(read(path)) > int(value):
        raise SyscallError(f"write {value!r} to", 95, path, "this kernel keeps no such limit; drop it from config.json")


def write(path: str, value: str) -> None:
    """Write one value to one file of a cgroup.  Raises SyscallError."""
    try:
        files.write(path, value)
    except OSError as problem:
        raise _error(f"write {value!r} to", problem, path) from problem


def read(path: str) -> str:
    """The text of one file of a cgroup.  Raises OSError."""
    return files.read(path).decode()


def processes(paths: "Iterable[str]") -> "list[int]":
    """The pids in the first of the cgroups that exists, those of its children included."""
    for path in paths:
        if exists(f"{path}/cgroup.procs"):
            return [pid for directory in _tree(path) for pid in _members(directory)]
    return []


def _members(directory: str) -> "list[int]":
    try:
        return [int(pid) for pid in read(f"{directory}/cgroup.procs").split()]
    except OSError as problem:
        # Removed meanwhile (ENODEV: after the open); or threaded, with processes that are those of the domain above.
        if problem.errno in (2, 19, 95):
            return []
        raise


def kill_all(paths: "dict[str, str]") -> None:
    """End every process in the cgroups, and wait until none is left, 10 s at most."""
    deadline = time.monotonic() + 10
    while processes(paths.values()) and time.monotonic() < deadline:
        from ocipy.cgroups.signalling import signal_all

        signal_all(paths, 9)
        time.sleep(0.002)


def remove(paths: "Iterable[str]", root: str, kept: "Collection[str]" = ()) -> None:
    """Remove the container's cgroups, what they hold in turn, and ancestors of our making that are empty now.

    Those in ``kept`` were there before the container, and only lose what is in them (runtime.md, Delete).
    Raises SyscallError when one still holds a process after a second.
    """
    for path in kept:
        for directory in reversed(_tree(path)[1:]):
            _remove_one(directory)
    paths = [path for path in paths if path not in kept]
    for path in paths:
        try:
            posix.rmdir(path)
        except OSError:
            # Not there, or not empty: children that the container made, or a process on its way out.
            for directory in reversed(_tree(path)):
                _remove_one(directory)
    if exists(f"{root}/{_LEDGER}"):
        with _Ledger(root) as ledger:
            for path in paths:
                ledger.prune(path.rpartition("/")[0])
    for path in paths:
        _remove_default_parent(path.rpartition("/")[0])


def _remove_default_parent(directory: str) -> None:
    """The parent of all containers without a cgroupsPath is ours by its name, whichever root directory made it."""
    if directory.rpartition("/")[2] == DEFAULT_PARENT:
        try:
            posix.rmdir(directory)
        except OSError:
            return  # in use, or gone


def _remove_one(directory: str) -> None:
    deadline = time.monotonic() + 1
    while True:
        try:
            posix.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError as problem:
            # EBUSY: the last process is on its way out.
            if problem.errno != 16 or time.monotonic() > deadline:
                raise _error("remove the cgroup", problem, directory) from problem
            time.sleep(0.002)
        else:
            return


def _tree(path: str) -> "list[str]":
    """The cgroup and all below it, parents first; empty when it doesn't exist."""
    found = [path] if exists(f"{path}/.") else []
    for directory in found:
        try:
            found.extend(f"{directory}/{entry.name}" for entry in posix.scandir(directory) if entry.is_dir())
        except FileNotFoundError:
            continue
    return found


class _Ledger:
    """The ancestors we made, one a line, under a lock."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{_LEDGER}"

    def __enter__(self) -> "Self":
        try:
            self._fd = posix.open(self._path, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise SyscallError("open", problem.errno or 0, self._path) from None
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        data = posix.pread(self._fd, posix.fstat(self._fd).st_size, 0).decode("utf-8", "surrogateescape")
        self._lines = data.split("\n")[:-1]  # no cgroup's name has a newline in it (cgroup_mkdir in kernel/cgroup)
        return self

    def __exit__(self, *exception: object) -> None:
        posix.close(self._fd)

    def _save(self) -> None:
        """On a full disk what was noted before stays: lines are added at the end."""
        text = "".join(f"{line}\n" for line in self._lines).encode("utf-8", "surrogateescape")
        written = 0
        try:
            while written < len(text):
                written += posix.pwrite(self._fd, text[written:], written)
            posix.ftruncate(self._fd, written)
        except OSError as problem:
            raise SyscallError("write", problem.errno or 0, self._path) from None

    def add(self, directories: "Iterable[str]") -> None:
        """Note them, before they are made: what a crash leaves is then known to be ours."""
        self._lines += [each for each in directories if each not in self._lines]
        self._save()

    def prune(self, directory: str) -> None:
        """Remove the directory and its ancestors, as far as they are ours and empty."""
        while directory in self._lines:
            try:
                posix.rmdir(directory)
            except (FileNotFoundError, NotADirectoryError):
                pass  # it was never made
            except OSError:
                return  # another container's cgroup is in it
            self._lines.remove(directory)
            self._save()
            directory = directory.rpartition("/")[0]


_NO_BFQ = "the I/O scheduler with that setting isn't there: modprobe bfq"
_MISSING = {"blkio": _NO_BFQ, "io": _NO_BFQ, "hugetlb": "this machine has no huge pages of that size"}


def _error(action: str, problem: OSError, path: str) -> SyscallError:
    hint = ""
    if problem.errno in (1, 13, 30):
        hint = "the runtime may not write to this cgroup; run as root, or on a delegated one"
    elif problem.errno == 2 and "write" in action:
        hint = _MISSING.get(path.rpartition("/")[2].partition(".")[0], "this kernel's controller has no such file")
    elif "cpu.rt_runtime_us" in path:
        hint = "the cgroups above it need as much real-time first: raise their cpu.rt_runtime_us"
    return SyscallError(action, problem.errno or 0, path, hint)
