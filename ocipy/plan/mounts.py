"""``mounts``: one step each, in the config's order; a ``cgroup`` mount becomes the tree a container expects there."""

from ocipy.errors import StepError
from ocipy.plan.mount_options import RDONLY, MountOptions
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo

PLAIN_TARGET = 1  # cffi_build/op_mount.c: no symbolic link on the way to the mount point

# Filesystems whose superblock others share: read-only is a matter of the mount alone.
_SHARED_SUPERBLOCK = ("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "tmpfs")


class MountContext:
    """What the mount steps depend on beside the mount: bundle (for relative sources), host, cgroups, namespaces."""

    __slots__ = ("bundle", "cgroup_namespace", "cgroup_paths", "host", "user_namespace")

    def __init__(
        self,
        bundle: str,
        host: "HostInfo",
        cgroup_paths: "dict[str, str]",
        cgroup_namespace: bool,
        user_namespace: bool = False,
    ) -> None:
        self.bundle = bundle
        self.host = host
        self.cgroup_paths = cgroup_paths
        self.cgroup_namespace = cgroup_namespace
        self.user_namespace = user_namespace


def mounts(entries: "list[dict[str, Any]]", context: MountContext) -> "Iterator[SetupOp]":
    """The steps for ``mounts``.  Raises StepError for an option that isn't supported."""
    for number, entry in enumerate(entries):
        pointer = f"/mounts/{number}"
        options = MountOptions(entry["options"])
        if options.unsupported or entry["uidMappings"] or entry["gidMappings"]:
            what = options.unsupported[0] if options.unsupported else "uidMappings"
            where = f"{dotted(pointer)} ({entry['destination']})"
            raise StepError(where, f"mount option {what!r} is not supported yet", 0, "", -1, pointer)
        destination = "/" + entry["destination"].lstrip("/")
        if options.bind or entry["type"] == "bind":
            yield _bind(pointer, destination, entry, options, context.bundle)
        elif entry["type"] == "cgroup":
            yield from _cgroup(pointer, destination, options, context)
        else:
            yield _filesystem(pointer, destination, entry["type"], entry["source"], options)


def mounts_readonly_dev(entries: "list[dict[str, Any]]") -> "Iterator[SetupOp]":
    """/dev asked for read-only is mounted writable, for the devices to be made in it; this makes it read-only."""
    for number, entry in enumerate(entries):
        options = MountOptions(entry["options"])
        if _is_dev(entry["destination"]) and not options.bind and options.set & RDONLY:
            yield SetupOp("remount", f"/mounts/{number}", destination="/dev", set=RDONLY, clear=0, propagation=0)


def brings_own_dev(entries: "list[dict[str, Any]]") -> bool:
    """Whether /dev is a bind mount: then it is used as it is (as runc does)."""
    return any(
        _is_dev(entry["destination"]) and (entry["type"] == "bind" or MountOptions(entry["options"]).bind)
        for entry in entries
    )


def _is_dev(destination: str) -> bool:
    return destination.strip("/") == "dev"


def _bind(pointer: str, destination: str, entry: "dict[str, Any]", options: MountOptions, bundle: str) -> SetupOp:
    source = entry["source"] if entry["source"].startswith("/") else f"{bundle}/{entry['source']}"
    return SetupOp(
        "bind",
        pointer,
        destination=destination,
        source=source,
        recursive=int(options.recursive),
        set=options.set,
        clear=options.clear,
        recursive_set=options.recursive_set,
        recursive_clear=options.recursive_clear,
        propagation=options.propagation,
    )


def _filesystem(pointer: str, destination: str, type_: str, source: str, options: MountOptions) -> SetupOp:
    attributes = options.set
    data = list(options.data)
    if attributes & RDONLY and type_ not in _SHARED_SUPERBLOCK:
        data.append("ro")
    if _is_dev(destination):
        attributes &= ~RDONLY
    return SetupOp(
        "mount",
        pointer,
        destination=destination,
        type=type_,
        source=source or type_ or "none",
        data=",".join(data),
        set=attributes,
        propagation=options.propagation,
        flags=PLAIN_TARGET if type_ in ("proc", "sysfs") else 0,
    )


def _cgroup(pointer: str, destination: str, options: MountOptions, context: MountContext) -> "Iterator[SetupOp]":
    host = context.host
    if host.cgroup_mode == "unified" or not host.hierarchies:
        if host.unified and context.user_namespace and not context.cgroup_namespace:
            # The user namespace owns no cgroup namespace that it could mount: the host's mount is bound (as runc does).
            options.recursive = True
            yield _bind(pointer, destination, {"source": host.unified.mount}, options, "")
        else:
            yield _filesystem(pointer, destination, "cgroup2", "cgroup", options)
        return
    tree = MountOptions(["mode=755"])
    tree.set = options.set & ~RDONLY
    yield _filesystem(pointer, destination, "tmpfs", "tmpfs", tree)
    for hierarchy in host.hierarchies:
        name = hierarchy.mount.rpartition("/")[2]
        if context.cgroup_namespace:
            one = MountOptions([hierarchy.name])
            one.set = options.set
            if hierarchy.name.startswith("name="):
                one.data.insert(0, "none")
            yield _filesystem(pointer, f"{destination}/{name}", "cgroup", "cgroup", one)
        else:
            # Without a namespace of its own the container sees its own cgroup (without one of those, the runtime's),
            # not the host's tree.
            entry = {"source": context.cgroup_paths.get(hierarchy.name, hierarchy.mount + hierarchy.own)}
            yield _bind(pointer, f"{destination}/{name}", entry, options, "")
        for controller in hierarchy.controllers if len(hierarchy.controllers) > 1 else ():
            yield SetupOp("symlink", pointer, path=f"{destination}/{controller}", target=name, replace=0)
    if options.set & RDONLY:
        yield SetupOp("remount", pointer, destination=destination, set=RDONLY, clear=0, propagation=0)
