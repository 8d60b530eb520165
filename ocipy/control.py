"""What is done to a container that is there: ``pause`` and ``resume``."""

from ocipy.cgroups import freezer
from ocipy.errors import StateError
from ocipy.state import StateDir, is_alive


def pause(directory: StateDir) -> None:
    """Freeze all of a created or running container's processes, and wait until they are.

    Raises StateError: not running, paused already, no cgroup, or one that can't be frozen.
    """
    directory.lock()
    try:
        found = directory.read()
        status = directory.status(found, locked=True)
        if status == "paused":
            raise StateError("container is paused already")
        _need_running(status)
        freezer.freeze(found["cgroup_paths"])
        if not is_alive(found["init_process_pid"], found["init_process_start"]):
            # It ended meanwhile, and a frozen cgroup that nobody thaws isn't to stay.
            freezer.thaw(found["cgroup_paths"])
            _need_running("stopped")
    finally:
        directory.close()


def resume(directory: StateDir) -> None:
    """Let a paused container's processes go on.  Raises StateError for one that isn't paused."""
    directory.lock()
    try:
        found = directory.read()
        if directory.status(found, locked=True) != "paused":
            raise StateError("container not paused")
        freezer.resume(found["cgroup_paths"])
    finally:
        directory.close()


def _need_running(status: str) -> None:
    if status not in ("created", "running", "paused"):
        raise StateError("container not running")
