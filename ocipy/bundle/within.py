"""Paths as a process in the root filesystem would see them.

The root filesystem may come from an archive or an image: its symlinks are hostile until shown otherwise, and
must not lead out of it.  Nothing runs in it while a bundle is made, so walking by name is enough here.
"""

import os
import stat

from ocipy.errors import OcipyError

_MOST_LINKS = 40  # as the kernel's own walk (path_resolution(7))


def resolve_within(root: str, path: str, follow_last: bool = True) -> str:
    """The host's path of ``path`` in ``root``, symlinks and ``..`` kept below it, as after chroot(2).

    The result need not exist.  Raises OcipyError on a loop of symlinks.
    """
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
        here = "/".join((root, *done, name))
        if (pending or follow_last) and os.path.islink(here):
            links += 1
            if links > _MOST_LINKS:
                raise OcipyError(f"{path} in {root}: more than {_MOST_LINKS} symlinks on the way")
            target = os.readlink(here)
            if target.startswith("/"):
                done.clear()
            pending.extend(target.split("/")[::-1])
            continue
        done.append(name)
    return "/".join((root, *done))


def make_directory_within(root: str, path: str, mode: int = 0o755) -> str:
    """Make the directory ``path`` in ``root`` and its parents, whatever the umask; the value is the host's path.

    A directory that is there stays as it is.
    """
    place = resolve_within(root, path)
    if not os.path.isdir(place):
        if place != root:
            make_directory_within(root, os.path.dirname(place)[len(root) :])
        os.mkdir(place)
        os.chmod(place, mode)
    return place


def read_within(root: str, path: str) -> str:
    """The text of the regular file ``path`` in ``root``; "" when there is no such file."""
    try:
        # O_NONBLOCK: a FIFO put there must not make us wait for a writer.
        fd = os.open(resolve_within(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    with open(fd, encoding="utf-8", errors="surrogateescape") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OcipyError(f"{path} in {root} is not a regular file")
        return file.read()


def find_command(root: str, command: str, search_path: str, cwd: str = "/") -> str | None:
    """Where execvp(3) would find ``command`` in ``root`` (a path inside it), or None."""
    if "/" in command:
        candidates = [os.path.join(cwd, command)]
    else:
        candidates = [f"{directory}/{command}" for directory in search_path.split(":") if directory]
    for candidate in candidates:
        found = resolve_within(root, candidate)
        if os.path.isfile(found) and os.stat(found).st_mode & 0o111:
            return candidate
    return None
