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


def trees(config: "dict[str, Any]", bundle: str, host: "HostInfo", namespaces: Namespaces) -> "Iterator[SetupOp]":
    """One step for each id-mapped mount, in the order of the mounts.  Raises StepError for who may not make one."""
    linux = config["linux"]
    shared = PROPAGATION.get(linux["rootfsPropagation"], 0) & PROPAGATION["shared"]
    for number, entry in enumerate(config["mounts"]):
        if not is_mapped(entry):
            continue
        options, pointer = MountOptions(entry["options"]), f"/mounts/{number}"
        if host.uid:
            hint = "they take CAP_SYS_ADMIN where the filesystem was mounted"
            where = f"{dotted(pointer)} ({entry['destination']})"
            raise StepError(where, "id-mapped mounts are for root only", 0, hint, -1, pointer)
        namespace = "" if entry["uidMappings"] else namespaces.joined.get("user", "")
        maps: dict[str, Any] = {"uidMappings": [], "gidMappings": []} if namespace else linux
        if entry["uidMappings"]:
            maps = entry
        yield SetupOp(
            "idmap-tree",
            pointer,
            destination="/" + entry["destination"].strip("/"),
            source=source_path(entry, bundle),
            recursive=options.recursive,
            map_all=options.idmap == "ridmap",
            uid=triples(maps["uidMappings"]),
            gid=triples(maps["gidMappings"]),
            namespace=namespace,
            slave=not shared or namespaces.has("user"),
        )
