"""A root filesystem of the host's own programs: each with the libraries it loads, at the paths it expects them.

Symlinks are made anew rather than followed, so a merged /usr (/bin → usr/bin) looks in the copy as on the
host, and so do alternatives and library version links.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence

from ocipy.bundle import elf
from ocipy.bundle.default_config import DEFAULT_PATH, host_search_path
from ocipy.bundle.within import make_directory_within
from ocipy.errors import OcipyError, UsageError

_USR_LINKS = ("/bin", "/sbin", "/lib", "/lib64")
# fmt: off
_TERMINALS = (
    "ansi", "dumb", "linux", "rxvt", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "vt220", "xterm",
    "xterm-256color",
)
# fmt: on
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
_MOST_LINKS = 40  # as the kernel's own walk (path_resolution(7))


def copy_from_host(rootfs: str, binaries: Sequence[str], optional: Sequence[str] = ()) -> str:
    """Copy programs (names looked up in PATH, or paths) and all they load into the empty ``rootfs``.

    Those in ``optional`` are left out when the host lacks them.  The value tells in words what was copied.
    Raises UsageError for a program that isn't there, OcipyError for one whose libraries can't be told or found.
    """
    copier = HostCopier(rootfs)
    for path in _USR_LINKS:
        if os.path.islink(path):
            copier.copy(path)
    names = list(dict.fromkeys([*binaries, *(name for name in optional if _which(name))]))
    for name in names:
        copier.copy_program(_find(name))
    copier.copy_what_libraries_open()
    _make_loader_cache(rootfs, copier.libraries)
    return f"{', '.join(os.path.basename(name) for name in names)} of the host, {len(copier.libraries)} libraries"


class HostCopier:
    """Copies host files to the same paths in ``rootfs``, each once; ``libraries`` are those programs load."""

    def __init__(self, rootfs: str) -> None:
        self.rootfs = rootfs
        self.libraries: set[str] = set()
        self._programs: set[str] = set()

    def copy_program(self, path: str) -> None:
        """Copy a program, what loads or interprets it, and make it reachable in the container's PATH."""
        if path in self._programs:
            return
        self._programs.add(path)
        self.copy(path)
        if os.path.dirname(path) not in DEFAULT_PATH.split(":"):
            link = os.path.join(make_directory_within(self.rootfs, "usr/local/bin"), os.path.basename(path))
            if not os.path.lexists(link):
                os.symlink(path, link)
        if elf.is_elf(path):
            for library in shared_objects(path):
                self.copy(library)
                self.libraries.add(library)
        else:
            for program in _interpreters(path):
                self.copy_program(program)

    def copy(self, path: str) -> None:
        """Copy a file or an empty directory, with the directories and symlinks on the way to it."""
        pending = path.split("/")[::-1]
        done: list[str] = []
        links = 0
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del done[-1:]
                continue
            here = "/" + "/".join((*done, name))
            copied = self.rootfs + here
            status = os.lstat(here)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise OcipyError(f"{path}: more than {_MOST_LINKS} symlinks on the way")
                target = os.readlink(here)
                if not os.path.lexists(copied):
                    os.symlink(target, copied)
                if target.startswith("/"):
                    done.clear()
                pending.extend(target.split("/")[::-1])
                continue
            done.append(name)
            if os.path.lexists(copied):
                continue
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(copied)
                os.chmod(copied, 0o755)
            else:
                _copy_file(here, copied, status)

    def copy_what_libraries_open(self) -> None:
        """What the C library and terminfo open by name at run time, which no list of libraries tells."""
        for library in sorted(self.libraries):
            name = os.path.basename(library)
            if name.startswith("libc.so."):
                # Built into the C library from glibc 2.34 on; before, user names need it (nss(5)).
                files_module = os.path.join(os.path.dirname(library), "libnss_files.so.2")
                if os.path.exists(files_module):
                    self.copy(files_module)
            elif name.startswith(("libtinfo", "libncurses")):
                for entry in _terminfo_entries():
                    self.copy(entry)


def shared_objects(path: str) -> list[str]:
    """Paths of the dynamic loader and of the libraries that the ELF program loads, as ldd(1) tells; [] if static.

    Only for trusted programs: their dynamic loader is run.  Raises OcipyError when a library is missing.
    """
    loader = elf.interpreter(path)
    if loader is None:
        return []
    # No LD_LIBRARY_PATH or LD_PRELOAD of the caller's: the container won't have them.
    environment = {"PATH": DEFAULT_PATH, "LC_ALL": "C"}
    ldd = shutil.which("ldd", path=DEFAULT_PATH)
    if ldd is None:
        raise OcipyError("--from-host: there is no ldd on this host, which tells the libraries of a program")
    answer = subprocess.run([ldd, path], capture_output=True, text=True, env=environment, check=False)
    if answer.returncode != 0:
        reason = (answer.stderr or answer.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise OcipyError(f"--from-host: ldd {path}: {reason[0].strip()}")
    return [loader, *_parse_ldd(path, answer.stdout)]


def _parse_ldd(program: str, output: str) -> Iterable[str]:
    """The paths in ldd's lines: ``name => /path (0xaddress)`` or ``/path (0xaddress)``; the vDSO has none."""
    for line in output.splitlines():
        name, arrow, found = line.strip().partition(" => ")
        place = (found if arrow else name).rpartition(" (")[0] or (found if arrow else name)
        if place == "not found":
            raise OcipyError(f"--from-host: {program} needs {name}, which is not on this host")
        if place.startswith("/"):
            yield place


def _interpreters(script: str) -> list[str]:
    """The programs of a script's ``#!`` line: the interpreter, and with env(1) the one it looks up."""
    with open(script, "rb") as file:
        start = file.readline(256)  # BINPRM_BUF_SIZE: the kernel reads no more
    if not start.startswith(b"#!"):
        return ["/bin/sh"] if b"\0" not in start else []  # execvp(3) and shells run it with sh
    words = os.fsdecode(start[2:]).split()
    if not words:
        return []
    programs = [words[0]]
    if os.path.basename(words[0]) == "env":
        programs += [word for word in words[1:] if not word.startswith("-") and "=" not in word][:1]
    return [_find(program) for program in programs]


def _find(name: str) -> str:
    path = _which(name)
    if path is None:
        where = "an executable file" if "/" in name else "in PATH"
        raise UsageError(f"--from-host: {name} is not {where}")
    return os.path.abspath(path)


def _which(name: str) -> str | None:
    return shutil.which(name, path=host_search_path())


def _copy_file(source: str, destination: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OcipyError(f"--from-host: {source} is not a regular file")
    shutil.copyfile(source, destination)
    # Without setuid bits: a stale second copy of a setuid program must not lie about on the host.
    os.chmod(destination, stat.S_IMODE(status.st_mode) & 0o755 | 0o444)
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns))


def _terminfo_entries() -> Iterable[str]:
    """The host's compiled terminal descriptions (terminfo(5): a directory per first letter, or its hex code)."""
    for directory in _TERMINFO:
        for name in _TERMINALS:
            for letter in (name[0], f"{ord(name[0]):x}"):
                path = f"{directory}/{letter}/{name}"
                if os.path.exists(path):
                    yield path


def _make_loader_cache(rootfs: str, libraries: Iterable[str]) -> None:
    """/etc/ld.so.conf and ld.so.cache for the libraries in ``rootfs`` (ld.so(8)).

    Without ldconfig the host's cache is copied: entries for files that aren't there do no harm.
    """
    directories = sorted({os.path.dirname(library) for library in libraries})
    if not directories:
        return
    etc = make_directory_within(rootfs, "etc")
    conf = os.path.join(etc, "ld.so.conf")
    with open(conf, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{directory}\n" for directory in directories)
    os.chmod(conf, 0o644)
    ldconfig = shutil.which("ldconfig", path=DEFAULT_PATH)
    cache = os.path.join(etc, "ld.so.cache")
    if ldconfig is not None:
        # -X: the symlinks are there already, as the host has them.
        subprocess.run([ldconfig, "-X", "-r", rootfs], capture_output=True, check=False)
        shutil.rmtree(os.path.join(rootfs, "var/cache/ldconfig"), ignore_errors=True)  # its own, of no use here
    if not os.path.exists(cache) and os.path.exists("/etc/ld.so.cache"):
        shutil.copyfile("/etc/ld.so.cache", cache)
        os.chmod(cache, 0o644)
