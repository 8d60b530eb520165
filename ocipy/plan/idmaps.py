"""Id-mapped mounts (config.md, ``idmap``, ``ridmap``, a mount's ``uidMappings`` and ``gidMappings``).

They are made before the container is, by the runtime, to whom the filesystems belong; init attaches them.
"""

from ocipy.errors import StepError
from ocipy.plan.mount_options import PROPAGATION, MountOptions
from ocipy.plan.mounts import is_mapped, source_path
from ocipy.plan.namespaces import Namespaces, triples
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo

    Ranges = list[tuple[int, int, int]]


def trees(config: "dict[str, Any]", bundle: str, host: "HostInfo", namespaces: Namespaces) -> "Iterator[SetupOp]":
    """One step for each id-mapped mount, in the order of the mounts.  Raises StepError for who may not make one."""
    linux = config["linux"]
    shared = PROPAGATION.get(linux["rootfsPropagation"], 0) & PROPAGATION["shared"]
    for number, entry in enumerate(config["mounts"]):
        if not is_mapped(entry):
            continue
        options, pointer = MountOptions(entry["options"]), f"/mounts/{number}"
        where = f"{dotted(pointer)} ({entry['destination']})"
        if host.uid:
            hint = "they take CAP_SYS_ADMIN where the filesystem was mounted"
            raise StepError(where, "id-mapped mounts are for root only", 0, hint, -1, pointer)
        try:
            uid, gid, namespace = _maps(entry, options, linux, namespaces)
        except ValueError as problem:
            raise StepError(where, str(problem), 0, "", -1, pointer) from None
        yield SetupOp(
            "idmap-tree",
            pointer,
            destination="/" + entry["destination"].strip("/"),
            source=source_path(entry, bundle),
            recursive=options.recursive,
            map_all=options.idmap == "ridmap",
            uid=uid,
            gid=gid,
            namespace=namespace,
            slave=not shared or namespaces.has("user"),
        )


def _maps(
    entry: "dict[str, Any]", options: MountOptions, linux: "dict[str, Any]", namespaces: Namespaces
) -> "tuple[Ranges, Ranges, str]":
    """The ids of users and groups, or the user namespace whose maps count.  Raises ValueError."""
    if entry["uidMappings"]:
        return triples(entry["uidMappings"]), triples(entry["gidMappings"]), ""
    if options.idmap_ranges:
        return *_crun_ranges(options.idmap_ranges, linux), ""
    if "user" in namespaces.joined:
        return [], [], namespaces.joined["user"]
    return triples(linux["uidMappings"]), triples(linux["gidMappings"]), ""


def _crun_ranges(text: str, linux: "dict[str, Any]") -> "tuple[Ranges, Ranges]":
    """What crun(1) has after the word: ``uids=0-1-10#10-11-10;gids=@0-100-10``.  Raises ValueError.

    Ids of the filesystem, ids of the host, how many; after an @, the second are ids of the container.
    """
    found: dict[str, Ranges] = {"uids": [], "gids": []}
    for part in text.split(";"):
        name, _, ranges = part.partition("=")
        if name not in found:
            raise ValueError(f"expected uids=... or gids=... in the id mapping, got {part!r}")
        relative = linux[f"{name[:-1]}Mappings"] if ranges.startswith("@") else None
        found[name] = [_crun_range(each, relative) for each in ranges.removeprefix("@").split("#")]
    if not found["uids"] or not found["gids"]:
        raise ValueError("an id mapping needs both uids and gids")
    return found["uids"], found["gids"]


def _crun_range(text: str, relative: "list[dict[str, Any]] | None") -> "tuple[int, int, int]":
    numbers = text.split("-")
    if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"expected three numbers such as 0-1000-10 in the id mapping, got {text!r}")
    inside, outside, size = map(int, numbers)
    if relative is not None:
        for entry in relative:
            if outside - entry["containerID"] >= 0 and outside + size <= entry["containerID"] + entry["size"]:
                return inside, outside - entry["containerID"] + entry["hostID"], size
        raise ValueError(f"no range of the container's user namespace has all the ids of {text!r}")
    return inside, outside, size
