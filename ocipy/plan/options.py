"""What create and exec go by beside the config: what the caller chooses, and what is found of a container."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.seccomp import Filter


class CreateOptions:
    """``bundle`` is absolute; ``listen_fds`` and then ``preserve_fds`` count descriptors passed on after stdio;
    ``console_socket`` says whether the terminal is handed over to one; ``notify`` is a directory on the host for the
    socket that the program says it is ready by ("": none); ``seccomp`` is the compiled filter of ``linux.seccomp``
    (None: none), ``rootless`` None means: found out; the rest as runc's flags of the same names."""

    __slots__ = (
        "bundle", "console_socket", "container_id", "listen_fds", "no_new_keyring", "no_pivot", "notify",
        "preserve_fds", "rootless", "seccomp", "systemd_cgroup",
    )  # fmt: skip

    def __init__(
        self,
        container_id: str,
        bundle: str,
        *,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        listen_fds: int = 0,
        preserve_fds: int = 0,
        console_socket: bool = False,
        notify: str = "",
        systemd_cgroup: bool = False,
        seccomp: "Filter | None" = None,
        rootless: "bool | None" = None,
    ) -> None:
        self.container_id = container_id
        self.bundle = bundle
        self.no_pivot = no_pivot
        self.no_new_keyring = no_new_keyring
        self.listen_fds = listen_fds
        self.preserve_fds = preserve_fds
        self.console_socket = console_socket
        self.notify = notify
        self.systemd_cgroup = systemd_cgroup
        self.seccomp = seccomp
        self.rootless = rootless


class Running:
    """What exec has to know of the container it is for.

    ``namespaces`` are those of its init that aren't the runtime's own (type → path below /proc); ``cgroup_paths`` where
    the new process belongs (hierarchy name → directory); ``root`` the root filesystem, to change the root to, of a
    container that shares the runtime's mount namespace (else ""); ``no_new_keyring`` as it was created.  ``unit`` is
    the systemd unit of the unified cgroup, and what the process belongs in below it, if systemd is to put it there;
    ``console_socket`` says whether the new process's terminal is handed over to one.
    """

    __slots__ = ("cgroup_paths", "console_socket", "container_id", "namespaces", "no_new_keyring", "root", "unit")

    def __init__(
        self,
        container_id: str,
        namespaces: "dict[str, str]",
        cgroup_paths: "dict[str, str]",
        root: str = "",
        no_new_keyring: bool = False,
        unit: "tuple[str, str] | None" = None,
        console_socket: bool = False,
    ) -> None:
        self.container_id = container_id
        self.console_socket = console_socket
        self.namespaces = namespaces
        self.unit = unit
        self.cgroup_paths = cgroup_paths
        self.root = root
        self.no_new_keyring = no_new_keyring
