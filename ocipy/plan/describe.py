"""The plan in words: one line a step, in order: who does it, what, and which part of config.json asks for it."""

from ocipy.capabilities import names
from ocipy.plan.mount_options import (
    COPY_LINK,
    MS_DIRSYNC,
    MS_I_VERSION,
    MS_LAZYTIME,
    MS_MANDLOCK,
    MS_RDONLY,
    MS_SILENT,
    MS_SYNCHRONOUS,
    PROPAGATION,
    SOURCE_LINK,
    TARGET_LINK,
)
from ocipy.plan.mounts import AT_ROOT, COPY_UP
from ocipy.plan.ops import Plan, SetupOp
from ocipy.plan.scheduling import DOMAINS, IO_CLASSES, MEMORY_FLAGS, MEMORY_MODES, POLICIES, SCHEDULER_FLAGS
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = dict[str, Any]

_ATTRIBUTES = ((0x1, "ro"), (0x2, "nosuid"), (0x4, "nodev"), (0x8, "noexec"), (0x80, "nodiratime"),
               (0x200000, "nosymfollow"))  # fmt: skip
_ACCESS_TIMES = {0x10: "noatime", 0x20: "strictatime"}
_SUPERBLOCK = ((MS_RDONLY, "ro"), (MS_SYNCHRONOUS, "sync"), (MS_MANDLOCK, "mand"), (MS_DIRSYNC, "dirsync"),
               (MS_SILENT, "silent"), (MS_I_VERSION, "iversion"), (MS_LAZYTIME, "lazytime"))  # fmt: skip
_DEVICE_TYPES = {0o020000: "c", 0o060000: "b", 0o010000: "p"}


def lines(plan: Plan) -> "list[str]":
    """The table ``ocipy plan`` prints."""
    rows = [(str(i), op.actor, sentence(op), dotted(op.pointer)) for i, op in enumerate(plan.ops)]
    width = max(len(row[2]) for row in rows if len(row[2]) <= 90)
    return [f"{number:>3}  {actor:<7}  {text:<{width}}  {pointer}".rstrip() for number, actor, text, pointer in rows]


def documents(plan: Plan) -> "list[dict[str, Any]]":
    """The steps as JSON values; bytes become their length."""
    return [
        {
            "index": index,
            "actor": op.actor,
            "step": op.name,
            "pointer": op.pointer,
            "description": sentence(op),
            "values": {name: _plain(value) for name, value in op.values.items()},
        }
        for index, op in enumerate(plan.ops)
    ]


def sentence(op: SetupOp) -> str:
    """What the step does, in words."""
    return _SENTENCES[op.name](op.values)


def _plain(value: object) -> object:
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def _attributes(set_: int, clear: int = 0) -> str:
    words = [name for bit, name in _ATTRIBUTES if set_ & bit]
    words += [f"not {name}" for bit, name in _ATTRIBUTES if clear & bit and not set_ & bit]
    words += [_ACCESS_TIMES[set_ & 0x70]] if set_ & 0x70 in _ACCESS_TIMES else []
    return ",".join(words)


def _propagation(flags: int) -> str:
    return next((name for name, value in PROPAGATION.items() if value == flags), "")


def _listed(*words: str) -> str:
    return f" ({', '.join(word for word in words if word)})" if any(words) else ""


def _filesystem(values: "Values") -> str:
    """The options that are the superblock's."""
    words = [name for bit, name in _SUPERBLOCK if values["superblock"] & bit]
    words += [f"not {name}" for bit, name in _SUPERBLOCK if values.get("superblock_clear", 0) & bit]
    words = [f"filesystem {','.join(words)}"] if words else []
    return ", ".join([",".join(values["data"])] * bool(values["data"]) + words)


def _mount(values: "Values") -> str:
    extra = _listed(_attributes(values["set"]), _filesystem(values), _propagation(values["propagation"]))
    return f"mount {values['type']} on {values['destination']}{extra}{_mount_ways(values['flags'])}"


def _mount_ways(flags: int) -> str:
    words = ["content copied up"] * bool(flags & COPY_UP) + ["as the new root"] * bool(flags & AT_ROOT)
    words += ["the link itself"] * bool(flags & SOURCE_LINK) + ["on the link itself"] * bool(flags & TARGET_LINK)
    words += ["copying a link"] * bool(flags & COPY_LINK)
    return f", {', '.join(words)}" if words else ""


def _remount(values: "Values") -> str:
    below = _attributes(values["recursive_set"], values["recursive_clear"])
    extra = _listed(
        _attributes(values["set"], values["clear"]),
        f"below: {below}" if below else "",
        _filesystem(values),
        _propagation(values["propagation"]),
    )
    return f"remount {values['destination']}{extra}"


def _bind(values: "Values") -> str:
    verb = "bind (with mounts below)" if values["recursive"] else "bind"
    below = _attributes(values["recursive_set"], values["recursive_clear"])
    own = _attributes(values["set"], values["clear"])
    extra = _listed(own, f"below: {below}" if below else "", _propagation(values["propagation"]))
    verb += ", ids mapped," if values["tree"] else ""
    return f"{verb} {values['source']} on {values['destination']}{extra}{_mount_ways(values['flags'])}"


def _cgroup_write(values: "Values") -> str:
    extra = " if there is one" if values.get("optional") else ""
    if "fallback" in values:
        extra = f", or {values['fallback'][1]} to {values['fallback'][0]}"
    if "usage" in values:
        extra = f" unless {values['usage']} is above that"
    return f"write {values['value']} to {values['path']}{extra}"


def _spawn(values: "Values") -> str:
    new = f"in new {', '.join(values['new'])} namespaces" if values["new"] else ""
    join = ", ".join(f"{type_} {path}" for type_, path in values["join"].items())
    clocks = ", ".join(line for line in values["time_offsets"].splitlines())
    parts = [
        new,
        f"joining {join}" if join else "",
        f"clocks moved by {clocks}" if clocks else "",
        f"with oom_score_adj {values['oom_score']}" if values["oom_score"] else "",
        "in its cgroups" if values["tasks"] or values["unified"] else "",
    ]
    return "start ocipy-init " + "; ".join(part for part in parts if part)


def _maps(values: "Values") -> "list[str]":
    return [
        ", ".join(f"{inside}→{outside}*{size}" for inside, outside, size in values[kind]) for kind in ("uid", "gid")
    ]


def _idmap_tree(values: "Values") -> str:
    maps = _maps(values)
    how = f"users {maps[0]}, groups {maps[1]}" if values["uid"] else "as the container's user namespace does"
    below = " and below" if values["map_all"] and values["recursive"] else ""
    return f"prepare a mount of {values['source']} with ids mapped{below}: {how}"


def _id_map(values: "Values") -> str:
    maps = _maps(values)
    extra = ", deny setgroups" if values["deny_setgroups"] else ""
    extra += "".join(f", by new{kind}map" for kind in values["helped"])
    return f"map user ids {maps[0]}, group ids {maps[1]}{extra}"


def _resctrl_group(values: "Values") -> str:
    written = ", ".join(text.replace("\n", ", ") for text in values["schemata"])
    verb = "make the resctrl group" if values["create"] else "use the resctrl group"
    return f"{verb} {values['path']}{_listed(written)}"


def _device(values: "Values") -> str:
    kind = _DEVICE_TYPES[values["mode"] & 0o170000]
    numbers = "" if kind == "p" else f" {values['major']}:{values['minor']}"
    verb = "bind the host's" if values["bind"] else "make"
    owner = f" owned by {values['uid']}:{values['gid']}" if values["uid"] or values["gid"] else ""
    return f"{verb} {values['path']} ({kind}{numbers}, mode {values['mode'] & 0o7777:04o}{owner})"


def _user(values: "Values") -> str:
    data = values["groups"]
    groups = [str(int.from_bytes(data[i : i + 4], "little")) for i in range(0, len(data), 4)]
    return f"become user {values['uid']}, group {values['gid']}" + _listed(
        f"groups {' '.join(groups)}" if groups else ""
    )


def _capabilities(values: "Values") -> str:
    return "capabilities: " + "; ".join(f"{name} {' '.join(names(mask)) or 'none'}" for name, mask in values.items())


def _name(table: "dict[str, int]", value: int) -> str:
    return next(name for name, number in table.items() if number == value)


def _flags(table: "dict[str, int]", value: int) -> "list[str]":
    return [name for name, bit in table.items() if value & bit]


def _scheduler(values: "Values") -> str:
    nice = (values["nice"] ^ 1 << 31) - (1 << 31)
    numbers = {"nice": nice} | {name: values[name] for name in ("priority", "runtime", "deadline", "period")}
    words = [f"{name} {number}" for name, number in numbers.items() if number]
    words += _flags(SCHEDULER_FLAGS, values["flags"])
    return f"be scheduled by {_name(POLICIES, values['policy'])}{_listed(*words)}"


def _memory_policy(values: "Values") -> str:
    mask = int.from_bytes(values["nodes"], "little")
    nodes = [str(node) for node in range(mask.bit_length()) if mask >> node & 1]
    words = [f"nodes {' '.join(nodes)}" if nodes else "", *_flags(MEMORY_FLAGS, values["mode"])]
    return f"set the memory policy to {_name(MEMORY_MODES, values['mode'] & 0xFFF)}{_listed(*words)}"


def _limit(value: int) -> str:
    return "unlimited" if value == 2**64 - 1 else str(value)


_SENTENCES: "dict[str, Callable[[Values], str]]" = {
    "resctrl-group": _resctrl_group,
    "resctrl-monitor": lambda v: f"make the resctrl monitoring group {v['path']}",
    "resctrl-join": lambda v: "put the process into the resctrl group " + ", ".join(v["paths"]),
    "cgroup-create": lambda v: "make the cgroup " + ", ".join(sorted(v["paths"].values())),
    "cgroup-write": _cgroup_write,
    "systemd-scope": lambda v: (
        f"have the {'user' if v['user'] else 'system'}'s systemd make {v['unit']} with the process in it"
    ),
    "systemd-attach": lambda v: f"have the user's systemd put the process into {v['unit']}{v['below']}",
    "cgroup-enter": lambda v: "move the process to " + ", ".join(sorted(v["paths"].values())),
    "cgroup-owner": lambda v: f"give {v['path']} to the container's user {v['uid']}",
    "device-filter": lambda v: f"attach a device filter to {v['path']} ({len(v['program']) // 8} instructions)",
    "spawn": _spawn,
    "initial-affinity": lambda v: f"run on CPUs {v['cpus']} until the process is there",
    "final-affinity": lambda v: f"let the process run on CPUs {v['cpus']}",
    "id-map": _id_map,
    "idmap-tree": _idmap_tree,
    "oom-score": lambda v: f"set oom_score_adj to {v['value']}",
    "net-device": lambda v: f"move the network interface {v['name']} into the container as {v['inside']}",
    "run-hook": lambda v: f"run the {v['hook']} hook {v['path']} in the runtime's namespaces",
    "rlimit": lambda v: f"set {v['name']} to {_limit(v['soft'])}, hard {_limit(v['hard'])}",
    "created": lambda v: "record the container as created",
    "barrier": lambda v: "wait for the runtime",
    "enter": lambda v: "join the namespaces",
    "session": lambda v: "begin a new session",
    "cgroup-namespace": lambda v: "enter a new cgroup namespace",
    "loopback": lambda v: "bring the loopback interface up",
    "propagation": lambda v: f"set the propagation of all mounts to {_propagation(v['flags'])}",
    "root": lambda v: (
        ("bind the root filesystem on itself: " if v["bind"] else "open the root filesystem ") + v["path"]
    ),
    "mount": _mount,
    "bind": _bind,
    "remount": _remount,
    "directory": lambda v: f"make the directory {v['path']} if it is missing",
    "symlink": lambda v: f"link {v['path']} to {v['target']}",
    "device": _device,
    "hook": lambda v: f"run the hook {v['path']} in the container's namespaces",
    "sysctl": lambda v: f"write {v['value']} to /proc/{v['path']}",
    "mask": lambda v: f"mask {v['path']}",
    "readonly-path": lambda v: f"make {v['path']} read-only",
    "console": lambda v: "open a terminal on the container's devpts and send its master to the runtime",
    "null-streams": lambda v: "streams that are the host's null device become the container's own",
    "stdio-owner": lambda v: f"give stdin, stdout and stderr to user {v['uid']}",
    "readonly-root": lambda v: "make the root filesystem read-only",
    "pivot-root": lambda v: "pivot to the root filesystem and unmount the host's",
    "move-root": lambda v: "move the root filesystem over / and chroot into it",
    "chroot": lambda v: "chroot into the root filesystem",
    "root-propagation": lambda v: f"set the propagation of / to {_propagation(v['flags'])}",
    "hostname": lambda v: f"set the host name to {v['name']}",
    "domainname": lambda v: f"set the NIS domain name to {v['name']}",
    "keyring": lambda v: f"join a new session keyring {v['name']}",
    "no-new-privileges": lambda v: "set no_new_privs",
    "seccomp": lambda v: f"load the seccomp filter ({len(v['filter']) // 8} instructions)",
    "seccomp-notify": lambda v: (
        f"load the seccomp filter ({len(v['filter']) // 8} instructions), send its listener to {v['path']}"
    ),
    "bounding-set": lambda v: f"drop all from the bounding set but {' '.join(names(v['keep'])) or 'nothing'}",
    "umask": lambda v: f"set the umask to {v['mask']:04o}",
    "user": _user,
    "capabilities": _capabilities,
    "cwd": lambda v: f"change to {v['path']}{' if that failed before' if v['last'] else ''}",
    "home": lambda v: f"look up HOME of user {v['uid']} in the container's /etc/passwd",
    "find-program": lambda v: f"find {v['name']}{'' if '/' in v['name'] else ' in PATH ' + v['directories']}",
    "close-on-exec": lambda v: f"let no descriptor from {v['first']} on pass to the program",
    "wait-start": lambda v: "wait for start",
    "listen-pid": lambda v: "set LISTEN_PID to the pid that the program has",
    "outlive": lambda v: "outlive the runtime",
    "label": lambda v: f"write {v['value']!r} to the {v['module']} attribute {v['attribute']}",
    "file-label": lambda v: f"label {v['path']} as {v['label']}",
    "scheduler": _scheduler,
    "io-priority": lambda v: f"set the I/O priority to {_name(IO_CLASSES, v['class'])}, {v['priority']}",
    "memory-policy": _memory_policy,
    "personality": lambda v: f"take the personality {_name(DOMAINS, v['domain'])}",
    "exec": lambda v: f"execute {' '.join(v['args'])!r}",
}
