"""The path to register: of the launcher that belongs to this package."""

import os
import shutil

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


def check(path: str) -> str:
    """A path given by the user, if engines can call it.  Raises UsageError."""
    if not path.startswith("/") or not path.isprintable():
        raise UsageError(f"--command needs an absolute path, not {path!r}")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise UsageError(f"--command {path}: no file that can be executed")
    return path


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
