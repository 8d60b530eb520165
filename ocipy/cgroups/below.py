"""Cgroups below a container's own, which exec may put a process into."""

from ocipy import files
from ocipy.errors import UsageError


def sub_cgroups(paths: "dict[str, str]", arguments: "list[str]") -> "dict[str, str]":
    """``paths`` (hierarchy name → directory), changed as ``--cgroup`` says.

    ``PATH`` is for all hierarchies, ``CONTROLLER[,CONTROLLER]:PATH`` for those with them.  Raises UsageError.
    """
    wanted: dict[str, str] = {}
    for argument in arguments:
        controllers, colon, path = argument.partition(":")
        if not colon:
            if len(arguments) > 1:
                raise UsageError(f"--cgroup {argument}: of several, each needs controllers before it")
            return {name: _below(directory, argument) for name, directory in paths.items()}
        for controller in controllers.split(","):
            if not controller:
                raise UsageError(f"--cgroup {argument}: there is an empty controller")
            if controller in wanted:
                raise UsageError(f"--cgroup {argument}: the controller {controller} is given twice")
            wanted[controller] = path
    changed = dict(paths)
    for controller, path in wanted.items():
        name = next((name for name in paths if name and controller in (name, *name.split(","))), None)
        if name is None:
            raise UsageError(f"--cgroup: the container has no cgroup of the controller {controller}")
        changed[name] = _below(paths[name], path)
    return changed


def _below(directory: str, path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"--cgroup {path}: is no cgroup below the container's own")
    return "/".join([directory, *parts])


def own_cgroup(path: str, pid: int) -> str:
    """Where in the unified hierarchy the process is, if that is at or below the directory ``path``, else ``path``.

    Raises OSError.
    """
    text = files.read(f"/proc/{pid}/cgroup").decode("utf-8", "surrogateescape")
    own = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
    relative = own
    while relative:
        # What of it is below our mount point, we needn't know: the container's own path ends where the rest begins.
        head, _, _ = relative.rpartition("/")
        if head and path.endswith(head) and files.exists(path + own[len(head) :]):
            return path + own[len(head) :]
        relative = head
    return path
