"""``create``: from a bundle to a container whose init waits for ``start``; or nothing at all."""

import _socket
import errno
import posix

from ocipy import files, handover, log
from ocipy import host as host_info
from ocipy.cgroups.paths import is_systemd_path
from ocipy.cloning import CALLERS_OWN, Request
from ocipy.errors import OcipyError, StepError, SyscallError, describe_errno
from ocipy.handover import PidReport
from ocipy.plan.create import create as compile_plan
from ocipy.plan.options import CreateOptions
from ocipy.spawn import Spawn
from ocipy.spec.load import read_checked
from ocipy.state import CONFIG, SOCKET, StateDir, hook_document, process_stat, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.host import HostInfo
    from ocipy.plan.ops import Plan


def prepare(options: CreateOptions, root: str = "", for_show: bool = False) -> "tuple[dict[str, Any], HostInfo, Plan]":
    """Read, check and compile: all that can be refused without having changed anything.

    ``root`` is the runtime's root directory, whose cache may hold the compiled seccomp filter ("": no cache).  With
    ``for_show`` nobody means to run the plan: for a container that only root can make, it is root's.
    """
    config, warnings = read_checked(options.bundle)
    for warning in warnings:
        log.warning(str(warning))
    host = host_info.probe(options.rootless)
    if for_show and host.uid and all(each["type"] != "user" for each in config["linux"]["namespaces"]):
        log.warning("without a user namespace only root can make this container: the plan is root's")
        host = host.as_root()
    if _asks_for_facts(config):
        from ocipy import host_facts

        host_facts.look(host, config)
    if options.systemd_cgroup:
        from ocipy.cgroups import units

        host.systemd = units.probe(host.rootless and host.unprivileged)
    elif is_systemd_path(config["linux"]["cgroupsPath"]):
        log.warning("linux.cgroupsPath is systemd's without --systemd-cgroup: taken as a relative path")
    profile = config["linux"].get("seccomp")
    if profile is not None:
        from ocipy.seccomp import compile_filter

        options.seccomp = compile_filter(profile, f"{root}/@seccomp" if root else None)
    plan = compile_plan(config, host, options)
    return config, host, plan


def _asks_for_facts(config: "dict[str, Any]") -> bool:
    """Whether the plan depends on what is looked up for few configs only (host_facts.py)."""
    process, linux = config.get("process"), config["linux"]
    if linux["sysctl"] or linux["mountLabel"] or "intelRdt" in linux:
        return True
    return process is not None and bool(process["apparmorProfile"] or process["selinuxLabel"])


def create(
    state_dir: StateDir,
    options: CreateOptions,
    *,
    console: int = -1,
    console_socket: str = "",
    report: "PidReport | None" = None,
    fault: "tuple[int, int] | None" = None,
) -> "dict[str, Any]":
    """Make the container; the value is its state.

    ``console`` is a connected socket for the terminal's master (the caller's to close), ``console_socket`` the path of
    one to connect to, ``report`` gets to know init; ``fault`` is for tests (see ``Spawn.run``).  On any failure
    everything made is undone.
    """
    report = report or PidReport()
    handover.fill_stdio()
    passed = handover.check_passed(options.listen_fds, options.preserve_fds)
    state_dir.make_root()
    state_dir.refuse_used()
    config, host, plan = prepare(options, state_dir.root)
    _check_terminal(plan.console, console, console_socket)
    _check_host(config, plan, options)
    if host.rootless and not plan.cgroup_paths:
        _note_no_cgroup(config)
    state = _initial_state(config, host, plan, options)
    state_dir.create()
    run: Spawn | None = None
    opened: list[int] = []
    try:
        state_dir.write(state)
        state_dir.write(config, CONFIG)
        if options.notify:
            posix.mkdir(options.notify, 0o755)
        opened.append(listen := _listen(state_dir))
        if console_socket:
            opened.append(console := handover.connect(console_socket, "console"))
        report.open()

        def record(pid: int) -> None:
            stat = process_stat(pid)
            state.update(status="created", init_process_pid=pid, init_process_start=stat.start_time if stat else 0)
            state_dir.write(state)
            report.tell(pid)

        request = Request(listen, console, handover.FIRST_FD + passed, CALLERS_OWN, None)
        run = Spawn(plan, state_dir.root, hook_document(state, "creating"), request, record)
        run.run(fault)
    except BaseException:
        _close(opened)  # at the limit of open files, undoing takes some
        _undo(state_dir, state, run)
        report.take_back()
        raise
    finally:
        _close(opened)
        report.close()
        state_dir.close()
    return state


def _close(opened: "list[int]") -> None:
    while opened:
        posix.close(opened.pop())


def _undo(state_dir: StateDir, state: "dict[str, Any]", run: "Spawn | None") -> None:
    from ocipy import destruction

    if run and run.made_groups:
        state["resctrl"] += run.made_groups
    try:
        destruction.destroy(state_dir, state, run_hooks=run is not None and run.spawned)
    except (OcipyError, OSError) as problem:
        # The first error is the one to report; what couldn't be undone is said in the log.
        log.warning(f"while undoing the failed create: {problem}")


def _check_terminal(wanted: bool, console: int, console_socket: str) -> None:
    if wanted or console_socket:
        from ocipy.console import check

        check(wanted, console, console_socket)


def _check_host(config: "dict[str, Any]", plan: "Plan", options: CreateOptions) -> None:
    _check_rootfs(config, options.bundle)
    _check_cgroups(plan.cgroup_paths)
    _check_id_map(plan)
    if config["linux"]["netDevices"]:
        from ocipy import net_devices

        net_devices.check(config["linux"]["netDevices"], config["linux"]["namespaces"])


def _check_rootfs(config: "dict[str, Any]", bundle: str) -> None:
    path = config["root"]["path"]
    path = path if path.startswith("/") else f"{bundle}/{path}"
    try:
        posix.stat(f"{path}/.")
    except OSError as problem:
        hint = "root.path names the root filesystem, relative to the bundle"
        raise StepError(f"root.path ({path})", "open", problem.errno or 0, hint, -1, "/root/path") from None


def _check_cgroups(paths: "dict[str, str]") -> None:
    """Refuse a cgroup that is there and isn't fit (config-linux.md, Control groups).

    Processes of one in use would be under the container's limits and be killed with it; a frozen one freezes init.
    """
    for path in paths.values():
        try:
            posix.stat(f"{path}/cgroup.procs")
        except OSError as problem:
            if problem.errno not in (errno.ENOTDIR, errno.ENAMETOOLONG):
                continue
            reason = f"can't be a cgroup: {describe_errno(problem.errno)}"
        else:
            from ocipy.cgroups.fitness import unfit

            reason = unfit(path)
        if reason:
            hint = "a container needs a cgroup of its own"
            raise StepError("linux.cgroupsPath", f"{path} {reason}", 0, hint, -1, "/linux/cgroupsPath")


def _note_no_cgroup(config: "dict[str, Any]") -> None:
    log.debug("no cgroup is delegated to this user: the container stays in the runtime's own")
    if not any(entry["type"] == "pid" for entry in config["linux"]["namespaces"]):
        log.warning("without a cgroup and a PID namespace, processes that outlive the container's init can't be found")


def _check_id_map(plan: "Plan") -> None:
    for op in plan.ops:
        if op.name == "id-map" and op.values["helped"]:
            from ocipy.id_map_helpers import refuse_missing

            refuse_missing(op)


def _initial_state(
    config: "dict[str, Any]", host: "HostInfo", plan: "Plan", options: CreateOptions
) -> "dict[str, Any]":
    root = config["root"]["path"]
    wait = next(index for index, op in enumerate(plan.ops) if op.name == "wait-start")
    later = [
        [
            index,
            op.name,
            op.pointer,
            {name: op.values[name] for name in ("path", "args", "timeout", "metadata") if name in op.values},
        ]
        for index, op in enumerate(plan.ops)
        if index > wait
    ]
    state: dict[str, Any] = {
        "ociVersion": config["ociVersion"],
        "id": options.container_id,
        "status": "creating",
        "init_process_pid": 0,
        "init_process_start": 0,
        "bundle": options.bundle,
        "rootfs": root if root.startswith("/") else f"{options.bundle}/{root}",
        "created": timestamp(),
        "owner_uid": host.uid,
        "terminal": plan.console,
        "cgroup_paths": plan.cgroup_paths,
        "cgroups_kept": [path for path in plan.cgroup_paths.values() if files.exists(path)],
        "hooks": {kind: config["hooks"][kind] for kind in ("poststart", "poststop")},
        "steps_of_start": later,
        "resources": config["linux"]["resources"],
        "no_new_keyring": options.no_new_keyring,
    }
    scope = next((op.values for op in plan.ops if op.name == "systemd-scope"), None)
    if scope:
        state["systemd"] = {"unit": scope["unit"], "user": scope["user"]}
    if config["annotations"]:
        state["annotations"] = config["annotations"]
    if "intelRdt" in config["linux"]:
        from ocipy import resctrl

        state["resctrl"] = resctrl.to_remove(plan)
        state["resctrl_group"] = next(op.values["path"] for op in plan.ops if op.name == "resctrl-group")
    return state


def _listen(state_dir: StateDir) -> int:
    """The socket init waits on; bound by way of the directory's descriptor, for a socket's path holds 107 bytes."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        listener.bind(state_dir.entry(SOCKET))
        listener.listen(1)
    except OSError as problem:
        raise SyscallError("bind", problem.errno or 0, f"{state_dir.path}/{SOCKET}") from None
    return listener.detach()
