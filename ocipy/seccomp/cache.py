"""Compiled filters by content hash, in a directory of the runtime's own.

A wrong entry would be a hole in every container that uses the profile: the directory has to belong to the caller and be
closed to everybody else, so does the file, and its bytes carry their own hash.  Anything else is no entry: it is
compiled anew and written over.  No failure of the cache is an error: it costs 60 ms.
"""

import posix

from ocipy import log

HASH_SIZE = 32
# The cache is for the few profiles of a few engines; the limit keeps one that writes a new one for every container
# from filling /run.
MAX_ENTRIES = 256


def digest(data: bytes) -> bytes:
    """The BLAKE2b hash of ``data``, HASH_SIZE bytes."""
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    value: bytes = blake2b(data, digest_size=HASH_SIZE).digest()
    return value


def load(directory: str, key: bytes) -> "bytes | None":
    """The body stored under ``key``, None if there is none that can be trusted."""
    fd = _open_directory(directory)
    if fd < 0:
        return None
    try:
        stored = _read(fd, key.hex())
    finally:
        posix.close(fd)
    # The key is hashed with the body: an entry under another's name is no entry either.
    if stored is None or digest(key + stored[HASH_SIZE:]) != stored[:HASH_SIZE]:
        return None
    return stored[HASH_SIZE:]


def store(directory: str, key: bytes, body: bytes) -> None:
    """Store ``body`` under ``key``, atomically; makes the directory (0700) if it is missing."""
    try:
        posix.mkdir(directory, 0o700)
    except OSError:
        pass  # there already, or _open_directory tells why not
    fd = _open_directory(directory)
    if fd < 0:
        return
    try:
        _write(fd, key.hex(), digest(key + body) + body)
    except OSError as problem:
        log.debug(f"seccomp cache {directory}: {problem.strerror}")
    finally:
        posix.close(fd)


def _open_directory(directory: str) -> int:
    """An fd of the directory, -1 if it isn't there or isn't the caller's alone."""
    try:
        fd = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError as problem:
        log.debug(f"seccomp cache {directory}: {problem.strerror}")
        return -1
    if _is_private(posix.fstat(fd)):
        return fd
    posix.close(fd)
    log.warning(f"seccomp cache {directory} is not used: it has to belong to uid {posix.geteuid()}, with mode 0700")
    return -1


def _is_private(status: posix.stat_result) -> bool:
    return status.st_uid == posix.geteuid() and not status.st_mode & 0o077


def _read(directory: int, name: str) -> "bytes | None":
    try:
        # O_NONBLOCK: a FIFO in the place of an entry must not keep the open waiting.
        flags = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
        fd = posix.open(name, flags, dir_fd=directory)
    except OSError:
        return None
    try:
        status = posix.fstat(fd)
        if not _is_private(status):
            return None
        return posix.read(fd, status.st_size)
    except OSError:
        return None
    finally:
        posix.close(fd)


def _write(directory: int, name: str, content: bytes) -> None:
    _make_room(directory)
    # Random: threads and processes, of other PID namespaces too, may compile the same profile at the same time.
    temporary = f"new-{posix.urandom(8).hex()}"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    fd = posix.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        written = posix.write(fd, content)
    finally:
        posix.close(fd)
    if written == len(content):
        posix.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        posix.unlink(temporary, dir_fd=directory)


def _make_room(directory: int) -> None:
    """Empty the directory when it is full, left-over temporary files with it: what is in use comes back by itself."""
    entries = posix.listdir(directory)
    if len(entries) < MAX_ENTRIES:
        return
    for entry in entries:
        try:
            posix.unlink(entry, dir_fd=directory)
        except FileNotFoundError:
            pass  # another runtime empties it as well
