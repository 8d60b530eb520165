"""``linux.seccomp`` of a config, compiled to the BPF program that init installs (config-linux.md#seccomp).

``check`` finds what is wrong with a profile without touching anything; ``compile_filter`` makes the program, once
per profile: libseccomp and ctypes cost 50 ms to load, an entry of the cache is read in a fraction of one.
"""

from ocipy.errors import Fault, OcipyError
from ocipy.seccomp.check import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Filter", "SeccompError", "check", "compile_filter"]

_NO_LIBRARY = b"-"


class SeccompError(OcipyError):
    """A seccomp profile that can't be used: ``faults`` lists what is wrong with it (empty: the machine is at fault)."""

    def __init__(self, message: str, faults: "list[Fault] | None" = None) -> None:
        self.faults = faults or []
        super().__init__(message)


class Filter:
    """A compiled profile, all that seccomp(2) and the seccomp agent's socket need.

    ``bpf`` is an array of struct sock_filter (8 bytes each, in the machine's byte order); ``flags`` the flags argument
    of ``seccomp(SECCOMP_SET_MODE_FILTER)``, complete: SECCOMP_FILTER_FLAG_NEW_LISTENER is in it when ``notify`` is
    true, that is when a rule says SCMP_ACT_NOTIFY.  ``unknown`` are the names in the profile that libseccomp doesn't
    know, for the debug log.
    """

    __slots__ = ("bpf", "flags", "listener_metadata", "listener_path", "notify", "unknown")

    def __init__(
        self,
        bpf: bytes,
        flags: int,
        unknown: "list[str]",
        notify: bool = False,
        listener_path: str = "",
        listener_metadata: str = "",
    ) -> None:
        self.bpf = bpf
        self.flags = flags
        self.unknown = unknown
        self.notify = notify
        self.listener_path = listener_path
        self.listener_metadata = listener_metadata


def compile_filter(seccomp: "dict[str, Any]", cache_dir: "str | None" = None) -> Filter:
    """The filter of a profile that has the schema's shape, from the cache if it holds it.

    ``flags`` absent and ``flags`` empty are two things: only without the property is SPEC_ALLOW set (where the kernel
    knows it), as runc and crun do.  ``cache_dir`` is a directory of the runtime's own, made 0700 if it is missing
    (its parent has to be there); None: no cache.

    Raises SeccompError: a fault of the profile, libseccomp missing or refusing a rule, a flag or an action the kernel
    doesn't have.
    """
    raise NotImplementedError
