"""``linux.sysctl`` where a namespace is joined by path: it may be the runtime's own, whose settings are the host's."""

from ocipy.errors import StepError
from ocipy.pointers import dotted, escape
from ocipy.spec.checks_linux import IPC_SYSCTLS, sysctl_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.host import HostInfo


def refuse_host_sysctls(config: "dict[str, Any]", host: "HostInfo") -> None:
    """Raises StepError for a setting that would change the host, which the config alone doesn't tell (checks.py)."""
    for name in config["linux"]["sysctl"]:
        kind = _namespace_of(sysctl_path(name))
        if kind in host.own_namespaces:
            pointer = f"/linux/sysctl/{escape(name)}"
            reason = f"would change the host: the {kind} namespace to join is the runtime's own"
            raise StepError(dotted(pointer), reason, 0, "drop it from config.json", -1, pointer)


def _namespace_of(path: str) -> str:
    if path.startswith("net/"):
        return "network"
    return "ipc" if path in IPC_SYSCTLS or path.startswith("fs/mqueue/") else "uts"
