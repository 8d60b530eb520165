"""Id-mapped mounts (config.md, ``idmap``, ``ridmap``, a mount's ``uidMappings`` and ``gidMappings``).

The runtime makes them, to whom the filesystems belong, once the container has its mount namespace; init attaches them.
"""

from ocipy.errors import StepError
from ocipy.plan.mount_options import MountOptions
from ocipy.plan.mounts import MountContext, is_mapped, source_path
from ocipy.plan.namespaces import triples
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Ranges = list[tuple[int, int, int]]

MOST_TREES = 253  # what one message takes of descriptors (SCM_MAX_FD)


def trees(config: "dict[str, Any]", context: MountContext) -> "Iterator[SetupOp]":
    """One step for each id-mapped mount, in the order of the mounts.  Raises StepError for what can't be made."""
    count = 0
    for number, entry in enumerate(config["mounts"]):
        if not is_mapped(entry):
            continue
        options, pointer = MountOptions(entry["options"]), f"/mounts/{number}"
        count += 1
        try:
            if context.host.uid:
                raise ValueError("id-mapped mounts are for root only: they take CAP_SYS_ADMIN over the filesystem")
            if count > MOST_TREES:
                raise ValueError(f"more than {MOST_TREES} id-mapped mounts")
            uid, gid = _maps(entry, options, config["linux"])
        except ValueError as problem:
            where = f"{dotted(pointer)} ({entry['destination']})"
            raise StepError(where, str(problem), 0, "", -1, pointer) from None
        yield SetupOp(
            "idmap-tree",
            pointer,
            destination="/" + entry["destination"].strip("/"),
            source=source_path(entry, context.bundle),
            recursive=options.recursive,
            map_all=options.idmap == "ridmap",
            uid=uid,
            gid=gid,
        )


def _maps(entry: "dict[str, Any]", options: MountOptions, linux: "dict[str, Any]") -> "tuple[Ranges, Ranges]":
    """The ids of users and groups; none: as the container's user namespace has them.  Raises ValueError."""
    if entry["uidMappings"]:
        return triples(entry["uidMappings"]), triples(entry["gidMappings"])
    if options.idmap_ranges:
        return _crun_ranges(options.idmap_ranges, linux)
    return [], []


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
