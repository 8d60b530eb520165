"""Which namespaces are made, which are joined, and how the new process gets there (namespaces(7), config-linux.md)."""

from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.host import HostInfo

# linux/sched.h
CLONE_FLAGS = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "time": 0x00000080,
}

# What each of them is called below /proc/PID/ns.
LINKS = {
    "user": "user",
    "mount": "mnt",
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "cgroup": "cgroup",
    "time": "time",
}


class Namespaces:
    """The config's list, sorted out: types to make (``new``) and types to join (``joined``: type → path)."""

    __slots__ = ("joined", "new", "pointers")

    def __init__(self, entries: "list[dict[str, Any]]") -> None:
        self.new = [entry["type"] for entry in entries if not entry["path"]]
        self.joined = {entry["type"]: entry["path"] for entry in entries if entry["path"]}
        self.pointers = {entry["type"]: f"/linux/namespaces/{i}" for i, entry in enumerate(entries)}

    def fallbacks(self) -> "dict[str, str]":
        """Type of filesystem → where the host has one that shows the same namespaces as one of the container's would.

        Of sysfs that is all but the network's part, which is the runtime's.
        """
        found = {"sysfs": "/sys"}
        if not self.has("ipc"):
            found["mqueue"] = "/dev/mqueue"
        if not self.has("pid"):
            found["proc"] = "/proc"
        return found

    def has(self, type_: str) -> bool:
        """Whether the container has a namespace of that type apart from the runtime's, new or joined."""
        return type_ in self.new or type_ in self.joined

    def spawn(self, cgroup_paths: "dict[str, str]", time_offsets: "dict[str, Any]") -> SetupOp:
        """The step that makes the process, in its cgroups from the first instruction on.

        A cgroup namespace isn't among the new ones: its root is the cgroup the process is in when it's made, so init
        makes it once it has been moved (cgroup_namespaces(7)).  Joined PID and time namespaces take effect for
        children only, new namespaces beside joined ones are to belong to the joined user namespace, and the clocks of a
        new time namespace are set before a process is in it: all need a second clone.
        """
        new = [type_ for type_ in self.new if type_ != "cgroup"]
        only_children = any(type_ in self.joined for type_ in ("pid", "time"))
        return SetupOp(
            "spawn",
            "/linux/namespaces",
            new=new,
            join=dict(self.joined),
            become_root=self.has("user"),
            wait_maps="user" in new,
            fork_again=only_children or bool(self.joined and new) or bool(time_offsets),
            time_offsets=_offsets(time_offsets) if time_offsets else "",
            oom_score="",
            tasks=[f"{path}/tasks" for name, path in cgroup_paths.items() if name],
            unified=cgroup_paths.get("", ""),
        )


def _offsets(clocks: "dict[str, Any]") -> str:
    """As /proc/PID/timens_offsets takes them (time_namespaces(7))."""
    known = [(name, clocks[name]) for name in ("monotonic", "boottime") if name in clocks]
    return "".join(f"{name} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n" for name, offset in known)


def triples(mappings: "list[dict[str, Any]]") -> "list[tuple[int, int, int]]":
    """(id inside, id outside, how many): the lines of a uid_map (user_namespaces(7))."""
    return [(entry["containerID"], entry["hostID"], entry["size"]) for entry in mappings]


def id_map(linux: "dict[str, Any]", host: "HostInfo") -> SetupOp:
    """The step that gives a new user namespace its ids.

    An ordinary user may map its own id alone, and its own group only after setgroups(2) is given up for good
    (user_namespaces(7)); all else takes the help of newuidmap(1) and newgidmap(1) (``helped``: "gid", "uid").
    """
    uid, gid = triples(linux["uidMappings"]), triples(linux["gidMappings"])
    helped = [
        kind
        for kind, ranges, own in (("gid", gid, host.gid), ("uid", uid, host.uid))
        if host.uid and [entry[1:] for entry in ranges] != [(own, 1)]
    ]
    deny = host.uid != 0 and "gid" not in helped
    return SetupOp("id-map", "/linux/uidMappings", uid=uid, gid=gid, deny_setgroups=deny, helped=helped)
