"""What is handed down in the unified hierarchy: controllers to cgroups below, a cgroup to the container's user."""

import posix

from ocipy import files, log
from ocipy.cgroups.manager import read
from ocipy.errors import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


def enable_controllers(mount: str, path: str, needed: "Collection[str]", *, all_: bool) -> None:
    """Unified hierarchy: enable controllers from the mount point down to the cgroup's parent.

    ``needed`` are those that limits ask for: raises SyscallError where one can't be enabled.  With ``all_`` the others
    are enabled as well as far as possible, for what they count, and for cgroups that the container makes.
    """
    at = mount
    for part in ("", *path[len(mount) :].strip("/").split("/")[:-1]):
        at = f"{at}/{part}" if part else at
        present = read(f"{at}/cgroup.controllers").split()
        enabled = read(f"{at}/cgroup.subtree_control").split()
        _check(present, needed, at)
        wanted = [each for each in present if each not in enabled and (all_ or each in needed)]
        if not wanted:
            continue
        try:
            files.write(f"{at}/cgroup.subtree_control", " ".join(f"+{each}" for each in wanted))
        except OSError:
            # All or none: then at least those that are needed, or the reason why not.
            for controller in wanted:
                if controller in needed:
                    _enable(at, controller)


def check_controllers(path: str, needed: "Collection[str]") -> None:
    """Raise SyscallError where a cgroup, which another made, lacks a controller that limits ask for."""
    _check(read(f"{path}/cgroup.controllers").split(), needed, path)


def _check(present: "Collection[str]", needed: "Collection[str]", directory: str) -> None:
    for controller in needed:
        if controller not in present:
            raise _not_handed_down(controller, directory)


def _enable(directory: str, controller: str) -> None:
    path = f"{directory}/cgroup.subtree_control"
    try:
        files.write(path, f"+{controller}")
    except OSError as problem:
        hint = "the kernel has it elsewhere, or for no cgroup below"
        if problem.errno == 16:
            hint = "a cgroup with processes of its own can't hand controllers down: move them into one below it"
        elif problem.errno in (1, 13, 30):
            hint = f"it isn't the runtime's to hand out: run as root, or delegate it (systemd: Delegate={controller})"
        raise SyscallError(f"enable the {controller} controller in", problem.errno or 0, path, hint) from problem


def _not_handed_down(controller: str, directory: str) -> SyscallError:
    parent = directory.rpartition("/")[0]
    hint = f"enable it: echo +{controller} > {parent}/cgroup.subtree_control (systemd: Delegate={controller})"
    return SyscallError(f"use the {controller} controller in", 2, directory, hint)


def change_owner(path: str, pid: int, uid: int) -> None:
    """Give a cgroup to the host's user that ``uid`` is in process ``pid``'s user namespace.

    That is its directory and those files that may be handed to who isn't trusted with its limits (config-linux.md,
    Cgroup ownership; cgroups(7), Cgroups delegation).  Raises SyscallError.
    """
    owner = _host_uid(read(f"/proc/{pid}/uid_map"), uid)
    if owner is None:
        raise SyscallError(f"give to user {uid} of the container", 22, path, "the user namespace doesn't map that id")
    for name in ("", *delegated_files()):
        file = f"{path}/{name}" if name else path
        try:
            posix.chown(file, owner, -1)
        except FileNotFoundError:
            continue
        except PermissionError as problem:
            if not posix.geteuid():
                raise SyscallError(f"give to user {owner}", problem.errno or 0, file) from problem
            log.warning(f"{file} stays the runtime's: only root can give it to user {owner}")
            return


def delegated_files() -> "list[str]":
    """The names of the files; what to fall back on is the specification's list."""
    try:
        return read("/sys/kernel/cgroup/delegate").split()
    except FileNotFoundError:
        return ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]


def _host_uid(uid_map: str, uid: int) -> "int | None":
    for line in uid_map.splitlines():
        inside, outside, size = map(int, line.split())
        if inside <= uid < inside + size:
            return outside + uid - inside
    return None
