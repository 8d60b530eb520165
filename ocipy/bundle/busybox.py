"""A root filesystem of one program: the host's static busybox, and a symlink for each of its applets."""

import os
import shutil
import subprocess

from ocipy.bundle.default_config import DEFAULT_PATH
from ocipy.bundle.elf import is_elf, is_static
from ocipy.errors import OcipyError

_NAMES = ("busybox", "busybox.static", "busybox-static")
_HOME = "bin/busybox"


def find_static_busybox() -> str | None:
    """The first static busybox in PATH, under any of the names distributions give it."""
    search_path = os.environ.get("PATH") or DEFAULT_PATH
    for name in _NAMES:
        for directory in search_path.split(":"):
            path = os.path.join(directory, name)
            if directory and os.access(path, os.X_OK) and os.path.isfile(path) and is_elf(path) and is_static(path):
                return os.path.abspath(path)
    return None


def install_busybox(rootfs: str) -> int:
    """Copy the host's static busybox to ``bin/busybox`` and link its applets; the value counts the links.

    Raises OcipyError when the host has none, or it doesn't list its applets.
    """
    busybox = find_static_busybox()
    if busybox is None:
        raise OcipyError(
            "--busybox: there is no static busybox in PATH (apt install busybox-static; "
            "or make the bundle with --from-host)"
        )
    listing = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        raise OcipyError(f"--busybox: {busybox} --list-full failed with status {listing.returncode}")
    os.makedirs(os.path.join(rootfs, "bin"), exist_ok=True)
    shutil.copyfile(busybox, os.path.join(rootfs, _HOME))
    os.chmod(os.path.join(rootfs, _HOME), 0o755)
    links = 0
    for applet in listing.stdout.split():
        if applet.startswith("/") or ".." in applet.split("/"):
            raise OcipyError(f"--busybox: {busybox} --list-full names {applet!r}, which is not a path below /")
        path = os.path.join(rootfs, applet)
        if os.path.lexists(path):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(os.path.relpath(os.path.join(rootfs, _HOME), os.path.dirname(path)), path)
        links += 1
    return links
