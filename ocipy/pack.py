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


class _Pack:
    """An import finder and loader.

    ``entries`` by module name: source, its time (ns) and size, whether it is a package, the marshalled code.
    """

    def __init__(self, entries: "dict[str, tuple[str, int, int, bool, bytes]]") -> None:
        self.entries = entries

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        entry = self.entries.get(name)
        if entry is None:
            return None
        source, time, size, package, _ = entry
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
        exec(marshal.loads(self.entries[module.__name__][4]), module.__dict__)  # noqa: S102, S302  # as a .pyc is


_pack = _Pack({})


def load() -> None:
    """Let modules be imported from the pack, if there is one."""
    try:
        fd = posix.open(_FILE, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            data = posix.read(fd, 1 << 24)
        finally:
            posix.close(fd)
        entries = marshal.loads(data)  # noqa: S302  # beside the .pyc files, and as trustworthy as they
    except (OSError, ValueError, EOFError, TypeError):
        return  # none yet, or a damaged one: ``save`` writes it anew
    if type(entries) is dict:
        _pack.entries = entries
        sys.meta_path.insert(0, _pack)


def save() -> None:
    """Write the pack anew if a module came from elsewhere."""
    loaded = {name: module for name, module in sys.modules.items() if name.startswith("ocipy.")}
    fresh = {}
    for name, module in loaded.items():
        spec = module.__spec__
        if name not in _pack.entries and spec is not None and (spec.origin or "").endswith(".py"):
            fresh[name] = _packed(name, spec)
    if not fresh or sys.dont_write_bytecode:
        return
    temporary = f"{_FILE}.{posix.getpid()}"
    try:
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644)
        try:
            posix.write(fd, marshal.dumps({**_pack.entries, **fresh}))
        finally:
            posix.close(fd)
        posix.rename(temporary, _FILE)
    except OSError:
        return  # as with .pyc files: a cache, no more


def _packed(name: str, spec: ModuleSpec) -> "tuple[str, int, int, bool, bytes]":
    source = spec.origin or ""
    code = spec.loader.get_code(name)  # type: ignore[union-attr]  # importlib's own source loader
    package = spec.submodule_search_locations is not None
    return (source, *_identity(source), package, marshal.dumps(code))


def _identity(path: str) -> "tuple[int, int]":
    try:
        status = posix.stat(path)
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
