"""The state document that ``ocipy state`` prints."""

from ocipy import owner
from ocipy.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.state import StateDir


def document(directory: "StateDir") -> "dict[str, Any]":
    """runc's members in runc's order.  Raises NotFoundError, and StateError for one that a create died in."""
    found, status = directory.look()
    if not found:
        name = directory.container_id
        raise StateError(f"container {name!r} was never created whole: ocipy delete --force removes it")
    members = {
        "ociVersion": found["ociVersion"],
        "id": directory.container_id,
        "pid": 0 if status == "stopped" else found["init_process_pid"],
        "status": status,
        "bundle": found["bundle"],
        "rootfs": found["rootfs"],
        "created": found["created"],
    }
    if found.get("annotations"):
        members["annotations"] = found["annotations"]
    members["owner"] = owner.name(found["owner_uid"])
    return members
