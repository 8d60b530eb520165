"""``exec``: one more process for a container that runs, compiled into steps; it ends as ``create`` does."""

from ocipy.plan import process
from ocipy.plan.ops import Plan, SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo
    from ocipy.plan.options import Running
    from ocipy.seccomp import Filter


def exec_(
    config: "dict[str, Any]",
    user_process: "dict[str, Any]",
    host: "HostInfo",
    running: "Running",
    seccomp: "Filter | None",
    fds: "tuple[int, int]",
) -> Plan:
    """Compile a complete, checked process for a container of that config.

    ``running`` is what has been found of the container; ``seccomp`` its compiled filter; ``fds`` are counted as in
    ``process.setup``.  Raises StepError for what the host lacks.
    """
    if fds[0]:
        from ocipy.plan import activation

        user_process = activation.with_sockets(user_process, fds[0])
    ops = list(_ops(config, user_process, host, running, seccomp, fds))
    return Plan(ops, running.cgroup_paths, user_process["terminal"])


def _ops(
    config: "dict[str, Any]",
    user_process: "dict[str, Any]",
    host: "HostInfo",
    running: "Running",
    seccomp: "Filter | None",
    fds: "tuple[int, int]",
) -> "Iterator[SetupOp]":
    affinity = user_process.get("execCPUAffinity", {})
    if affinity.get("initial"):
        yield SetupOp("initial-affinity", "/process/execCPUAffinity/initial", cpus=affinity["initial"])
    yield _spawn(running, user_process.get("oomScoreAdj"))
    if running.unit:
        unit, below = running.unit
        yield SetupOp("systemd-attach", "/linux/cgroupsPath", unit=unit, below=below)
    yield SetupOp("session", "/process")
    if affinity.get("final"):
        yield SetupOp("final-affinity", "/process/execCPUAffinity/final", cpus=affinity["final"])
    if "intelRdt" in config["linux"]:
        from ocipy.plan import resctrl

        yield resctrl.join(config["linux"]["intelRdt"], host, running.container_id)
    if running.root or user_process["terminal"]:
        yield SetupOp("root", "/root/path", path=running.root or "/", bind=0, private_parent=0)
    if user_process["terminal"]:
        yield process.console(user_process, bind=False, handed_over=running.console_socket)
    if running.root:
        yield SetupOp("chroot", "/root/path")
    yield from process.setup(
        user_process,
        config["linux"],
        host,
        "" if running.no_new_keyring else running.container_id,
        seccomp,
        fds,
    )
    yield SetupOp("outlive", "")
    yield from process.program(user_process, seccomp)


def _spawn(running: "Running", oom_score: "int | None") -> SetupOp:
    """The step that makes the process in the container's cgroups, and has it join the container's namespaces.

    Joined PID and time namespaces take effect for children only.
    """
    paths = running.cgroup_paths
    return SetupOp(
        "spawn",
        "",
        new=[],
        join=running.namespaces,
        become_root="user" in running.namespaces,
        # systemd moves what is the user's; the container's root may have another id on the host.
        wait_maps=running.unit is not None,
        fork_again=bool({"pid", "time"} & running.namespaces.keys()),
        time_offsets="",
        oom_score="" if oom_score is None else str(oom_score),
        tasks=[f"{path}/tasks" for name, path in paths.items() if name],
        unified="" if running.unit else paths.get("", ""),
    )
