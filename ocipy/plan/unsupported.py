"""What config.json may ask for and ocipy can't do yet: refused, never ignored."""

from ocipy.errors import StepError
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROCESS = ("scheduler", "ioPriority", "execCPUAffinity", "apparmorProfile", "selinuxLabel")
_LINUX = ("intelRdt", "memoryPolicy", "netDevices", "personality", "timeOffsets", "mountLabel")


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
    for rule in (config["linux"].get("seccomp") or {}).get("syscalls", ()):
        if rule["action"] == "SCMP_ACT_NOTIFY":
            raise _error("/linux/seccomp/listenerPath")


def _error(pointer: str) -> StepError:
    return StepError(dotted(pointer), "not supported yet", 0, "drop it from config.json", -1, pointer)
