"""What config.json may ask for and ocipy can't do yet: refused, never ignored."""

from ocipy.errors import StepError
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROCESS = ("apparmorProfile", "selinuxLabel")
_LINUX = ("intelRdt", "netDevices", "timeOffsets", "mountLabel")
# Of resources: what no cgroup takes any more, and what those of version 2 don't have.
_NOWHERE = (("memory", "kernel"), ("memory", "kernelTCP"))
_V1_ONLY = (
    ("memory", "swappiness"),
    ("memory", "disableOOMKiller"),
    ("cpu", "realtimeRuntime"),
    ("cpu", "realtimePeriod"),
)


def refuse_unsupported(config: "dict[str, Any]", unified: bool) -> None:
    """Raises StepError for the first such property.  ``unified``: the host's cgroups are those of version 2 alone."""
    for name in _PROCESS:
        if config["process"].get(name):
            raise _error(f"/process/{name}")
    for name in _LINUX:
        if config["linux"].get(name):
            raise _error(f"/linux/{name}")
    resources = config["linux"]["resources"]
    for name in ("blockIO", "network", "rdma") if unified else ("blockIO", "unified"):
        if any(resources.get(name, {}).values()):  # engines write a weight of 0 for none
            raise _error(f"/linux/resources/{name}")
    for part, name in (*_NOWHERE, *_V1_ONLY) if unified else _NOWHERE:
        value = resources.get(part, {}).get(name)
        if value or (name == "swappiness" and value is not None):  # a swappiness of 0 asks for something
            raise _error(f"/linux/resources/{part}/{name}")


def _error(pointer: str) -> StepError:
    return StepError(dotted(pointer), "not supported yet", 0, "drop it from config.json", -1, pointer)
