"""``linux.seccomp`` of a config, compiled to the BPF program that init installs (config-linux.md#seccomp).

``check`` finds what is wrong with a profile without touching anything; ``compile_filter`` makes the program, once
per profile: libseccomp and ctypes cost 50 ms to load, an entry of the cache is read in a fraction of one.
"""

import posix
from _struct import Struct

from ocipy import __version__
from ocipy.errors import Fault, OcipyError
from ocipy.seccomp import cache
from ocipy.seccomp.check import check, uses_notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Filter", "SeccompError", "check", "compile_filter"]

# What the program depends on, of a profile.  An engine may set listenerMetadata anew for every container.
_COMPILED = ("defaultAction", "defaultErrnoRet", "architectures", "flags", "syscalls")

# Body of a cache entry: flags, the sizes of the parts, and of the libseccomp that made it device, inode, size and
# mtime; then the parts: its path, the unknown names, the program.
_HEAD = Struct("=III4Q")


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
    faults = check(seccomp)
    if faults:
        raise SeccompError(str(faults[0]), faults)
    compiled = _from_cache(seccomp, cache_dir) if cache_dir else _compile(seccomp)
    bpf, flags, unknown = compiled
    return Filter(
        bpf,
        flags,
        unknown,
        uses_notify(seccomp),
        seccomp.get("listenerPath") or "",
        seccomp.get("listenerMetadata") or "",
    )


def _compile(seccomp: "dict[str, Any]") -> "tuple[bytes, int, list[str]]":
    from ocipy.seccomp.compiler import compile_profile

    return compile_profile(seccomp)


def _from_cache(seccomp: "dict[str, Any]", directory: str) -> "tuple[bytes, int, list[str]]":
    key = _key(seccomp)
    body = cache.load(directory, key)
    stored = _unpack(body) if body is not None else None
    if stored is not None:
        return stored
    compiled = _compile(seccomp)
    body = _pack(*compiled)
    if body:
        cache.store(directory, key, body)
    return compiled


def _key(seccomp: "dict[str, Any]") -> bytes:
    """The hash of all the program depends on, but for libseccomp itself, which the entry names.

    The kernel's release is in it, for the flags and actions it knows are, and its architecture.
    """
    from ocipy.spec.jsontext import dumps

    system = posix.uname()
    profile = {name: seccomp[name] for name in _COMPILED if name in seccomp}
    return cache.digest(dumps([__version__, system.release, system.machine, profile]).encode())


def _pack(bpf: bytes, flags: int, unknown: "list[str]") -> bytes:
    """The body of an entry, b"" if it can't be said which libseccomp made the program."""
    from ocipy.seccomp import library

    path = library.path()
    identity = _identity(path)
    if identity is None:
        return b""
    file = path.encode("utf-8", "surrogateescape")
    # A name may hold whatever JSON holds, but for the debug log it need not be exact.
    names = "\n".join(unknown).encode("utf-8", "replace")
    return _HEAD.pack(flags, len(file), len(names), *identity) + file + names + bpf


def _unpack(body: bytes) -> "tuple[bytes, int, list[str]] | None":
    """What ``_pack`` packed, None if libseccomp has been replaced since: a fix of its compiler has to take effect."""
    flags, file_size, names_size, *identity = _HEAD.unpack_from(body)
    names_at = _HEAD.size + file_size
    program_at = names_at + names_size
    if _identity(body[_HEAD.size : names_at].decode("utf-8", "surrogateescape")) != tuple(identity):
        return None
    names = body[names_at:program_at].decode()
    return body[program_at:], flags, names.split("\n") if names else []


def _identity(path: str) -> "tuple[int, int, int, int] | None":
    """What changes when the file is replaced: device, inode, size, time of last change; None if it isn't there."""
    try:
        status = posix.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
