"""The runtime's root directory, below which the state directories are."""

import posix

from ocipy.errors import UsageError


def default_root(uid: int) -> str:
    """Where containers are kept: /run/ocipy; for an ordinary user ocipy below XDG_RUNTIME_DIR, or /run/user/UID.

    As for runc, root of a user namespace is such a user, if it has that variable and isn't called root.  Raises
    UsageError for a directory that other users could have made or may write to: that is no place for state.
    """
    given = posix.environ.get(b"XDG_RUNTIME_DIR", b"").decode("utf-8", "surrogateescape")
    if uid == 0 and (not given or posix.environ.get(b"USER") == b"root" or not _in_user_namespace()):
        return "/run/ocipy"
    directory = given or f"/run/user/{uid}"
    root = f"{directory}/ocipy"
    for path in (directory, root):
        try:
            found = posix.stat(path)
        except OSError:
            if path == root:
                break
            raise UsageError(f"{directory} is no directory of this user's: {_ELSEWHERE}") from None
        if found.st_uid != uid:
            raise UsageError(f"{path} is no directory of this user's: {_ELSEWHERE}")
        if found.st_mode & _OTHERS_WRITE:
            raise UsageError(f"{path} may be written to by other users: chmod 700, or {_ELSEWHERE}")
    return root


_ELSEWHERE = "set XDG_RUNTIME_DIR, or give --root"
_OTHERS_WRITE = 0o022


def _in_user_namespace() -> bool:
    from ocipy.host import in_user_namespace

    return in_user_namespace()


def make_root(root: str, mode: int = 0o1700) -> None:
    """mkdir -p, 0700 for what is missing: the state names every path and command of every container.  Raises OSError.

    By the sticky bit the XDG Base Directory Specification exempts a directory from being cleared away.
    """
    try:
        posix.mkdir(root, mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_root(root.rpartition("/")[0], 0o700)
        try:
            posix.mkdir(root, mode)
        except FileExistsError:
            return  # another command made it meanwhile
