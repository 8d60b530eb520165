"""Taking a container apart: its processes, cgroups, state directory; then the poststop hooks."""

from ocipy.cgroups import manager
from ocipy.errors import NotFoundError, OcipyError, StateError, SyscallError
from ocipy.init_process import is_dying, kill
from ocipy.state import StateDir, hook_document, is_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def delete(directory: StateDir, *, force: bool) -> None:
    """Remove a container that has stopped or was never started; with ``force`` any, and none at all is no error.

    Raises StateError when it runs, NotFoundError, and what ``destroy`` raises.
    """
    try:
        directory.lock()
    except NotFoundError:
        if force:
            return
        raise
    try:
        found = directory.read()
        status = directory.status(found)
        if status in ("running", "paused") and not force and not is_dying(found):
            raise StateError(f"cannot delete container {directory.container_id} that is not stopped: {status}")
        destroy(directory, found, run_hooks=True)
    finally:
        directory.close()


def destroy(state_dir: StateDir, state: "dict[str, Any]", *, run_hooks: bool) -> None:
    """Undo all of create; ``state_dir`` is locked, and gone afterwards.  ``state`` may be ``{}``: a create that died.

    A cgroup or a resctrl group that can't be removed doesn't keep the rest from being undone; it is reported at the end
    (SyscallError, or StepError of a scope).
    """
    pid = state.get("init_process_pid", 0)
    paths: dict[str, str] = state.get("cgroup_paths", {})
    if is_frozen(paths):
        from ocipy.cgroups import freezer

        freezer.end(paths)
    if pid:
        kill(pid, state["init_process_start"])
    failure: Exception | None = None
    try:
        # Processes of a container that shares its PID namespace survive its init.
        manager.kill_all(paths)
        try:
            if "systemd" in state:
                from ocipy.cgroups import units

                units.stop(**state["systemd"])
        finally:
            manager.remove(paths.values(), state_dir.root, state.get("cgroups_kept", ()))
    except (OcipyError, OSError) as problem:
        failure = problem
    if state.get("resctrl"):
        failure = _remove_groups(state["resctrl"]) or failure
    state_dir.remove()
    if run_hooks and state.get("hooks", {}).get("poststop"):
        from ocipy import hooks

        hooks.run_all_with_warnings(state["hooks"]["poststop"], "poststop", hook_document(state, "stopped"))
    if failure:
        raise failure


def _remove_groups(paths: "list[str]") -> "SyscallError | None":
    from ocipy import resctrl

    try:
        resctrl.remove(paths)
    except SyscallError as problem:
        return problem
    return None
