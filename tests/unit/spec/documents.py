"""Documents to test with: one that has every property of the schema, random parts of it, and random mutations."""

import copy
import os
import random
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
SCHEMAS = CHECKOUT / "schemas"
OFFICIAL = CHECKOUT.parent / "shared" / "runtime-spec-1.3.0"

MINIMAL = {"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": {"args": ["sh"], "cwd": "/"}}
MOUNT_NAMESPACE = {"linux": {"namespaces": [{"type": "mount"}]}}

_HOOK = {"path": "/bin/hook", "args": ["hook", "-v"], "env": ["A=b"], "timeout": 5}
_THROTTLE = [{"major": 8, "minor": 0, "rate": 1000}]
_MAPPINGS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
_CAPABILITIES = ["CAP_KILL", "CAP_CHOWN"]

FULL = {
    "ociVersion": "1.3.0",
    "root": {"path": "rootfs", "readonly": True},
    "process": {
        "args": ["ls", "-l"],
        "commandLine": "ls -l",
        "cwd": "/",
        "env": ["PATH=/bin", "EMPTY="],
        "terminal": True,
        "consoleSize": {"height": 25, "width": 80},
        "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [5, 6], "username": "root"},
        "capabilities": {
            "bounding": _CAPABILITIES,
            "effective": _CAPABILITIES,
            "permitted": _CAPABILITIES,
            "inheritable": _CAPABILITIES,
            "ambient": ["CAP_KILL"],
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 18446744073709551615}],
        "noNewPrivileges": True,
        "oomScoreAdj": -500,
        "apparmorProfile": "profile",
        "selinuxLabel": "u:r:t:s0",
        "scheduler": {
            "policy": "SCHED_DEADLINE",
            "nice": -5,
            "priority": 0,
            "flags": ["SCHED_FLAG_RESET_ON_FORK"],
            "runtime": 1000000,
            "deadline": 2000000,
            "period": 3000000,
        },
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0-3,7", "final": "1"},
    },
    "hostname": "web",
    "domainname": "example",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/data",
            "type": "bind",
            "source": "/srv/data",
            "options": ["rbind", "ro"],
            "uidMappings": _MAPPINGS,
            "gidMappings": _MAPPINGS,
        },
    ],
    "hooks": {
        "prestart": [_HOOK],
        "createRuntime": [_HOOK],
        "createContainer": [_HOOK],
        "startContainer": [_HOOK],
        "poststart": [_HOOK],
        "poststop": [_HOOK, {"path": "/bin/true"}],
    },
    "annotations": {"org.example.a": "b"},
    "linux": {
        "namespaces": [
            *({"type": kind} for kind in ("mount", "pid", "uts", "ipc", "user", "cgroup", "time")),
            {"type": "network", "path": "/run/netns/a"},
        ],
        "uidMappings": _MAPPINGS,
        "gidMappings": _MAPPINGS,
        "timeOffsets": {"boottime": {"secs": -3600, "nanosecs": 5}, "monotonic": {"secs": 1, "nanosecs": 0}},
        "devices": [
            {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0},
            {"type": "p", "path": "/dev/pipe"},
        ],
        "netDevices": {"eth1": {"name": "eth0"}, "eth2": {}},
        "cgroupsPath": "/web/1",
        "resources": {
            "devices": [
                {"allow": False, "access": "rwm"},
                {"allow": True, "type": "c", "major": 10, "minor": -1, "access": "rw"},
            ],
            "memory": {
                "limit": 536870912,
                "reservation": 536870912,
                "swap": -1,
                "kernel": -1,
                "kernelTCP": -1,
                "swappiness": 0,
                "disableOOMKiller": False,
                "useHierarchy": False,
                "checkBeforeUpdate": True,
            },
            "cpu": {
                "shares": 1024,
                "quota": 1000000,
                "burst": 1000,
                "period": 500000,
                "realtimeRuntime": 950000,
                "realtimePeriod": 1000000,
                "cpus": "2-3",
                "mems": "0-7",
                "idle": 0,
            },
            "pids": {"limit": 100},
            "blockIO": {
                "weight": 500,
                "leafWeight": 500,
                "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                "throttleReadBpsDevice": _THROTTLE,
                "throttleWriteBpsDevice": _THROTTLE,
                "throttleReadIOPSDevice": _THROTTLE,
                "throttleWriteIOPSDevice": _THROTTLE,
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854775807}],
            "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
            "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
            "unified": {"memory.high": "max"},
        },
        "rootfsPropagation": "slave",
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/agent.sock",
            "listenerMetadata": "text",
            "syscalls": [
                {
                    "names": ["getcwd", "chmod"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 255, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}],
                },
                {"names": ["chown"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            ],
        },
        "sysctl": {"net.core.somaxconn": "256", "kernel/msgmax": "65536"},
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "mountLabel": "u:object_r:t:s0",
        "intelRdt": {
            "closID": "group",
            "schemata": ["L3:0=7f0;1=1f"],
            "l3CacheSchema": "L3:0=7f0",
            "memBwSchema": "MB:0=20;1=70",
            "enableMonitoring": True,
        },
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
        "personality": {"domain": "LINUX", "flags": []},
    },
    "windows": {},
    "solaris": {},
    "vm": {},
    "zos": {},
    "freebsd": {},
}

STATE = {
    "ociVersion": "1.3.0",
    "id": "web-1",
    "status": "running",
    "pid": 4422,
    "bundle": "/bundles/web",
    "annotations": {"a": "b"},
}

FEATURES = {
    "ociVersionMin": "1.0.0",
    "ociVersionMax": "1.3.0",
    "hooks": ["prestart"],
    "mountOptions": ["rbind"],
    "annotations": {"a": "b"},
    "potentiallyUnsafeConfigAnnotations": ["org.example."],
    "linux": {
        "namespaces": ["pid"],
        "capabilities": ["CAP_KILL"],
        "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
        "seccomp": {
            "enabled": True,
            "actions": ["SCMP_ACT_ALLOW"],
            "operators": ["SCMP_CMP_NE"],
            "archs": ["SCMP_ARCH_X86"],
            "knownFlags": ["SECCOMP_FILTER_FLAG_LOG"],
            "supportedFlags": ["SECCOMP_FILTER_FLAG_LOG"],
        },
        "apparmor": {"enabled": True},
        "selinux": {"enabled": True},
        "intelRdt": {"enabled": True, "schemata": True, "monitoring": False},
        "memoryPolicy": {"modes": ["MPOL_BIND"], "flags": ["MPOL_F_STATIC_NODES"]},
        "netDevices": {"enabled": False},
        "mountExtensions": {"idmap": {"enabled": True}},
    },
}

# Values at the edges of the types, ranges and patterns the schemas have.
VALUES = (
    None, True, False, 0, 1, -1, 7, 8, 511, 512, 65535, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**32 - 1, 2**32,
    2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 1.0, 0.5, -0.0, 1e300, "", "x", "c", "c\n", "pid",
    "slave", "rslave", "RLIMIT_CPU", "RLIMIT_", "RLIMIT_CPU\n", "RLIMIT_cpu", "0-3, 7", "0-3,7\n", "64KB", "064KB",
    "64kB", "2MB\n", "1GBB", "MB:", "MB:0=1\n", "MB:\nMB:", "L3:0=1", "SCMP_ACT_ALLOW", "SCHED_OTHER", "LINUX32",
    [], [1], ["a"], ["a", 1], [None], [[]], [{}], {}, {"a": 1}, {"a": "b"}, {"": 1}, {"": "b"}, {"\n": 1}, {"a": {}},
)  # fmt: skip

# Left where they are when a document is thinned out, or next to nothing of it would be valid.
REQUIRED = {
    "ociVersion", "path", "cwd", "height", "width", "type", "soft", "hard", "policy", "class", "destination",
    "containerID", "hostID", "size", "allow", "major", "minor", "limit", "pageSize", "name", "priority",
    "defaultAction", "names", "action", "index", "value", "op", "id", "status", "bundle",
}  # fmt: skip


def examples(default: int) -> range:
    """The seeds of a property test: ``OCIPY_EXAMPLES`` of them, or ``default``."""
    return range(int(os.environ.get("OCIPY_EXAMPLES", default)))


def mutated(document: dict, seed: int) -> dict:
    """A random part of ``document`` with one to three random changes; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311
    result = prune(document, dice)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        mutate(result, dice)
    return result


def prune(value: object, dice: random.Random) -> object:
    """A copy with some members left out, so that most documents are small and still all parts occur."""
    if isinstance(value, dict):
        share = dice.choice((0.3, 0.9, 1.0))
        kept = {name: member for name, member in value.items() if dice.random() < share or name in REQUIRED}
        return {name: prune(member, dice) for name, member in kept.items()}
    if isinstance(value, list):
        return [prune(item, dice) for item in value]
    return value


def mutate(document: dict, dice: random.Random) -> None:
    """Drop, retype, rename or insert something at a random place."""
    places = list(containers(document))
    container = dice.choice(places)
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    action = dice.choice(("drop", "retype", "retype", "retype", "rename", "insert", "graft"))
    value = copy.deepcopy(dice.choice(VALUES))
    if action == "insert" or not keys:
        if isinstance(container, dict):
            container[dice.choice(("unknown", "x.y", "", "path", "type"))] = value
        else:
            container.insert(dice.randint(0, len(container)), value)
        return
    key = dice.choice(keys)
    if action == "drop":
        del container[key]
    elif action == "rename" and isinstance(container, dict):
        container[dice.choice((key + "s", key.upper(), key[1:]))] = container.pop(key)
    elif action == "graft":
        container[key] = copy.deepcopy(dice.choice(places))
    else:
        container[key] = value


def containers(value: object):
    """Every object and array in ``value``, itself included."""
    if isinstance(value, (dict, list)):
        yield value
        for member in value.values() if isinstance(value, dict) else value:
            yield from containers(member)


def leaves(value: object, path: tuple = ()):
    """The path of every string and number in ``value``."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))
    elif not isinstance(value, bool):
        yield path


def substituted(document: dict, further: tuple = ()):
    """``document`` with each of its strings and numbers replaced by each value of that type, one at a time.

    To be quick, each document has hardly more than what leads to that one place.
    """
    for path in leaves(document):
        kind = str if isinstance(at(document, path), str) else int
        for value in (*VALUES, *(further if kind is str else ())):
            if type(value) is kind:
                yield sliced(document, path, value)


def at(value: object, path: tuple) -> object:
    for key in path:
        value = value[key]
    return value


def sliced(value: object, path: tuple, leaf: object) -> object:
    """What leads to ``path``, where ``leaf`` is, and the required members beside it."""
    if not path:
        return leaf
    if isinstance(value, list):
        return [sliced(value[path[0]], path[1:], leaf)]
    kept = {name: member for name, member in value.items() if name in REQUIRED}
    return {**kept, path[0]: sliced(value[path[0]], path[1:], leaf)}


def without_null(value: object) -> object:
    """As jsontext.loads reads a document: members that are null are absent."""
    if isinstance(value, dict):
        return {name: without_null(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_null(item) for item in value]
    return value
