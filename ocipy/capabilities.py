"""Linux capabilities: names to numbers and masks, and back (capabilities(7), linux/capability.h).

The names are those of config.json, exact: ``CAP_`` and upper case, as the runtime-spec has them
(config.md, process.capabilities) and runc reads them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# A capability's number is its place here.
NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

_NUMBERS = {name: number for number, name in enumerate(NAMES)}


def to_mask(names: "Iterable[str]") -> "tuple[int, list[str]]":
    """The 64-bit mask of a set of names (bit n: capability n), and the names that are none, in their order.

    The spec lets a runtime warn of a name it can't map (config.md, process.capabilities): what to do with the
    unknown ones is the caller's decision.
    """
    mask = 0
    unknown = []
    for name in names:
        number = _NUMBERS.get(name)
        if number is None:
            unknown.append(name)
        else:
            mask |= 1 << number
    return mask, unknown


def names(mask: int) -> "list[str]":
    """The names of a mask's bits, lowest first; a bit newer than this table is shown as its number."""
    return [
        NAMES[number] if number < len(NAMES) else str(number)
        for number in range(mask.bit_length())
        if mask >> number & 1
    ]
