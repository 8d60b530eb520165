"""``exec``: one more process in a container that runs; from what the caller asks for to a program that is executed."""

import errno
import posix

from ocipy import files, handover
from ocipy.cloning import Request
from ocipy.errors import OcipyError, StateError, StepError, SyscallError
from ocipy.exec_options import ExecOptions
from ocipy.exec_process import choose
from ocipy.host import HostInfo
from ocipy.init_process import is_ending
from ocipy.plan.exec import exec_
from ocipy.plan.namespaces import LINKS
from ocipy.plan.options import Running
from ocipy.spawn import Spawn
from ocipy.spec.jsontext import loads
from ocipy.state import CONFIG, StateDir, hook_document, is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.ops import Plan
    from ocipy.seccomp import Filter

_STOPPED = "cannot exec in a stopped container"


def execute(
    directory: StateDir, options: ExecOptions, fault: "tuple[int, int] | None" = None, signals: int = -1
) -> "tuple[int, bool]":
    """Start the process; once the program's execve has succeeded, its pid, and whether it has a terminal.

    Raises NotFoundError, StateError (stopped, paused), ConfigError and UsageError for the process, StepError; nothing
    is left of the process then.  ``fault`` is for tests (see ``Spawn.run``).  ``signals`` is a
    signalfd of all signals (-1: none is blocked): InterruptedWait for one that is to end this process, while the
    program doesn't come to run.
    """
    handover.fill_stdio()
    passed = handover.check_passed(options.listen_fds, options.preserve_fds)
    found, status = directory.look()
    _check_status(status, options.ignore_paused)
    config = _read_config(directory)
    process = choose(options, config)
    console = options.console if isinstance(options.console, int) else options.console.fileno()
    if process["terminal"] or options.console_socket:
        from ocipy.console import check

        check(process["terminal"], console, options.console_socket)
    running = look(directory.container_id, found, options.cgroup)
    running.console_socket = bool(options.console_socket)
    fds = options.listen_fds, options.preserve_fds
    plan = _compile(config, process, running, _filter(config, directory.root), fds)
    report = handover.PidReport(options.pid_file, options.pidfd_socket, "setns")
    opened = -1
    try:
        if options.console_socket:
            opened = console = handover.connect(options.console_socket, "console")
        report.open()
        request = Request(-1, console, handover.FIRST_FD + passed, options.stdio, lambda: _verify(found))
        request.signals = signals
        state = hook_document(found, "running")
        try:
            pid = _run(Spawn(plan, directory.root, state, request), found, fault)
        except StepError as problem:
            if not _is_unreachable(problem, plan, found):
                raise
            running.unit = found["systemd"]["unit"], running.cgroup_paths[""][len(found["cgroup_paths"][""]) :]
            plan = _compile(config, process, running, _filter(config, directory.root), fds)
            pid = _run(Spawn(plan, directory.root, state, request), found, fault)
        _tell(report, pid)
    finally:
        report.close()
        if opened >= 0:
            posix.close(opened)
    return pid, plan.console


def _run(spawn: Spawn, found: "dict[str, Any]", fault: "tuple[int, int] | None") -> int:
    try:
        return spawn.run(fault)
    except StepError:
        if fault is None and is_ending(found):
            raise StateError(_STOPPED) from None  # that is the reason, whatever failed for it
        raise


def _is_unreachable(problem: StepError, plan: "Plan", found: "dict[str, Any]") -> bool:
    """Whether the user may not put a process from here into a cgroup that the user's own systemd has made.

    Outside of that systemd's cgroup they may not write to the first cgroup above both (cgroup-v2.rst, Delegation).
    """
    spawning = plan.ops[problem.index].name == "spawn" and problem.detail.startswith("clone3 into")
    return spawning and problem.errno == errno.EACCES and found.get("systemd", {}).get("user", False)


def _tell(report: handover.PidReport, pid: int) -> None:
    try:
        report.tell(pid)
    except OcipyError:
        posix.kill(pid, 9)  # our own child, not reaped yet
        posix.waitpid(pid, 0)
        raise


def _check_status(status: str, ignore_paused: bool) -> None:
    if status == "stopped":
        raise StateError(_STOPPED)
    if status == "creating":
        raise StateError("cannot exec in a container that is being created")
    if status == "paused" and not ignore_paused:
        raise StateError("cannot exec in a paused container (--ignore-paused waits until it is resumed)")


def _read_config(directory: StateDir) -> "dict[str, Any]":
    """The completed config, as create took it, whatever became of the bundle since."""
    path = f"{directory.path}/{CONFIG}"
    try:
        config: Any = loads(files.read(path), path)
    except OSError as problem:
        raise SyscallError("open", problem.errno or 0, path) from None
    return config  # type: ignore[no-any-return]


def _verify(found: "dict[str, Any]") -> None:
    """Init is still there, so what was opened below /proc by its pid was its own.  Raises StateError."""
    if not is_alive(found["init_process_pid"], found["init_process_start"]):
        raise StateError(_STOPPED)


def look(container_id: str, found: "dict[str, Any]", cgroup: "list[str]") -> Running:
    """What exec has to know of the container.  Raises StateError, UsageError."""
    pid = found["init_process_pid"]
    try:
        namespaces = {
            kind: f"/proc/{pid}/ns/{link}"
            for kind, link in LINKS.items()
            if files.exists(f"/proc/thread-self/ns/{link}") and not _is_own(pid, link)
        }
    except (FileNotFoundError, ProcessLookupError):
        raise StateError(_STOPPED) from None
    paths = dict(found["cgroup_paths"])
    if cgroup:
        from ocipy.cgroups.below import sub_cgroups

        paths = sub_cgroups(paths, cgroup)
    elif "" in paths:
        paths[""] = _unified(paths[""], pid)
    root = "" if "mount" in namespaces else found["rootfs"]
    return Running(container_id, namespaces, paths, root, found.get("no_new_keyring", False))


def _is_own(pid: int, link: str) -> bool:
    there, here = posix.stat(f"/proc/{pid}/ns/{link}"), posix.stat(f"/proc/thread-self/ns/{link}")
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _unified(path: str, pid: int) -> str:
    """The container's cgroup; that of init where the container hands controllers down: it takes no process then.

    cgroup-v2.rst, No Internal Process Constraint.
    """
    try:
        if not files.read(f"{path}/cgroup.subtree_control").strip():
            return path
        from ocipy.cgroups.below import own_cgroup

        return own_cgroup(path, pid)
    except OSError:
        return path  # spawning will say what is wrong with it


def _filter(config: "dict[str, Any]", root: str) -> "Filter | None":
    profile = config["linux"].get("seccomp")
    if profile is None:
        return None
    from ocipy.seccomp import compile_filter

    return compile_filter(profile, f"{root}/@seccomp")


def _compile(
    config: "dict[str, Any]",
    process: "dict[str, Any]",
    running: Running,
    seccomp: "Filter | None",
    fds: "tuple[int, int]",
) -> "Plan":
    host = HostInfo(posix.geteuid(), posix.getegid())
    if process["apparmorProfile"] or process["selinuxLabel"] or "intelRdt" in config["linux"]:
        from ocipy import host_facts

        host_facts.look(host, config)
    return exec_(config, process, host, running, seccomp, fds)
