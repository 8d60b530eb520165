"""The path to register: of the launcher that belongs to this package."""

import os
import shutil
import stat

from ocipy.errors import UsageError


def find(package: str) -> str:
    """The launcher for the package in directory ``package``, or a link to it on PATH, which outlives an upgrade.

    Raises UsageError if there is none.
    """
    launcher = _beside(os.path.abspath(package))
    if launcher is None:
        raise UsageError(f"no command belongs to {package}: name one by --command PATH")
    linked = shutil.which("ocipy")
    return linked if linked and os.path.realpath(linked) == os.path.realpath(launcher) else launcher


def check(path: str, here: bool) -> None:
    """Raise UsageError unless it is a path that engines can call; ``here``: on this machine."""
    if not path.startswith("/") or not path.isprintable():
        raise UsageError(f"--command needs an absolute path, not {path!r}")
    if here and not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise UsageError(f"--command {path}: no file that can be executed")


def writers(command: str) -> "list[str]":
    """Notes on who but root may put another program in the command's place, and so becomes root."""
    notes = []
    path = os.path.realpath(command)
    while True:
        facts = os.stat(path)
        shared = stat.S_IMODE(facts.st_mode) & 0o022 and not facts.st_mode & stat.S_ISVTX
        if facts.st_uid or shared:
            who = f"its owner, uid {facts.st_uid}," if facts.st_uid else "others than root"
            notes.append(
                f"{path}: {who} may change it, and so what engines run as root (install with sudo ./quickstart)"
            )
        if path == "/":
            return notes[-1:]  # the outermost says most
        path = os.path.dirname(path)


def _beside(package: str) -> "str | None":
    """In the prefix that the package was installed into, or in the checkout."""
    directory = os.path.dirname(package)
    while directory != "/":
        for name in ("bin/ocipy", "build/bin/ocipy"):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
        directory = os.path.dirname(directory)
    return None
