"""What an ordinary user may not ask for: said before anything is made."""

from ocipy.errors import StepError
from ocipy.plan.namespaces import Namespaces, id_map
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.host import HostInfo


def refuse(config: "dict[str, Any]", host: "HostInfo") -> None:
    """Raises StepError; ``host.uid`` isn't 0."""
    namespaces = Namespaces(config["linux"]["namespaces"])
    if not namespaces.has("user"):
        raise _error(
            "/linux/namespaces",
            f"user {host.uid} needs a user namespace to make a container",
            'add {"type": "user"}, uidMappings and gidMappings, as ocipy spec --rootless does; or run as root',
        )
    groups = config["process"]["user"]["additionalGids"]
    if groups and "user" in namespaces.new and id_map(config["linux"], host).values["deny_setgroups"]:
        raise _error(
            "/process/user/additionalGids",
            "setgroups is denied where a user maps its own group alone",
            "drop them, or map a range of groups that subgid(5) entitles to",
        )


def _error(pointer: str, detail: str, hint: str) -> StepError:
    return StepError(dotted(pointer), detail, 0, hint, -1, pointer)
