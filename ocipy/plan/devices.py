"""The device nodes and links every container gets (config-linux.md, Default Devices; runtime-linux.md), and its own."""

from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_CHARACTER, _BLOCK, _FIFO = 0o020000, 0o060000, 0o010000
_TYPES = {"c": _CHARACTER, "u": _CHARACTER, "b": _BLOCK, "p": _FIFO}

_DEFAULTS = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)

_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
)


def devices(entries: "list[dict[str, Any]]", bind: bool) -> "Iterator[SetupOp]":
    """Nodes and links; a node of the config replaces the default one of that path.

    ``bind``: mknod(2) isn't allowed (inside a user namespace), so the host's nodes are bound.
    """
    own = {entry["path"] for entry in entries}
    for path, major, minor in _DEFAULTS:
        if path not in own:
            yield _device("/linux/devices", path, _CHARACTER | 0o666, major, minor, 0, 0, bind)
    for number, entry in enumerate(entries):
        mode = _TYPES[entry["type"]] | entry["fileMode"] & 0o7777
        major, minor = (0, 0) if entry["type"] == "p" else (entry["major"], entry["minor"])
        pointer = f"/linux/devices/{number}"
        yield _device(pointer, entry["path"], mode, major, minor, entry["uid"], entry["gid"], bind)
    for path, target in _LINKS:
        yield SetupOp("symlink", "/linux/devices", path=path, target=target, replace=0)
    yield SetupOp("symlink", "/linux/devices", path="/dev/ptmx", target="pts/ptmx", replace=1)


def _device(pointer: str, path: str, mode: int, major: int, minor: int, uid: int, gid: int, bind: bool) -> SetupOp:
    numbers = {"major": major, "minor": minor}
    return SetupOp("device", pointer, path=path, mode=mode, **numbers, uid=uid, gid=gid, bind=int(bind))
