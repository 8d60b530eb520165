"""Putting a finished bundle in its place, and never deleting what is not a bundle made here."""

import json
import os
import shutil
import stat
import tempfile

from ocipy.errors import OcipyError, UsageError


def check_target(target: str, force: bool, marker: str) -> None:
    """Raise UsageError unless a bundle may be put at ``target`` (an absolute path).

    It may when nothing is there, or an empty directory, or with ``force`` a bundle whose config.json has the
    annotation ``marker``.
    """
    parent = os.path.dirname(target)
    if not os.path.isdir(parent):
        raise UsageError(f"{target}: there is no directory {parent} to make the bundle in")
    if not os.path.lexists(target):
        return
    if not stat.S_ISDIR(os.lstat(target).st_mode):
        raise UsageError(f"{target} exists and is not a directory")
    if os.path.realpath(target) == os.path.realpath(os.getcwd()):
        raise UsageError(f"{target} is the current directory: name one to be made, such as ./bundle")
    if not os.listdir(target):
        return
    if not force:
        more = " (--force replaces it)" if _is_ours(target, marker) else ""
        raise UsageError(f"{target} exists and is not empty{more}")
    if not _is_ours(target, marker):
        raise UsageError(f"{target} is not a bundle made by ocipy: --force does not remove it")
    mount = _mount_below(os.path.realpath(target))
    if mount:
        # Removing the old tree would go on into what is mounted there.
        raise OcipyError(f"{target} can't be replaced: {mount} is mounted in it")


def put_in_place(made: str, target: str, force: bool, marker: str) -> None:
    """Rename the directory ``made`` to ``target``, replacing what ``check_target`` allows; removes the old one."""
    check_target(target, force, marker)
    if not os.path.lexists(target) or not os.listdir(target):
        os.rename(made, target)
        return
    grave = tempfile.mkdtemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    old = os.path.join(grave, "old")
    try:
        os.rename(target, old)
        try:
            os.rename(made, target)
        except BaseException:
            os.rename(old, target)
            raise
    finally:
        remove_tree(grave)


def remove_tree(path: str) -> None:
    """Remove a directory tree if it is there, also one whose directories lack write permission."""
    if not os.path.lexists(path):
        return
    if os.geteuid() != 0:
        for directory, names, _ in os.walk(path):
            for name in names:
                below = os.path.join(directory, name)
                if not os.path.islink(below):
                    os.chmod(below, 0o700)
    shutil.rmtree(path)


def _is_ours(directory: str, marker: str) -> bool:
    try:
        with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError):
        return False
    annotations = config.get("annotations") if isinstance(config, dict) else None
    return isinstance(annotations, dict) and marker in annotations


def _mount_below(directory: str) -> str:
    """A mount point at or below ``directory``, "" if there is none (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            # Space, tab, newline and backslash come as octal escapes.
            escaped = line.split(" ")[4].encode("utf-8", "surrogateescape")
            point = os.fsdecode(escaped.decode("unicode_escape").encode("latin-1"))
            if point == directory or point.startswith(f"{directory}/"):
                return point
    return ""
