"""What the planner needs to know of this machine, probed once and passed in.

Reads /proc/self/{cgroup,mountinfo,uid_map}: no root needed, nothing is changed.
"""

import posix

from ocipy import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ocipy.cgroups.systemd import Manager

_CGROUP_ROOT = "/sys/fs/cgroup"  # where every host has its hierarchies, at or below
_WHOLE_RANGE = ["0", "0", "4294967295"]


class Hierarchy:
    """One mounted cgroup hierarchy.

    ``name`` is what state.json calls it: the controllers (``cpu,cpuacct``), ``name=systemd``, or ``""`` for the
    unified one; ``controllers`` those it has, of the unified one those it can hand down; ``mount`` its mount point;
    ``own`` the runtime's own cgroup in it, relative to that mount point; ``delegated``, of a rootless runtime, the one
    below which it may make cgroups and move processes there ("": none).
    """

    __slots__ = ("controllers", "delegated", "mount", "name", "own")

    def __init__(self, name: str, controllers: "tuple[str, ...]", mount: str, own: str, delegated: str = "") -> None:
        self.name = name
        self.controllers = controllers
        self.mount = mount
        self.own = own
        self.delegated = delegated


class Resctrl:
    """The mounted resctrl filesystem: its mount point, and the resources it knows (``L3``, ``MB``, ``L3_MON``, …)."""

    __slots__ = ("mount", "resources")

    def __init__(self, mount: str, resources: "tuple[str, ...]") -> None:
        self.mount = mount
        self.resources = resources


class HostInfo:
    """The facts.

    ``uid``, ``gid``: who the runtime is; ``user_namespace``: it runs inside one that isn't the host's; ``rootless``: it
    lacks root's rights over the host (an ordinary user, or root of a user namespace), unless the caller says otherwise;
    ``cgroup_mode``: ``"v1"``, ``"hybrid"`` (v1 with a unified tree beside it), ``"unified"`` (v2) or ``"none"``;
    ``hierarchies``: the v1 ones in mount order; ``unified``: the v2 one or None.

    Looked up only for a config that asks for them (host_facts.py): ``modules``, the security modules that are enabled
    (``apparmor``, ``selinux``); ``own_namespaces``, the kinds the config joins by path that are the runtime's own;
    ``resctrl``, or None; and with ``--systemd-cgroup`` alone ``systemd``, the manager that makes the scope.
    """

    __slots__ = (
        "cgroup_mode", "gid", "hierarchies", "modules", "own_namespaces", "resctrl", "rootless", "systemd", "uid",
        "unified", "user_namespace",
    )  # fmt: skip

    def __init__(
        self,
        uid: int = 0,
        gid: int = 0,
        user_namespace: bool = False,
        hierarchies: "tuple[Hierarchy, ...]" = (),
        unified: "Hierarchy | None" = None,
        rootless: "bool | None" = None,
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.rootless = (uid != 0 or user_namespace) if rootless is None else rootless
        self.user_namespace = user_namespace
        self.hierarchies = hierarchies
        self.unified = unified
        self.modules: tuple[str, ...] = ()
        self.own_namespaces: tuple[str, ...] = ()
        self.resctrl: Resctrl | None = None
        self.systemd: Manager | None = None
        if hierarchies:
            self.cgroup_mode = "hybrid" if unified else "v1"
        else:
            self.cgroup_mode = "unified" if unified else "none"

    @property
    def unprivileged(self) -> bool:
        """Whether the kernel grants the runtime nothing beyond its user namespace, whatever ``rootless`` says."""
        return self.uid != 0 or self.user_namespace

    def hierarchy(self, controller: str) -> "Hierarchy | None":
        """The v1 hierarchy that has the controller."""
        return next((each for each in self.hierarchies if controller in each.controllers), None)

    def as_root(self) -> "HostInfo":
        """The same host, as its root sees it."""
        return HostInfo(0, 0, False, self.hierarchies, self.unified, False)

    def only(self, names: "Collection[str]") -> "HostInfo":
        """The same host, as if it had only the hierarchies of these names."""
        hierarchies = tuple(each for each in self.hierarchies if each.name in names)
        unified = self.unified if "" in names else None
        return HostInfo(self.uid, self.gid, self.user_namespace, hierarchies, unified, self.rootless)


def probe(rootless: "bool | None" = None) -> HostInfo:
    """Look at this machine; ``rootless`` None: find out.  Raises OSError when /proc isn't mounted."""
    own = dict(_own_cgroups(_read("/proc/self/cgroup")))
    hierarchies: list[Hierarchy] = []
    unified = None
    for mount, root, kind, controllers in _cgroup_mounts(_read("/proc/self/mountinfo")):
        name = ",".join(controllers)
        relative = _relative(own.get(name, "/"), root)
        if mount == _CGROUP_ROOT and kind == "cgroup2":
            # Nothing else counts: hierarchies below it, or hidden under it, are not the host's layout.
            hierarchies, unified = [], _unified(mount, relative)
            break
        if kind == "cgroup2":
            unified = unified or _unified(mount, relative)
        elif all(each.name != name for each in hierarchies):
            hierarchies.append(Hierarchy(name, controllers, mount, relative))
    found = HostInfo(posix.geteuid(), posix.getegid(), in_user_namespace(), tuple(hierarchies), unified, rootless)
    if found.rootless:
        for each in (*hierarchies, *((unified,) if unified else ())):
            each.delegated = _delegated(each)
    return found


def _delegated(hierarchy: Hierarchy) -> str:
    """The cgroup below which a process of ours may be given one: v1 our own, v2 the one above it, else our own.

    A v2 cgroup with processes, as our own is, can hand no controllers down.  And what is moved there has to be moved
    by somebody who may write to cgroup.procs of the first cgroup above both ends (cgroups(7), Delegation containment).
    """
    own = hierarchy.own
    if "/.." in own:
        return ""  # outside of our cgroup namespace
    candidates = (own,) if hierarchy.name or own == "/" else (own.rpartition("/")[0] or "/", own)
    for candidate in candidates:
        path = (hierarchy.mount + candidate).rstrip("/")
        if not posix.access(path, posix.W_OK | posix.X_OK, effective_ids=True):
            continue
        if hierarchy.name or posix.access(f"{path}/cgroup.procs", posix.W_OK, effective_ids=True):
            return candidate
    return ""


def in_user_namespace() -> bool:
    """Whether we are in a user namespace that isn't the host's.  Raises OSError when /proc isn't mounted."""
    return _read("/proc/self/uid_map").split() != _WHOLE_RANGE


def _unified(mount: str, own: str) -> Hierarchy:
    try:
        controllers = tuple(_read(f"{mount}/cgroup.controllers").split())
    except OSError:
        controllers = ()  # hidden by what is mounted upon it
    return Hierarchy("", controllers, mount, own)


def _own_cgroups(text: str) -> "Iterable[tuple[str, str]]":
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _cgroup_mounts(text: str) -> "Iterable[tuple[str, str, str, tuple[str, ...]]]":
    """(mount point, root, type, controllers in kernel order) of each cgroup mount (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, separator, after = line.partition(" - cgroup")
        if not separator:
            continue
        fields = before.split(" ")
        if not f"{fields[4]}/".startswith(f"{_CGROUP_ROOT}/"):
            continue  # mounted once more, for a container or a chroot
        kind, _, options = ("cgroup" + after).split(" ", 2)
        words = options.split(",")
        names = tuple(word for word in words if word in _CONTROLLERS or word.startswith("name="))
        yield unescape(fields[4]), unescape(fields[3]), kind, names


_CONTROLLERS = (
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
    "net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc",
)  # fmt: skip


def unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _relative(own: str, root: str) -> str:
    """Our own cgroup as seen from the mount, whose root may be a cgroup below the hierarchy's."""
    if root != "/" and (own == root or own.startswith(root + "/")):
        own = own[len(root) :]
    return own or "/"


def _read(path: str) -> str:
    return files.read(path).decode("utf-8", "surrogateescape")
