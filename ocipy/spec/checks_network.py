"""``linux.netDevices``: what is wrong with the names, as pure code (config-linux.md#network-devices)."""

from ocipy.errors import Fault
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_EXPECTED = "is no interface name (1 to 15 bytes without blanks, '/' and ':')"


def check_net_devices(config: "dict[str, Any]") -> "Iterator[Fault]":
    seen: dict[str, str] = {}
    for name, device in config["linux"]["netDevices"].items():
        pointer = f"/linux/netDevices/{escape(name)}"
        if name == "lo" or not _is_interface(name):
            yield Fault(pointer, "the loopback interface can't be moved" if name == "lo" else f"{name!r} {_EXPECTED}")
        inside = device.get("name") or name
        if device.get("name"):
            pointer += "/name"
            if not _is_interface(inside):
                yield Fault(pointer, f"{inside!r} {_EXPECTED}")
        if "%" in inside:
            if inside.count("%") != 1 or not inside.endswith("%d"):
                yield Fault(pointer, f"{inside!r}: the only pattern is a %d at the end, which becomes a number")
        elif inside in seen:
            yield Fault(pointer, f"{inside!r} is the name of two interfaces (first in {seen[inside]})")
        seen.setdefault(inside, pointer)


def _is_interface(name: str) -> bool:
    """As dev_valid_name of the kernel has it."""
    size = len(name.encode("utf-8", "surrogatepass"))
    return 0 < size < 16 and name not in (".", "..") and not any(char in "/:" or char.isspace() for char in name)
