"""The library's face: ``Container``, with everything the command does, in process and from any thread."""

import posix

from ocipy import init_process, state
from ocipy.errors import NotFoundError, StateError
from ocipy.files import absolute
from ocipy.root_directory import default_root
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ocipy.console import Console
    from ocipy.process import Process


class Container:
    """A container, by its id, below a root directory.

    An instance holds nothing open: each method reads the state anew, and locks it where it changes it.  Threads and
    processes may use the same container through instances of their own or one shared.
    """

    def __init__(self, container_id: str, root: str = "") -> None:
        """Name a container; ``load`` also sees to it that it exists.  Raises UsageError for a malformed id."""
        self.id = container_id
        self.root = absolute(root) if root else default_root(posix.geteuid())
        state.check_id(container_id)

    def __repr__(self) -> str:
        return f"Container({self.id!r}, root={self.root!r})"

    @classmethod
    def create(
        cls,
        container_id: str,
        bundle: str = ".",
        *,
        root: str = "",
        console_socket: str = "",
        console: "int | Console" = -1,
        pidfd_socket: str = "",
        pid_file: str = "",
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        notify: bool = False,
        listen_fds: int = 0,
        preserve_fds: int = 0,
        systemd_cgroup: bool = False,
        rootless: "bool | None" = None,
    ) -> "Container":
        """Create the container: its init has all but run the program, and waits for ``start`` (runtime.md, Create).

        ``bundle`` is the directory with config.json; ``root`` where state is kept; the rest are runc's flags of the
        same names.  ``listen_fds`` (sd_listen_fds(3)) and then ``preserve_fds`` count descriptors after stdio that the
        program gets; they have to be inheritable.  ``pidfd_socket`` is sent a pidfd of init; with ``notify`` the
        program finds a NOTIFY_SOCKET (sd_notify(3)), for ``start`` to listen to.  Where
        ``process.terminal`` is true, the terminal's master is sent to ``console_socket`` (a path) or ``console`` (a
        connected socket, or a Console to receive it from).  Raises ConfigError, StateError (id in use), StepError;
        nothing is left behind then.
        """
        from ocipy import creation
        from ocipy.handover import PidReport
        from ocipy.plan.options import CreateOptions

        container = cls(container_id, root)
        options = CreateOptions(
            container_id,
            absolute(bundle),
            no_pivot=no_pivot,
            no_new_keyring=no_new_keyring,
            notify=f"{container.root}/{container_id}/{state.NOTIFY}" if notify else "",
            listen_fds=listen_fds,
            preserve_fds=preserve_fds,
            console_socket=bool(console_socket),
            systemd_cgroup=systemd_cgroup,
            rootless=rootless,
        )
        state_dir = StateDir(container.root, container_id)
        connected = console if isinstance(console, int) else console.fileno()
        report = PidReport(pid_file, pidfd_socket)
        creation.create(state_dir, options, console=connected, console_socket=console_socket, report=report)
        return container

    @classmethod
    def load(cls, container_id: str, root: str = "") -> "Container":
        """A container that exists.  Raises NotFoundError."""
        container = cls(container_id, root)
        if not container.directory().exists():
            raise NotFoundError(f"container {container_id!r} does not exist")
        return container

    @classmethod
    def run(cls, container_id: str, bundle: str = ".", *, root: str = "", **options: "Any") -> int:
        """Create, start, wait, delete; the value is the exit status (128+n: ended by signal n).

        Signals and the terminal of this process are left alone.  ``options`` are those of ``create``.
        """
        container = cls.create(container_id, bundle, root=root, **options)
        try:
            container.start()
            status = container.wait()
        finally:
            container.delete(force=True)
        assert status is not None  # init is our own child
        return status

    @classmethod
    def list(cls, root: str = "") -> "list[Container]":
        """All containers below a root directory, by id."""
        directory = absolute(root) if root else default_root(posix.geteuid())
        return [cls(container_id, directory) for container_id in state.list_ids(directory)]

    @property
    def pid(self) -> int:
        """The pid of init as the runtime sees it; 0 when it doesn't run."""
        found, status = self.directory().look()
        return int(found["init_process_pid"]) if status not in ("stopped", "creating") else 0

    @property
    def status(self) -> str:
        """``creating``, ``created``, ``running``, ``paused`` or ``stopped`` (runtime.md, State)."""
        return self.directory().look()[1]

    def state(self) -> "dict[str, Any]":
        """The state document, as ``ocipy state`` prints it: runc's members in runc's order.  Raises NotFoundError."""
        from ocipy.state_document import document

        return document(self.directory())

    def start(self, *, notify_socket: str = "") -> None:
        """Let init run the program (runtime.md, Start); then the poststart hooks.

        Returns once the program's execve has succeeded; with ``notify_socket``, sd_notify(3)'s of a container that was
        created with ``notify``, once the program has said there that it is ready, or has ended.  Raises StateError
        unless the status is ``created``, StepError when a step between start and execve fails (the container is stopped
        then), or a hook (the container is gone then: Lifecycle, 7 and 9).
        """
        from ocipy.release import start

        start(self.directory(), notify_socket)

    def kill(self, signal: "int | str" = "TERM", *, all: bool = False) -> None:
        """Send a signal (number or name) to init, or with ``all`` to every process in the container's cgroup.

        SIGKILL ends a paused container, and thaws it; of other signals it hears when it is resumed.
        Without a cgroup (a rootless container may have none) ``all`` takes SIGKILL alone, and a PID namespace, whose
        processes end with init.  Raises UsageError for an unknown signal, StateError ("container not running") when
        init has ended.
        """
        from ocipy.signals import parse_signal

        number = parse_signal(str(signal))
        found = self.directory().read()
        pid, start_time = found.get("init_process_pid", 0), found.get("init_process_start", 0)
        paths = found.get("cgroup_paths", {})
        if all and paths:
            from ocipy.cgroups.signalling import signal_all

            signal_all(paths, number)
        elif all and not state.is_alive(pid, start_time):
            return  # there is nobody left to signal, which with a cgroup is no error either
        elif all and not (number == init_process.SIGKILL and init_process.is_namespace_init(pid)):
            raise StateError(f"container {self.id!r} has no cgroup to know its processes by: leave --all out")
        elif not pid or not init_process.send_signal(pid, start_time, number):
            raise StateError("container not running")
        if number == init_process.SIGKILL and state.is_frozen(paths):
            from ocipy.cgroups import freezer

            freezer.thaw(paths)

    def exec(self, args: "Sequence[str]" = (), **options: "Any") -> "Process":
        """Start one more process in the container; returns once its execve has succeeded.

        ``options`` are those of ``exec_options.ExecOptions``.  Raises StateError (stopped, paused), ConfigError and
        UsageError for what is asked for, StepError; nothing is left of the process then.
        """
        from ocipy.exec_options import ExecOptions
        from ocipy.execution import execute
        from ocipy.process import Process

        return Process(execute(self.directory(), ExecOptions(args, **options))[0])

    def pause(self) -> None:
        """Freeze all processes (runc's ``pause``); the status is ``paused`` then.

        It can be killed and deleted by force as it is.  Raises StateError unless it is created or running, and where it
        has no cgroup of its own.
        """
        from ocipy import control

        control.pause(self.directory())

    def resume(self) -> None:
        """Let a paused container's processes go on.  Raises StateError."""
        from ocipy import control

        control.resume(self.directory())

    def update(
        self, resources: "dict[str, Any] | None" = None, *, l3_cache_schema: str = "", mem_bw_schema: str = ""
    ) -> None:
        """Change limits: ``resources`` as in config.json (linux.resources), of which absent members stay as they are.

        The rest are lines for the schemata of resctrl.  All is done or nothing.  Raises ConfigError, StateError
        (stopped; no cgroup), StepError for what the host can't do, SyscallError for what the kernel refuses.
        """
        from ocipy.updating import update

        update(self.directory(), resources or {}, l3_cache_schema, mem_bw_schema)

    def processes(self) -> "tuple[int, ...]":
        """The pids of all its processes, as the runtime sees them; none when it has stopped.

        They are those of its cgroup, or if it has none those of its PID namespace.  Raises StateError without either.
        """
        from ocipy import control

        return tuple(control.processes(self.directory()))

    def wait(self) -> "int | None":
        """Wait until init has ended.

        The value is its exit status (128+n: ended by signal n), or None if init is no child of this process: only its
        parent can know.
        """
        found = self.directory().read()
        pid, start_time = found["init_process_pid"], found["init_process_start"]
        status = init_process.reap(pid, start_time)
        if status is None:
            init_process.wait_end(pid, start_time)
        return status

    def stats(self) -> "dict[str, Any]":
        """What the container uses, counted by its cgroups: the ``data`` of runc's ``stats`` event.

        Raises StateError when it doesn't run or has no cgroup, SyscallError.
        """
        from ocipy.monitoring import read_stats

        return read_stats(self._read_running())

    def events(self, interval: float = 5.0, *, stop: int = -1) -> "Iterator[dict[str, Any]]":
        """runc's events, as they happen, until the container's init ends, or ``stop``, a descriptor, can be read from.

        ``{"type": "stats", "id": …, "data": …}`` every ``interval`` seconds, ``{"type": "oom", "id": …}`` when the
        kernel killed for lack of memory.  Raises as ``stats``, at once or from the iterator.
        """
        from ocipy.monitoring import events

        return events(self._read_running(), interval, stop)

    def _read_running(self) -> "dict[str, Any]":
        found, status = self.directory().look()
        if status in ("creating", "stopped"):
            raise StateError(f"container with id {self.id} is not running")
        return found

    def delete(self, *, force: bool = False) -> None:
        """Remove the container and all that was made for it; a created one is killed first (as runc does).

        With ``force`` a running one is killed as well, the rest of a create that crashed is cleared up, and an unknown
        id is no error.  Raises StateError when it runs, NotFoundError.
        """
        from ocipy.destruction import delete

        delete(self.directory(), force=force)

    def directory(self) -> StateDir:
        """Where its state is kept."""
        return StateDir(self.root, self.id)
