"""What a cgroup hands down in the unified hierarchy: controllers to the cgroups below it."""

from ocipy import files
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
        for controller in needed:
            if controller not in present:
                raise _not_handed_down(controller, at)
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
