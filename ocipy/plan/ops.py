"""The steps a plan is made of: one record type for all, behaviour in its kind, never in control flow.

A kind says who does the step (RUNTIME: the Python parent; INIT: ocipy-init, inside the container's namespaces), which
fields it carries, and, for INIT, its code.  The codes have their home in cffi_build/ops.h; a test holds both equal.

Field types: ``n`` number (0 … 2**64-1), ``s`` string, ``l`` list of strings, ``b`` bytes, ``-`` what stays with the
runtime, whoever does the step.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNTIME = "runtime"
INIT = "init"


class Kind:
    """A kind of step: its name, who does it, its fields in encoding order, and its code (0 for RUNTIME)."""

    __slots__ = ("actor", "code", "fields", "name")

    def __init__(self, name: str, actor: str, code: int, fields: str) -> None:
        self.name = name
        self.actor = actor
        self.code = code
        self.fields = tuple((word.partition(":")[0], word.partition(":")[2]) for word in fields.split())


_RUNTIME_KINDS = (
    ("resctrl-group", "path:- create:- named:- equal:- schemata:-"),
    ("resctrl-monitor", "path:-"),
    ("resctrl-join", "paths:-"),
    ("systemd-scope", "unit:- user:- properties:- path:- controllers:-"),
    ("systemd-attach", "unit:- below:-"),
    ("cgroup-enter", "paths:-"),
    ("cgroup-create", "paths:- mount:- controllers:-"),
    ("idmap-tree", "destination:- source:- recursive:- map_all:- uid:- gid:-"),
    ("cgroup-write", "path:- value:- fallback:- optional:- usage:- verified:-"),
    ("cgroup-owner", "path:- uid:-"),
    ("device-filter", "path:- program:-"),
    ("id-map", "uid:- gid:- deny_setgroups:- helped:-"),
    ("spawn", "new:- join:- become_root:- wait_maps:- fork_again:- time_offsets:- oom_score:- tasks:- unified:-"),
    ("initial-affinity", "cpus:-"),
    ("final-affinity", "cpus:-"),
    ("oom-score", "value:-"),
    ("net-device", "name:- inside:- path:-"),
    ("run-hook", "hook:- number:- path:- args:- env:- timeout:-"),
    ("rlimit", "name:- resource:- soft:- hard:-"),
    ("created", ""),
)

_LOOK = "set:n clear:n recursive_set:n recursive_clear:n"
_INIT_KINDS = (
    (1, "barrier", ""),
    (2, "session", ""),
    (3, "cgroup-namespace", ""),
    (4, "loopback", ""),
    (5, "propagation", "flags:n"),
    (6, "root", "path:s bind:n private_parent:n"),
    (7, "mount", "destination:s type:s source:s data:l superblock:n set:n propagation:n flags:n fallback:s"),
    (8, "bind", "destination:s source:s tree:n recursive:n propagation:n flags:n " + _LOOK),
    (9, "remount", "destination:s data:l superblock:n superblock_clear:n propagation:n " + _LOOK),
    (10, "directory", "path:s mode:n"),
    (11, "symlink", "path:s target:s replace:n"),
    (12, "device", "path:s mode:n major:n minor:n uid:n gid:n bind:n"),
    (13, "hook", "path:s args:l env:l timeout:n before_pid:s after_pid:s"),
    (14, "sysctl", "path:s value:s"),
    (15, "mask", "path:s label:s"),
    (16, "readonly-path", "path:s"),
    (17, "console", "columns:n rows:n bind:n onlcr:n"),
    (18, "stdio-owner", "uid:n"),
    (19, "readonly-root", ""),
    (20, "pivot-root", ""),
    (21, "move-root", ""),
    (22, "chroot", ""),
    (23, "root-propagation", "flags:n"),
    (24, "hostname", "name:s"),
    (25, "domainname", "name:s"),
    (26, "keyring", "name:s"),
    (27, "no-new-privileges", ""),
    (28, "seccomp", "flags:n filter:b"),
    (29, "bounding-set", "keep:n"),
    (30, "umask", "mask:n"),
    (31, "user", "uid:n gid:n groups:b"),
    (32, "capabilities", "effective:n permitted:n inheritable:n ambient:n"),
    (33, "cwd", "path:s last:n"),
    (34, "home", "uid:n"),
    (35, "find-program", "name:s directories:s"),
    (36, "close-on-exec", "first:n"),
    (37, "wait-start", ""),
    (38, "exec", "args:l env:l"),
    (39, "seccomp-notify", "flags:n filter:b path:- metadata:-"),
    (40, "scheduler", "policy:n flags:n nice:n priority:n runtime:n deadline:n period:n"),
    (41, "io-priority", "class:n priority:n"),
    (42, "memory-policy", "mode:n nodes:b"),
    (43, "personality", "domain:n"),
    (44, "label", "module:s attribute:s value:s"),
    (45, "file-label", "path:s label:s"),
    (46, "listen-pid", ""),
    (47, "outlive", ""),
    (48, "null-streams", ""),
    (49, "enter", "types:b new:n fork_again:n wait_maps:n become_root:n time_offsets:s"),
)

KINDS = {name: Kind(name, RUNTIME, 0, fields) for name, fields in _RUNTIME_KINDS}
KINDS.update((name, Kind(name, INIT, code, fields)) for code, name, fields in _INIT_KINDS)


class SetupOp:
    """One step: its kind, the part of config.json that asks for it (JSON pointer) and the values of its fields."""

    __slots__ = ("kind", "pointer", "values")

    def __init__(self, name: str, pointer: str, /, **values: "Any") -> None:
        self.kind = KINDS[name]
        self.pointer = pointer
        self.values = values

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def actor(self) -> str:
        return self.kind.actor

    def __repr__(self) -> str:
        return f"SetupOp({self.kind.name!r}, {self.pointer!r}, {self.values!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SetupOp):
            return NotImplemented
        return (self.kind.name, self.pointer, self.values) == (other.kind.name, other.pointer, other.values)

    __hash__ = None  # type: ignore[assignment]  # the values are mutable


class Plan:
    """The compiled config: the steps in order, and what the runtime has to hold ready for them.

    ``cgroup_paths`` are the container's cgroups (hierarchy name → directory); ``console`` says whether a step sends
    a terminal back.
    """

    __slots__ = ("cgroup_paths", "console", "ops")

    def __init__(self, ops: "list[SetupOp]", cgroup_paths: "dict[str, str]", console: bool) -> None:
        self.ops = ops
        self.cgroup_paths = cgroup_paths
        self.console = console

    def spawn_index(self) -> int:
        """The place of the spawn: the INIT steps and the RUNTIME steps on the new process come after it."""
        return next(index for index, op in enumerate(self.ops) if op.name == "spawn")
