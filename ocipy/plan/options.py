"""What a caller of create chooses beside the config."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.seccomp import Filter


class CreateOptions:
    """``bundle`` is absolute; ``preserve_fds`` counts descriptors passed on after stdio; ``seccomp`` is the compiled
    filter of ``linux.seccomp`` (None: none), ``rootless`` None means: found out; the rest as runc's flags of the same
    names."""

    __slots__ = (
        "bundle", "container_id", "no_new_keyring", "no_pivot", "preserve_fds", "rootless", "seccomp", "systemd_cgroup",
    )  # fmt: skip

    def __init__(
        self,
        container_id: str,
        bundle: str,
        *,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        preserve_fds: int = 0,
        systemd_cgroup: bool = False,
        seccomp: "Filter | None" = None,
        rootless: "bool | None" = None,
    ) -> None:
        self.container_id = container_id
        self.bundle = bundle
        self.no_pivot = no_pivot
        self.no_new_keyring = no_new_keyring
        self.preserve_fds = preserve_fds
        self.systemd_cgroup = systemd_cgroup
        self.seccomp = seccomp
        self.rootless = rootless
