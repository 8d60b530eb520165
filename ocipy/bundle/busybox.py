"""A root filesystem of one program: the host's static busybox, and a symlink for each of its applets."""

import os
import shutil
import subprocess

from ocipy.bundle.default_config import host_search_path
from ocipy.bundle.elf import is_elf, is_static
from ocipy.bundle.within import make_directory_within
from ocipy.errors import OcipyError

_NAMES = ("busybox", "busybox.static", "busybox-static")


def find_static_busybox() -> str | None:
    """The first static busybox in PATH, under any of the names distributions give it."""
    for name in _NAMES:
        for directory in host_search_path().split(":"):
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
    copied = os.path.join(make_directory_within(rootfs, "bin"), "busybox")
    shutil.copyfile(busybox, copied)
    os.chmod(copied, 0o755)
    links = 0
    for applet in listing.stdout.split():
        if applet.startswith("/") or ".." in applet.split("/"):
            raise OcipyError(f"--busybox: {busybox} --list-full names {applet!r}, which is not a path below /")
        directory = make_directory_within(rootfs, os.path.dirname(applet))
        path = os.path.join(directory, os.path.basename(applet))
        if not os.path.lexists(path):
            os.symlink(os.path.relpath(copied, directory), path)
            links += 1
    return links
