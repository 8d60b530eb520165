"""Id-mapped mounts, made detached in the host's namespaces before the container is (the step ``idmap-tree``)."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Ranges = list[tuple[int, int, int]]


def mapped_tree(values: "dict[str, Any]", user_namespaces: "dict[str, int]") -> int:
    """The descriptor of a detached mount of ``source`` with its ids mapped; the caller's to close.

    ``user_namespaces`` keeps descriptors by their maps, for mounts that have the same; the caller's to close, too.
    Raises OSError: ENOSYS before Linux 5.12, EINVAL for a filesystem that can't be id-mapped.
    """
    from ocipy._shim import lib

    fd = _user_namespace(values, user_namespaces)
    source = values["source"]
    tree = _checked(
        lib.ocipy_clone_tree(source.encode("utf-8", "surrogateescape"), values["recursive"]), f"open_tree {source}"
    )
    try:
        if values["slave"]:
            # Before the container's mounts were apart from the host's: what is mounted inside must not get there.
            _checked(lib.ocipy_enslave_tree(tree), f"mount_setattr MS_SLAVE {source}")
        _checked(lib.ocipy_map_tree(tree, values["map_all"], fd), f"mount_setattr MOUNT_ATTR_IDMAP {source}")
    except OSError:
        posix.close(tree)
        raise
    return tree


def _user_namespace(values: "dict[str, Any]", known: "dict[str, int]") -> int:
    """The namespace whose maps count: one to be joined by the container, or one made for the purpose."""
    from ocipy._shim import lib

    path, uid, gid = values["namespace"], _map_text(values["uid"]), _map_text(values["gid"])
    key = path or f"{uid}\n{gid}"
    if key not in known:
        if path:
            known[key] = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        else:
            known[key] = _checked(lib.ocipy_user_namespace(uid.encode(), gid.encode()), "make a user namespace")
    return known[key]


def _map_text(ranges: "Ranges") -> str:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(-result, what)
    return result
