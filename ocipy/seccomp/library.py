"""libseccomp by way of pyseccomp, loaded on first use, and what the running kernel knows of seccomp(2).

Off the hot path: only a profile that isn't in the cache comes here.
"""

from _thread import allocate_lock, get_ident
from errno import EINVAL

from ocipy.seccomp import SeccompError, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SONAME = "libseccomp.so.2"
_INSTALL = "install it: apt install libseccomp2, dnf install libseccomp, apk add libseccomp"
_LOCK = allocate_lock()
_SET_MODE_FILTER = 1


def load() -> "Any":
    """The module pyseccomp.  Raises SeccompError when libseccomp or pyseccomp isn't there."""
    import sys

    loaded = sys.modules.get("pyseccomp")
    with _LOCK:
        return loaded if loaded is not None else _import()


def _import() -> "Any":
    """Import pyseccomp without the search it does for libseccomp.

    It asks ctypes.util.find_library, which forks ldconfig, or a compiler where there is no ldconfig: 30 ms, a fork in
    the middle of what may be a threaded service, and no answer on a system that has neither.  The loader finds a
    library by its soname better.  Only this thread, and only while the import lasts, gets the short answer.
    """
    import ctypes
    import ctypes.util

    try:
        ctypes.CDLL(SONAME)
    except OSError as problem:
        raise SeccompError(f"linux.seccomp needs libseccomp ({_INSTALL}): {problem}") from None
    search = ctypes.util.find_library
    me = get_ident()

    def find_library(name: str) -> "str | None":
        if get_ident() != me or name not in ("c", "seccomp"):
            return search(name)
        return SONAME if name == "seccomp" else None  # None: the C library the process runs with

    ctypes.util.find_library = find_library
    try:
        return __import__("pyseccomp")
    except ImportError as problem:
        raise SeccompError(
            f"linux.seccomp needs the Python package pyseccomp (pip install pyseccomp): {problem}"
        ) from None
    finally:
        ctypes.util.find_library = search


def version() -> str:
    """The version of libseccomp, e.g. ``2.5.4`` (seccomp_version(3)).  Raises SeccompError as ``load`` does."""
    import ctypes

    load()
    ask = ctypes.CDLL(SONAME).seccomp_version
    ask.restype = ctypes.POINTER(ctypes.c_uint * 3)
    return ".".join(str(part) for part in ask().contents)


def path() -> str:
    """The file libseccomp was loaded from, "" if that can't be told (no /proc)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                name = line.rstrip("\n").partition("/")[2]
                if name.rpartition("/")[2].startswith("libseccomp.so"):
                    return f"/{name}"
    except OSError:
        pass
    return ""


def kernel_errno(flags: int) -> int:
    """What seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL) fails with.

    EFAULT says that the kernel knows all the flags, for it checks them before it reads the program; EINVAL that it
    doesn't (seccomp(2)).  It installs nothing.
    """
    import ctypes

    number = load().resolve_syscall(0, "seccomp")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(ctypes.c_long(number), ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(flags), None)
    return ctypes.get_errno()


def has_flag(name: str) -> bool:
    """Whether the running kernel has the flag, one of ``names.FLAGS``."""
    # The kernel refuses this one without a listener whose wait it is about.
    needs = names.FLAG_NEW_LISTENER if name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" else 0
    return kernel_errno(names.FLAGS[name] | needs) != EINVAL


def has_architecture(name: str) -> bool:
    """Whether libseccomp knows the architecture, one of ``names.ARCHITECTURES``."""
    scmp = load()
    try:
        scmp.SyscallFilter(scmp.ALLOW).add_arch(names.ARCHITECTURES[name])
    except OSError as problem:
        return problem.errno != EINVAL  # EDOM: of another byte order than the machine's, but known
    return True
