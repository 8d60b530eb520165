"""ocipy-init as a sealed memfd: what is executed inside the container is no file of the host (CVE-2019-5736)."""

import fcntl
import posix

from ocipy.errors import SyscallError

_MFD_EXEC = 0x10  # Linux 6.3: without it, hosts with vm.memfd_noexec=1 refuse to execute
_ADD_SEALS = 1033
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, SHRINK, GROW, WRITE


def sealed_program() -> int:
    """A new descriptor of the sealed copy; the caller closes it.  Raises SyscallError."""
    path = __file__.rpartition("/")[0] + "/ocipy-init"
    try:
        source = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return _seal(_copy(source, posix.fstat(source).st_size))
        finally:
            posix.close(source)
    except OSError as problem:
        hint = "the package is not built: make build" if problem.errno == 2 else ""
        raise SyscallError("copy to a sealed memfd", problem.errno or 0, path, hint) from None


def _copy(source: int, size: int) -> int:
    flags = posix.MFD_CLOEXEC | posix.MFD_ALLOW_SEALING
    try:
        target = posix.memfd_create("ocipy-init", flags | _MFD_EXEC)
    except OSError as problem:
        if problem.errno != 22:
            raise
        target = posix.memfd_create("ocipy-init", flags)
    while size:
        size -= posix.sendfile(target, source, None, size)
    return target


def _seal(fd: int) -> int:
    # Not to be read: then a process of a user namespace in which we are nobody counts as one of ours until it executes
    # the container's program (would_dump in fs/exec.c), and none that shares the namespace may trace it, whatever
    # capabilities it has there, and get at the host's files by it.
    posix.fchmod(fd, 0o111)
    fcntl.fcntl(fd, _ADD_SEALS, _SEALS)
    return fd
