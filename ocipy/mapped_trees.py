"""Mounts that init may not make, made detached for it to attach: id-mapped ones, and those of sources out of reach."""

import _socket
import errno
import posix
from _struct import pack

from ocipy.failures import step_error
from ocipy.plan.mount_options import COPY_LINK, SOURCE_LINK

_TREE = b"T"  # cffi_build/ops.h

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.ops import SetupOp

    Ranges = list[tuple[int, int, int]]

# cffi_build/shim_idmap.c
_STAGES = (
    "fork",
    "setns into the container's mount namespace",
    "open_tree",
    "mount_setattr MOUNT_ATTR_IDMAP",
    "helper",
)


def mapped_tree(values: "dict[str, Any]", pid: int) -> int:
    """The descriptor of a detached mount of ``source`` with its ids mapped; the caller's to close.

    ``pid`` is the container's process, which has its mount namespace and, unless ``uid`` and ``gid`` say otherwise,
    the user namespace whose maps count.  Raises OSError: ENOSYS before Linux 5.12, EINVAL for a filesystem that can't
    be id-mapped.
    """
    users = _user_namespace(values["uid"], values["gid"], pid)
    try:
        return _tree(values["source"], pid, values["recursive"], map_all=values["map_all"], users=users)
    finally:
        posix.close(users)


def answer(sync: int, op: "SetupOp", index: int, pid: int) -> None:
    """Give init a copy of the mount at a bind's source, or the open root, below a directory that it may not search.

    The root of a user namespace is nobody to the host's directories.  Raises StepError when the runtime is, too.
    """
    root = op.values.get("path")
    source, recursive = (root, -1) if root else (op.values["source"], op.values["recursive"])
    nofollow = not root and op.values["flags"] & (SOURCE_LINK | COPY_LINK) != 0
    try:
        tree = _tree(source, pid, recursive, nofollow=nofollow)
    except OSError as problem:
        number = problem.errno if "open_tree" in str(problem.strerror) else errno.EACCES
        detail = f"open {root}" if root else f"open the source {source}"
        raise step_error(op, index, OSError(number, detail)) from None
    send(sync, [tree])


def _tree(
    source: str, pid: int, recursive: int, *, nofollow: bool = False, map_all: bool = False, users: int = -1
) -> int:
    from ocipy._shim import lib

    mounts = posix.open(f"/proc/{pid}/ns/mnt", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        path = source.encode("utf-8", "surrogateescape")
        tree = lib.ocipy_mapped_tree(mounts, path, recursive, nofollow, map_all, users)
    finally:
        posix.close(mounts)
    if tree < 0:
        stage, number = divmod(-tree, 1 << 16)
        raise OSError(number, f"{_STAGES[stage]} {source}")
    return int(tree)


def send(sync: int, trees: "list[int]") -> None:
    """Give init the descriptors, which are closed, and let it go on."""
    try:
        connection = _socket.socket(fileno=sync)
        try:
            rights = pack(f"{len(trees)}i", *trees)
            connection.sendmsg([_TREE], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        finally:
            connection.detach()
    finally:
        while trees:
            posix.close(trees.pop())


def _user_namespace(uid: "Ranges", gid: "Ranges", pid: int) -> int:
    from ocipy._shim import lib

    if not uid:
        return posix.open(f"/proc/{pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
    fd = lib.ocipy_user_namespace(_map_text(uid), _map_text(gid))
    if fd < 0:
        raise OSError(-fd, "make a user namespace for the id maps")
    return int(fd)


def _map_text(ranges: "Ranges") -> bytes:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges).encode()
