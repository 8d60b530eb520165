"""Files that are replaced whole or not at all, with the owner, mode and attributes they had."""

import errno
import os
import stat
import tempfile

from ocipy.errors import OcipyError, SyscallError

_MODE = 0o644


def read(path: str) -> "str | None":
    """The text of a regular file, None if there is nothing of that name.  Raises OcipyError."""
    try:
        # A FIFO must not make the command wait.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise SyscallError("read", problem.errno or 0, path) from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OcipyError(f"{path} is no regular file")
    with open(fd, "rb") as file:
        data = file.read()
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise OcipyError(f"{path}: line {line}: not UTF-8 text (byte 0x{data[problem.start]:02x})") from None


def write(path: str, text: str, mode: int = _MODE) -> None:
    """Put a file in its place by rename, on the disk before the call returns; ``mode`` is a new file's.

    Raises OSError; no trace is left of a failure.
    """
    directory = os.path.dirname(path)
    fd, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with open(fd, "wb") as file:
            file.write(text.encode())
            _dress(fd, path, mode)
            file.flush()
            os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync(directory)


def remove(path: str) -> None:
    """Remove a file if it is there.  Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    _sync(os.path.dirname(path))


def make_directories(path: str) -> "list[str]":
    """Make a directory and those above it; the value are those that weren't there, outermost first.  Raises OSError."""
    made: list[str] = []
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
            made.append(directory)
            os.chmod(directory, 0o755)
        except OSError:
            for each in reversed(made):
                os.rmdir(each)
            raise
    return made


def remove_directory(path: str) -> None:
    """Remove a directory, if it is there and nothing is in it."""
    try:
        os.rmdir(path)
    except OSError as problem:
        if problem.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
            raise


def _dress(fd: int, path: str, mode: int) -> None:
    """Give the file at ``fd`` the owner, mode and extended attributes (labels, ACLs) of the one it replaces."""
    try:
        former = os.stat(path)
    except FileNotFoundError:
        os.fchmod(fd, mode)
        return
    if (former.st_uid, former.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(fd, former.st_uid, former.st_gid)
    os.fchmod(fd, stat.S_IMODE(former.st_mode))
    try:
        for name in os.listxattr(path):
            os.setxattr(fd, name, os.getxattr(path, name))
    except OSError as problem:
        if problem.errno != errno.ENOTSUP:
            raise


def _sync(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
