"""Whole files, read and written by system calls: ``open`` would import codecs, and buffer what needs no buffer."""

import posix


def read(path: str) -> bytes:
    """All bytes of a file.  Raises OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        parts = []
        while part := posix.read(fd, 1 << 17):
            parts.append(part)
    finally:
        posix.close(fd)
    return b"".join(parts)


def write(path: str, text: str) -> None:
    """Write to a file that is there, by one call, as the kernel's files (cgroupfs, procfs) want it.  Raises OSError."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)


def replace(path: str, data: bytes, mode: int) -> None:
    """Put a file in its place whole, or not at all (by rename); no trace is left of a failure.  Raises OSError."""
    directory, slash, name = path.rpartition("/")
    temporary = f"{directory}{slash}.{name}.{posix.getpid()}"
    fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, mode)
    try:
        while data:
            data = data[posix.write(fd, data) :]
        posix.rename(temporary, path)
    except OSError:
        posix.unlink(temporary)
        raise
    finally:
        posix.close(fd)


def in_memory(name: str, data: bytes, sealable: bool = False) -> int:
    """A new descriptor of a file that is in memory alone (memfd_create(2)), close-on-exec; the caller closes it."""
    fd = posix.memfd_create(name, posix.MFD_CLOEXEC | (posix.MFD_ALLOW_SEALING if sealable else 0))
    while data:
        data = data[posix.write(fd, data) :]
    return fd


def exists(path: str) -> bool:
    """Whether there is something of that name that we may look at."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def absolute(path: str) -> str:
    """An absolute path without ``.`` and empty parts; ``..`` stays, for it may follow a symbolic link."""
    if not path.startswith("/"):
        path = f"{posix.getcwd()}/{path}"
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def empty(path: str) -> None:
    """Remove whatever a container may have put into a directory: no link is followed, and any depth will do."""
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    top = posix.open(path, flags)
    try:
        while names := posix.listdir(top):
            for name in names:
                try:
                    posix.unlink(name, dir_fd=top)
                except IsADirectoryError:
                    below = posix.open(name, flags, dir_fd=top)
                    try:
                        for child in posix.listdir(below):
                            posix.rename(child, posix.urandom(16).hex(), src_dir_fd=below, dst_dir_fd=top)
                    finally:
                        posix.close(below)
                    posix.rmdir(name, dir_fd=top)
    finally:
        posix.close(top)
