"""``mounts``: one step each, in the config's order; a ``cgroup`` mount becomes the tree a container expects there."""

from ocipy.errors import StepError
from ocipy.plan.mount_options import MS_RDONLY, RDONLY, MountOptions
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo

# cffi_build/mount_api.h
PLAIN_TARGET, AT_ROOT, MODE_BELOW, COPY_UP, OWNER_BELOW = 1, 2, 4, 8, 16

# Filesystems whose superblock others share: read-only is a matter of the mount alone.  (Without a type: who knows.)
_SHARED_SUPERBLOCK = ("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "tmpfs", "", "none")


class MountContext:
    """What the mount steps depend on beside the mount: bundle (for relative sources), host, cgroups, namespaces.

    ``fallbacks``: type of filesystem → what of the host is bound where the kernel refuses to mount one.
    """

    __slots__ = ("bundle", "cgroup_namespace", "cgroup_paths", "fallbacks", "host", "user_namespace")

    def __init__(
        self,
        bundle: str,
        host: "HostInfo",
        cgroup_paths: "dict[str, str]",
        cgroup_namespace: bool,
        user_namespace: bool = False,
        fallbacks: "dict[str, str] | None" = None,
    ) -> None:
        self.fallbacks = fallbacks or {}
        self.bundle = bundle
        self.host = host
        self.cgroup_paths = cgroup_paths
        self.cgroup_namespace = cgroup_namespace
        self.user_namespace = user_namespace


def mounts(entries: "list[dict[str, Any]]", context: MountContext) -> "Iterator[SetupOp]":
    """The steps for ``mounts``.  Raises StepError for an entry that can't be mounted."""
    trees = 0
    for number, entry in enumerate(entries):
        pointer, destination = f"/mounts/{number}", "/" + entry["destination"].strip("/")
        options = MountOptions(entry["options"])
        _refuse(pointer, entry, options)
        if options.remount:
            yield _remount(pointer, destination, entry["type"], options)
        elif is_bind(entry, options):
            trees += is_mapped(entry)
            yield _bind(pointer, destination, entry, options, context.bundle, trees if is_mapped(entry) else 0)
        elif entry["type"] == "cgroup":
            yield from _cgroup(pointer, destination, options, context)
        else:
            step = _filesystem(pointer, destination, entry["type"], entry["source"], options)
            step.values["fallback"] = context.fallbacks.get(entry["type"], "")
            yield step
        for flags in options.propagation[1:]:  # mount(2) changes one propagation at a time
            yield _change(pointer, destination, propagation=flags)


def mounts_readonly(entries: "list[dict[str, Any]]") -> "Iterator[SetupOp]":
    """What was mounted writable though asked for read-only: a tmpfs, for mount points in it, /dev, for devices."""
    for number, entry in enumerate(entries):
        if entry["type"] != "tmpfs" and not _is_dev(entry["destination"]):
            continue
        options = MountOptions(entry["options"])
        if not is_bind(entry, options) and not options.remount and _attributes(options) & RDONLY:
            yield _change(f"/mounts/{number}", "/" + entry["destination"].strip("/"), set=RDONLY)


def brings_own_dev(entries: "list[dict[str, Any]]") -> bool:
    """Whether /dev is a bind mount (as runc has it), or the host's devtmpfs: then it is used as it is."""
    return any(
        _is_dev(entry["destination"])
        and (entry["type"] == "devtmpfs" or is_bind(entry, MountOptions(entry["options"])))
        for entry in entries
    )


def is_bind(entry: "dict[str, Any]", options: MountOptions) -> bool:
    return options.bind or entry["type"] == "bind"


def is_mapped(entry: "dict[str, Any]") -> bool:
    """Whether it is an id-mapped mount: the word alone takes the maps of the container's user namespace."""
    return bool(entry["uidMappings"]) or any(
        option.partition("=")[0] in ("idmap", "ridmap") for option in entry["options"]
    )


def opens_device(entries: "list[dict[str, Any]]") -> bool:
    """Whether a filesystem on a block device is mounted."""
    return any(
        entry["source"].startswith("/dev/") and not is_bind(entry, MountOptions(entry["options"])) for entry in entries
    )


def source_path(entry: "dict[str, Any]", bundle: str) -> str:
    """A bind mount's source: relative to the bundle (config.md)."""
    source: str = entry["source"]
    return source if source.startswith("/") else f"{bundle}/{source}"


def _is_dev(destination: str) -> bool:
    return destination.strip("/") == "dev"


def _at_root(destination: str) -> int:
    return AT_ROOT if all(part in ("", ".", "..") for part in destination.split("/")) else 0


def _refuse(pointer: str, entry: "dict[str, Any]", options: MountOptions) -> None:
    """What no kernel could do, or would do in silence without."""
    bind = is_bind(entry, options)
    problem = ""
    if is_mapped(entry) and not bind:
        problem = "only bind mounts can be id-mapped"
    elif options.remount and is_mapped(entry):
        problem = "a mount that is there can't be id-mapped"
    elif bind and options.data:
        problem = f"{options.data[0]!r} is an option of a filesystem: a bind mount has none of its own"
    elif options.copy_up and (bind or entry["type"] != "tmpfs"):
        problem = "tmpcopyup is for a tmpfs only"
    elif not bind and not options.remount and entry["type"] in ("", "none"):
        problem = "neither a type of filesystem, nor the option bind or rbind"
    if problem:
        raise StepError(f"{dotted(pointer)} ({entry['destination']})", problem, 0, "", -1, pointer)


def _attributes(options: MountOptions) -> int:
    """Those of a mount that has none below it: there, what is meant for all of them has the last word."""
    return options.set & ~options.recursive_clear | options.recursive_set


def _bind(
    pointer: str,
    destination: str,
    entry: "dict[str, Any]",
    options: MountOptions,
    bundle: str,
    tree: int = 0,
) -> SetupOp:
    """``tree``: the number of the id-mapped mount, from 1 on, that is ready to be attached in place of the source."""
    return SetupOp(
        "bind",
        pointer,
        destination=destination,
        source=source_path(entry, bundle),
        tree=tree,
        recursive=int(options.recursive),
        set=options.set,
        clear=options.clear,
        recursive_set=options.recursive_set,
        recursive_clear=options.recursive_clear,
        propagation=options.propagation[0] if options.propagation else 0,
        flags=_at_root(destination) | options.links,
    )


def _filesystem(pointer: str, destination: str, type_: str, source: str, options: MountOptions) -> SetupOp:
    attributes, superblock = _attributes(options), options.superblock
    if attributes & RDONLY and type_ not in _SHARED_SUPERBLOCK:
        superblock |= MS_RDONLY
    if _is_dev(destination) or type_ == "tmpfs":
        attributes &= ~RDONLY
    return SetupOp(
        "mount",
        pointer,
        destination=destination,
        type=type_,
        source=source or type_,
        data=options.data,
        superblock=superblock,
        set=attributes,
        propagation=options.propagation[0] if options.propagation else 0,
        flags=_filesystem_flags(destination, type_, options),
        fallback="",
    )


def _filesystem_flags(destination: str, type_: str, options: MountOptions) -> int:
    names = [parameter.partition("=")[0] for parameter in options.data]
    flags = _at_root(destination)
    if type_ in ("proc", "sysfs"):
        flags |= PLAIN_TARGET
    if type_ == "tmpfs" and "mode" not in names:
        flags |= MODE_BELOW
    if options.copy_up:
        flags |= COPY_UP
        if "uid" not in names and "gid" not in names:
            flags |= OWNER_BELOW
    return flags


def _remount(pointer: str, destination: str, type_: str, options: MountOptions) -> SetupOp:
    """Without ``bind``, mount(8) changes the superblock as well, which is all there is of read-only to some."""
    set_ = clear = 0
    if not options.bind:
        set_, clear = options.superblock, options.superblock_clear
        if type_ not in _SHARED_SUPERBLOCK:
            set_ |= options.set & RDONLY
            clear |= options.clear & RDONLY
    return _change(
        pointer,
        destination,
        data=options.data,
        superblock=set_,
        superblock_clear=clear,
        set=options.set,
        clear=options.clear,
        recursive_set=options.recursive_set,
        recursive_clear=options.recursive_clear,
        propagation=options.propagation[0] if options.propagation else 0,
    )


def _change(pointer: str, destination: str, **values: "Any") -> SetupOp:
    """A change of the mount that is there."""
    complete: dict[str, Any] = {"destination": destination, "data": [], "superblock": 0, "superblock_clear": 0}
    complete |= {"set": 0, "clear": 0, "recursive_set": 0, "recursive_clear": 0, "propagation": 0}
    return SetupOp("remount", pointer, **(complete | values))


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
    attributes = _attributes(options)
    tree = MountOptions(["mode=755"])
    tree.set, tree.propagation = attributes, options.propagation
    yield _filesystem(pointer, destination, "tmpfs", "tmpfs", tree)
    for hierarchy in host.hierarchies:
        name = hierarchy.mount.rpartition("/")[2]
        if context.cgroup_namespace:
            one = MountOptions([])
            one.data = ["none", hierarchy.name] if hierarchy.name.startswith("name=") else [*hierarchy.controllers]
            one.set = attributes
            yield _filesystem(pointer, f"{destination}/{name}", "cgroup", "cgroup", one)
        else:
            # Without a namespace of its own the container sees its own cgroup (without one of those, the runtime's),
            # not the host's tree.
            entry = {"source": context.cgroup_paths.get(hierarchy.name, hierarchy.mount + hierarchy.own)}
            yield _bind(pointer, f"{destination}/{name}", entry, options, "")
        for controller in hierarchy.controllers if len(hierarchy.controllers) > 1 else ():
            yield SetupOp("symlink", pointer, path=f"{destination}/{controller}", target=name, replace=0)
    if attributes & RDONLY:
        yield _change(pointer, destination, set=RDONLY)
