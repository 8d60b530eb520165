"""The compiled modules of one start of the command in one file: what ``.pyc`` files are, fifty at a time.

Finding, opening and reading a ``.pyc`` costs the import system about a tenth of a millisecond, which fifty modules make
a quarter of a ``run``.  The pack lies beside them in ``__pycache__``, is kept by the command itself, and is as careful:
a module whose source has another size or time than when it was packed is imported the ordinary way, and the pack
written anew.  Where the directory can't be written to, nothing changes.
"""

import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_PACKAGE = __file__.rpartition("/")[0]
_FILE = f"{_PACKAGE}/__pycache__/pack.{sys.implementation.cache_tag}.bin"
_TRAILER = 8  # bytes


class _Pack:
    """An import finder and loader.

    ``entries`` by module name: source, its time (ns) and size, whether it is a package, where its marshalled code
    begins in the file, and how long it is.
    """

    def __init__(self, fd: int, entries: "dict[str, tuple[str, int, int, bool, int, int]]") -> None:
        self.fd = fd
        self.entries = entries

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        entry = self.entries.get(name)
        if entry is None:
            return None
        source, time, size, package = entry[:4]
        if _identity(source) != (time, size):
            del self.entries[name]
            return None
        spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]  # duck-typed
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(source.rpartition("/")[0])
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The ordinary kind of module will do."""

    def exec_module(self, module: "ModuleType") -> None:
        exec(marshal.loads(self.code(module.__name__)), module.__dict__)  # noqa: S102, S302  # as a .pyc is

    def code(self, name: str) -> bytes:
        """The marshalled code of a module in the pack."""
        start, length = self.entries[name][4:]
        return posix.pread(self.fd, length, start)


_pack = _Pack(-1, {})


def load() -> None:
    """Let modules be imported from the pack, if there is one."""
    try:
        fd = posix.open(_FILE, posix.O_RDONLY | posix.O_CLOEXEC)
        start = int.from_bytes(posix.pread(fd, _TRAILER, posix.lseek(fd, -_TRAILER, 2)), "little")
        entries = marshal.loads(posix.pread(fd, 1 << 20, start))  # noqa: S302  # trusted as the .pyc files beside it
    except (OSError, OverflowError, ValueError, EOFError, TypeError):
        return  # none yet, or a damaged one: ``save`` writes it anew
    if type(entries) is dict:
        _pack.fd, _pack.entries = fd, entries
        sys.meta_path.insert(0, _pack)


def save() -> None:
    """Write the pack anew if a module came from elsewhere.

    The file holds the codes, then the entries, then, in eight bytes, where the entries begin.
    """
    loaded = [(name, module.__spec__) for name, module in sys.modules.items() if name.startswith("ocipy.")]
    fresh = [(name, spec) for name, spec in loaded if spec and spec.origin and spec.origin.endswith(".py")]
    fresh = [(name, spec) for name, spec in fresh if name not in _pack.entries]
    if not fresh or sys.dont_write_bytecode:
        return
    codes = {name: _pack.code(name) for name in _pack.entries}
    about = {name: entry[:4] for name, entry in _pack.entries.items()}
    for name, spec in fresh:
        codes[name] = marshal.dumps(spec.loader.get_code(name))  # type: ignore[union-attr]  # importlib's own loader
        about[name] = (spec.origin or "", *_identity(spec.origin or ""), spec.submodule_search_locations is not None)
    start = 0
    entries = {}
    for name, code in codes.items():
        entries[name] = (*about[name], start, len(code))
        start += len(code)
    _write(b"".join(codes.values()) + marshal.dumps(entries) + start.to_bytes(_TRAILER, "little"))


def _write(data: bytes) -> None:
    temporary = f"{_FILE}.{posix.getpid()}"
    try:
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644)
        try:
            posix.write(fd, data)
        finally:
            posix.close(fd)
        posix.rename(temporary, _FILE)
    except OSError:
        return  # as with .pyc files: a cache, no more


def _identity(path: str) -> "tuple[int, int]":
    try:
        status = posix.stat(path)
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
