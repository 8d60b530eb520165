"""``linux.netDevices`` as steps (config-linux.md#network-devices)."""

from ocipy.errors import StepError
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo
    from ocipy.plan.namespaces import Namespaces


def devices(found: "dict[str, Any]", namespaces: "Namespaces", host: "HostInfo") -> "Iterator[SetupOp]":
    """A step for each interface; ``path`` is that of a joined namespace, or empty.

    They come before all that may be about an interface: sysctls, hooks.  Raises StepError for an ordinary user.
    """
    if host.uid:
        pointer = "/linux/netDevices"
        reason = "only root can move the host's network interfaces"
        raise StepError(dotted(pointer), reason, 0, "let the caller set up the network", -1, pointer)
    for name, device in found.items():
        inside = device.get("name") or name
        path = namespaces.joined.get("network", "")
        yield SetupOp("net-device", f"/linux/netDevices/{escape(name)}", name=name, inside=inside, path=path)
