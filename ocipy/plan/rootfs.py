"""The container's filesystem: propagation, root, mounts, devices; then what is hidden or made read-only; the pivot."""

from ocipy.errors import StepError
from ocipy.plan.devices import devices
from ocipy.plan.mount_options import MS_REC, PROPAGATION
from ocipy.plan.mounts import MountContext, brings_own_dev, is_mapped, mounts, mounts_readonly
from ocipy.plan.ops import SetupOp
from ocipy.pointers import escape
from ocipy.spec.checks_linux import sysctl_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def build(config: "dict[str, Any]", context: MountContext, own_mounts: bool, bind_devices: bool) -> "Iterator[SetupOp]":
    """Everything the container finds in its root.  ``own_mounts``: it has a mount namespace apart from the host's."""
    root = config["root"]["path"]
    path = root if root.startswith("/") else f"{context.bundle}/{root}"
    wanted = PROPAGATION.get(config["linux"]["rootfsPropagation"], 0)
    if own_mounts:
        pointer = "/linux/rootfsPropagation" if wanted else "/linux/namespaces"
        yield SetupOp("propagation", pointer, flags=_early(wanted))
    if any(map(is_mapped, config["mounts"])):
        from ocipy.plan import idmaps

        yield from idmaps.trees(config, context)
    shared = wanted & PROPAGATION["shared"]
    yield SetupOp("root", "/root/path", path=path, bind=int(own_mounts), private_parent=int(bool(shared)))
    steps = mounts(config["mounts"], context)
    if config["linux"]["mountLabel"]:
        from ocipy.plan.labels import labelled_mounts

        steps = labelled_mounts(steps, config["linux"]["mountLabel"], context.host)
    yield from steps
    if not brings_own_dev(config["mounts"]):
        yield from devices(config["linux"]["devices"], bind_devices)
    cwd = config["process"]["cwd"]
    if cwd.strip("/"):
        yield SetupOp("directory", "/process/cwd", path=cwd, mode=0o755)


def _early(wanted: int) -> int:
    """The propagation while the root is set up.  An unbindable mount couldn't be bound: it becomes that at the end.

    Words without the r speak of the root alone, and that is what it becomes at the end; until then nothing may spread
    from a shared mount that the root lies on, which pivot_root(2) would refuse as well.
    """
    if not wanted & (MS_REC | PROPAGATION["shared"]):
        return PROPAGATION["rslave"]
    if wanted & PROPAGATION["unbindable"]:
        return wanted ^ PROPAGATION["unbindable"] | PROPAGATION["private"]
    return wanted


def protect(config: "dict[str, Any]") -> "Iterator[SetupOp]":
    """Kernel settings, then what may not be seen or written; last the root itself.

    A read-only /dev is made so only here: the terminal's /dev/console has to be made in it before.
    """
    linux = config["linux"]
    yield from mounts_readonly(config["mounts"])
    for name, value in linux["sysctl"].items():
        yield SetupOp("sysctl", f"/linux/sysctl/{escape(name)}", path=f"sys/{sysctl_path(name)}", value=value)
    for number, path in enumerate(linux["readonlyPaths"]):
        yield SetupOp("readonly-path", f"/linux/readonlyPaths/{number}", path=path)
    for number, path in enumerate(linux["maskedPaths"]):
        yield SetupOp("mask", f"/linux/maskedPaths/{number}", path=path, label=linux["mountLabel"])
    if config["root"]["readonly"]:
        yield SetupOp("readonly-root", "/root/readonly")


def enter(config: "dict[str, Any]", own_mounts: bool, no_pivot: bool) -> "Iterator[SetupOp]":
    """From the host's root to the container's."""
    if not own_mounts:
        yield SetupOp("chroot", "/root/path")
        return
    wanted = PROPAGATION.get(config["linux"]["rootfsPropagation"], 0)
    if no_pivot and wanted & PROPAGATION["private"]:
        # As runc: the host's mounts stay below the moved root, and no unmounting on the host would reach them.
        reason = "a private propagation isn't safe without pivot_root"
        raise StepError("linux.rootfsPropagation", reason, 0, "drop --no-pivot", -1, "/linux/rootfsPropagation")
    yield SetupOp("move-root" if no_pivot else "pivot-root", "/root/path")
    if wanted:
        yield SetupOp("root-propagation", "/linux/rootfsPropagation", flags=wanted)
