"""Id-mapped mounts, made detached for init to attach (the step ``idmap-tree``)."""

import _socket
import posix
from _struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    from ocipy._shim import lib

    mounts = posix.open(f"/proc/{pid}/ns/mnt", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        users = _user_namespace(values["uid"], values["gid"], pid)
        try:
            source = values["source"].encode("utf-8", "surrogateescape")
            tree = lib.ocipy_mapped_tree(mounts, source, values["recursive"], values["map_all"], users)
        finally:
            posix.close(users)
    finally:
        posix.close(mounts)
    if tree < 0:
        stage, number = divmod(-tree, 1 << 16)
        raise OSError(number, f"{_STAGES[stage]} {values['source']}")
    return int(tree)


def send(sync: int, message: bytes, trees: "list[int]") -> None:
    """The message to init, with the descriptors, which are closed."""
    try:
        connection = _socket.socket(fileno=sync)
        try:
            rights = pack(f"{len(trees)}i", *trees)
            connection.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
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
