"""Ids that a config speaks of outside of the places made for them: in the options of mounts."""

from ocipy.errors import Fault
from ocipy.spec.checks_linux import maps, namespaces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MAPPINGS = {"uid": "uidMappings", "gid": "gidMappings"}


def check_mount_owners(config: "dict[str, Any]") -> "Iterator[Fault]":
    """Inside a user namespace ``gid=5`` means its group 5: the kernel takes none that isn't mapped (devpts, tmpfs)."""
    if namespaces_of(config).get("user") != "":
        return
    for index, mount in enumerate(config["mounts"]):
        if "bind" in mount["options"] or "rbind" in mount["options"]:
            continue
        for place, option in enumerate(mount["options"]):
            kind, _, number = option.partition("=")
            mappings = config["linux"].get(_MAPPINGS.get(kind, ""))
            if mappings and number.isascii() and number.isdigit() and not maps(mappings, int(number)):
                pointer = f"/mounts/{index}/options/{place}"
                yield Fault(pointer, f"{option}: {number} is not mapped by linux.{_MAPPINGS[kind]}")
