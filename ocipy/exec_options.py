"""What a caller of exec chooses."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ocipy.console import Console


class ExecOptions:
    """The process is ``process`` (a ``process`` object of config.md: a dict, or the path of a file with one), or that
    of the container's config with changes: ``args``, ``env`` (more of it), ``cwd``, ``user`` (``"UID"``,
    ``"UID:GID"``), ``additional_gids`` and ``capabilities`` (more of them), ``no_new_privileges`` (None: the config's),
    ``apparmor`` and ``label`` (the AppArmor profile, the SELinux label), ``tty``.

    ``cgroup``: sub-cgroups, ``"PATH"`` for all hierarchies or ``"CONTROLLER[,CONTROLLER]:PATH"`` each;
    ``ignore_paused``: in a paused container it starts when that is resumed; ``listen_fds`` (sd_listen_fds(3)) and then
    ``preserve_fds``: that many descriptors after stdio, which have to be inheritable, are passed on; ``stdin``,
    ``stdout``, ``stderr``: descriptors (-1: the caller's own).
    A terminal's master is sent to ``console_socket`` (a path) or ``console`` (a connected socket, or a ``Console``);
    it is of ``console_size`` (rows, columns; (0, 0): the process's ``consoleSize``).  A pidfd of the process is sent to
    ``pidfd_socket`` (a path); its pid is written to ``pid_file``.
    """

    __slots__ = (
        "additional_gids", "apparmor", "args", "capabilities", "cgroup", "console", "console_size", "console_socket",
        "cwd", "env", "ignore_paused", "label", "listen_fds", "no_new_privileges", "pid_file", "pidfd_socket",
        "preserve_fds", "process", "stdio", "tty", "user",
    )  # fmt: skip

    def __init__(
        self,
        args: "Sequence[str]" = (),
        *,
        process: "str | dict[str, Any]" = "",
        env: "Sequence[str]" = (),
        cwd: str = "",
        user: str = "",
        additional_gids: "Sequence[int]" = (),
        tty: bool = False,
        capabilities: "Sequence[str]" = (),
        no_new_privileges: "bool | None" = None,
        apparmor: str = "",
        label: str = "",
        cgroup: "Sequence[str]" = (),
        ignore_paused: bool = False,
        listen_fds: int = 0,
        preserve_fds: int = 0,
        console: "int | Console" = -1,
        console_socket: str = "",
        console_size: "tuple[int, int]" = (0, 0),
        pid_file: str = "",
        pidfd_socket: str = "",
        stdin: int = -1,
        stdout: int = -1,
        stderr: int = -1,
    ) -> None:
        self.args = list(args)
        self.process = process
        self.env = list(env)
        self.cwd = cwd
        self.user = user
        self.additional_gids = list(additional_gids)
        self.tty = tty
        self.capabilities = list(capabilities)
        self.no_new_privileges = no_new_privileges
        self.apparmor = apparmor
        self.label = label
        self.cgroup = list(cgroup)
        self.ignore_paused = ignore_paused
        self.pidfd_socket = pidfd_socket
        self.listen_fds = listen_fds
        self.preserve_fds = preserve_fds
        self.console: int | Console = console
        self.console_socket = console_socket
        self.console_size = console_size
        self.pid_file = pid_file
        self.stdio = (stdin, stdout, stderr)
