"""The RUNTIME steps: what the parent does for the container, one function a kind of step."""

import posix

from ocipy import files
from ocipy.cgroups import manager
from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocipy.spawn import Spawn


def _resctrl_group(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy import resctrl

    resctrl.set_up(op, spawn.made_groups)


def _resctrl_monitor(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy import resctrl

    del spawn
    resctrl.monitor(op)


def _resctrl_join(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy import resctrl

    resctrl.join(op, spawn.pid)


def _cgroup_create(spawn: "Spawn", op: SetupOp) -> None:
    paths = op.values["paths"]
    manager.create(paths.values(), spawn.root)
    alone = list(paths) == [""]
    if alone or op.values["controllers"]:
        from ocipy.cgroups.delegation import enable_controllers

        enable_controllers(op.values["mount"], paths[""], op.values["controllers"], all_=alone)


def _cgroup_write(spawn: "Spawn", op: SetupOp) -> None:
    del spawn
    manager.apply(**op.values)


def _systemd_attach(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy.cgroups import units

    units.attach(op.values["unit"], op.values["below"], spawn.pid)


def _systemd_scope(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy.cgroups import units

    values = op.values
    units.start(values["unit"], values["properties"], spawn.pid, values["user"])
    if values["controllers"] and values["path"]:
        from ocipy.cgroups.delegation import check_controllers

        check_controllers(values["path"], values["controllers"])


def _cgroup_enter(spawn: "Spawn", op: SetupOp) -> None:
    for path in op.values["paths"].values():
        manager.write(f"{path}/cgroup.procs", str(spawn.pid))


def _cgroup_owner(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy.cgroups.delegation import change_owner

    change_owner(op.values["path"], spawn.pid, op.values["uid"])


def _device_filter(spawn: "Spawn", op: SetupOp) -> None:
    del spawn
    set_device_filter(op.values["path"], op.values["program"])


def set_device_filter(path: str, program: bytes) -> None:
    """Let an eBPF program decide on devices for a cgroup, in place of one that was put there so.  Raises OSError."""
    from ocipy._shim import lib

    fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        done = lib.ocipy_set_device_filter(fd, program, len(program) // 8)
    finally:
        posix.close(fd)
    if done < 0:
        raise OSError(-done, f"bpf BPF_CGROUP_DEVICE {path}")


def _rlimit(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy._shim import lib

    done = lib.ocipy_prlimit(spawn.pid, op.values["resource"], op.values["soft"], op.values["hard"])
    if done < 0:
        raise OSError(-done, f"prlimit to {op.values['soft']}:{op.values['hard']}")


def _oom_score(spawn: "Spawn", op: SetupOp) -> None:
    _write(f"/proc/{spawn.pid}/oom_score_adj", str(op.values["value"]))


def _id_map(spawn: "Spawn", op: SetupOp) -> None:
    if op.values["deny_setgroups"]:
        _write(f"/proc/{spawn.pid}/setgroups", "deny")
    for kind in ("gid", "uid"):
        ranges = op.values[kind]
        if kind in op.values["helped"]:
            from ocipy import id_map_helpers

            id_map_helpers.run(kind, spawn.pid, ranges)
        else:
            _write(f"/proc/{spawn.pid}/{kind}_map", "".join(f"{a} {b} {size}\n" for a, b, size in ranges))


def _net_device(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy.net_devices import Move

    move = Move(op.values["name"], op.values["inside"], op.values["path"] or f"/proc/{spawn.pid}/ns/net")
    move.do()
    spawn.moves.append(move)


def _run_hook(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy import hooks

    values = op.values
    hooks.run(values["hook"], values["number"], values, spawn.state | {"pid": spawn.pid})


def _idmap_tree(spawn: "Spawn", op: SetupOp) -> None:
    from ocipy.mapped_trees import mapped_tree

    spawn.trees.append(mapped_tree(op.values, spawn.pid))


def _initial_affinity(spawn: "Spawn", op: SetupOp) -> None:
    spawn.affinity = posix.sched_getaffinity(0)
    _set_affinity(0, op.values["cpus"])


def _final_affinity(spawn: "Spawn", op: SetupOp) -> None:
    _set_affinity(spawn.pid, op.values["cpus"])


def _set_affinity(pid: int, cpus: str) -> None:
    """Of a thread; 0 is the caller."""
    from ocipy.spec.lists import numbers

    try:
        posix.sched_setaffinity(pid, numbers(cpus))
    except OSError as problem:
        raise OSError(problem.errno, f"sched_setaffinity to {cpus}") from None


def _created(spawn: "Spawn", op: SetupOp) -> None:
    del op
    if spawn.on_created:
        spawn.on_created(spawn.pid)


def _write(path: str, text: str) -> None:
    try:
        files.write(path, text)
    except OSError as problem:
        raise OSError(problem.errno, f"write {text.strip()!r} to {path}") from None


ACTIONS: "dict[str, Callable[[Spawn, SetupOp], None]]" = {
    "systemd-scope": _systemd_scope,
    "systemd-attach": _systemd_attach,
    "cgroup-enter": _cgroup_enter,
    "cgroup-create": _cgroup_create,
    "cgroup-write": _cgroup_write,
    "cgroup-owner": _cgroup_owner,
    "device-filter": _device_filter,
    "id-map": _id_map,
    "idmap-tree": _idmap_tree,
    "initial-affinity": _initial_affinity,
    "final-affinity": _final_affinity,
    "oom-score": _oom_score,
    "resctrl-group": _resctrl_group,
    "resctrl-join": _resctrl_join,
    "resctrl-monitor": _resctrl_monitor,
    "rlimit": _rlimit,
    "net-device": _net_device,
    "run-hook": _run_hook,
    "created": _created,
}
