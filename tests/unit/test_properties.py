"""The properties of config.json: as many in the schema as the code reads, and as conformance cases are about.

What the code reads is measured: planner, checks, seccomp, hooks and state are run over configs that note every look.
"""

import json

from conformance.cases import CASES, collect
from ocipy import creation, hooks
from ocipy.errors import StepError
from ocipy.host import Hierarchy, HostInfo, Resctrl
from ocipy.plan.create import create
from ocipy.plan.options import CreateOptions
from ocipy.seccomp import Filter, compile_filter
from ocipy.spec import checks
from ocipy.spec.load import parse_config
from tests.unit.properties import Recorded, of_schema

collect()
V1 = ("cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma", "devices")
V2 = ("cpu", "cpuset", "memory", "io", "pids", "hugetlb", "rdma")
HOSTS = (
    HostInfo(hierarchies=tuple(Hierarchy(name, (name,), f"/sys/fs/cgroup/{name}", "/") for name in V1)),
    HostInfo(unified=Hierarchy("", V2, "/sys/fs/cgroup", "/")),
)
OPTIONS = CreateOptions("box", "/bundle", seccomp=Filter(b"\0" * 8, 0, (), True, "/run/listener", "data"))
# Without a case, and the reason.
WITHOUT_CASE: dict[str, str] = {}

MAPPINGS = [{"containerID": 0, "hostID": 1000, "size": 1000}]
DEVICE = {"major": 8, "minor": 0}
HOOK = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}
KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def everything():
    """A config with every property that goes together."""
    throttles = [f"throttle{way}{unit}Device" for way in ("Read", "Write") for unit in ("Bps", "IOPS")]
    return {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "box",
        "domainname": "example.org",
        "annotations": {"org.example": "value"},
        "hooks": {kind: [HOOK] for kind in KINDS},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
            {
                "destination": "/mapped",
                "type": "none",
                "source": "/source",
                "options": ["bind", "idmap"],
                "uidMappings": MAPPINGS,
                "gidMappings": MAPPINGS,
            },
        ],
        "process": {
            "args": ["sh"],
            "cwd": "/",
            "env": ["A=b"],
            "terminal": True,
            "consoleSize": {"height": 20, "width": 70},
            "user": {"uid": 5, "gid": 6, "umask": 63, "additionalGids": [7]},
            "capabilities": {name: ["CAP_KILL"] for name in SETS},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
            "noNewPrivileges": True,
            "oomScoreAdj": 5,
            "apparmorProfile": "profile",
            "selinuxLabel": "a:b:c:d",
            "scheduler": {"policy": "SCHED_OTHER", "nice": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 5},
            "execCPUAffinity": {"initial": "0", "final": "0"},
        },
        "linux": {
            "namespaces": [{"type": type_} for type_ in ("mount", "pid", "uts", "ipc", "network", "user", "time")],
            "uidMappings": MAPPINGS,
            "gidMappings": MAPPINGS,
            "devices": [{"path": "/dev/a", "type": "c", "fileMode": 384, "uid": 1, "gid": 2, **DEVICE}],
            "netDevices": {"eth7": {"name": "eth0"}},
            "cgroupsPath": "/a/b",
            "rootfsPropagation": "slave",
            "mountLabel": "a:b:c:d",
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "sysctl": {"net.ipv4.ip_forward": "1"},
            "personality": {"domain": "LINUX32", "flags": []},
            "timeOffsets": {clock: {"secs": 5, "nanosecs": 7} for clock in ("monotonic", "boottime")},
            "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
            "intelRdt": {
                "closID": "box",
                "schemata": ["L3:0=f"],
                "l3CacheSchema": "L3:0=f",
                "memBwSchema": "MB:0=50",
                "enableMonitoring": True,
            },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO",
                "defaultErrnoRet": 1,
                "architectures": ["SCMP_ARCH_X86_64"],
                "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                "listenerPath": "/run/listener",
                "listenerMetadata": "data",
                "syscalls": [
                    {
                        "names": ["read"],
                        "action": "SCMP_ACT_ERRNO",
                        "errnoRet": 2,
                        "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
                    },
                    {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"},
                ],
            },
            "resources": {
                "devices": [{"allow": True, "type": "c", "access": "rw", **DEVICE}],
                "pids": {"limit": 5},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
                "cpu": {
                    **dict.fromkeys(("shares", "quota", "burst", "period", "idle"), 1),
                    "realtimeRuntime": 1,
                    "realtimePeriod": 2,
                    "cpus": "0",
                    "mems": "0",
                },
                "memory": {
                    "limit": 1 << 20,
                    "reservation": 1 << 20,
                    "swap": 2 << 20,
                    "kernel": 1 << 20,
                    "kernelTCP": 1 << 20,
                    "swappiness": 5,
                    "disableOOMKiller": True,
                    "useHierarchy": True,
                    "checkBeforeUpdate": True,
                },
                "blockIO": {
                    "weight": 100,
                    "leafWeight": 100,
                    "weightDevice": [{**DEVICE, "weight": 100, "leafWeight": 100}],
                    **{name: [{**DEVICE, "rate": 5}] for name in throttles},
                },
                "network": {"classID": 5, "priorities": [{"name": "eth0", "priority": 5}]},
                "rdma": {"mlx": {"hcaHandles": 5, "hcaObjects": 6}},
                "unified": {"memory.high": "100"},
            },
        },
    }


def variants():
    """What goes with everything else, and then what doesn't, one after the other."""
    yield everything()
    realtime = everything()
    realtime["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 1}
    yield realtime
    deadline = everything()
    deadline["process"]["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3}
    yield deadline
    for part in ("cpu", "memory", "blockIO", "network", "rdma", "hugepageLimits", "pids", "devices", "unified"):
        for name in everything()["linux"]["resources"][part] if part not in ("hugepageLimits", "devices") else [None]:
            alone = everything()
            value = alone["linux"]["resources"][part]
            alone["linux"]["resources"] = {part: value if name is None else {name: value[name]}}
            yield alone


def read_by_the_code():
    """The names of what is read, and of what is only read to be refused by every host, with what it is told."""
    seen = set()
    refused = {}
    for number, host in enumerate(HOSTS):
        host.modules = ("apparmor", "selinux")
        host.resctrl = Resctrl("/sys/fs/resctrl", ("L3", "MB", "L3_MON"))
        refused[number] = {}
        for variant in variants():
            plan, config = planned(variant, host, seen, refused[number])
    checks.check(config)
    state = creation._initial_state(config, host, plan, OPTIONS)
    for kind in ("poststart", "poststop"):
        hooks.run(kind, 0, state["hooks"][kind][0], {})
    compile_filter(Recorded(everything()["linux"]["seccomp"], seen, "linux.seccomp"))
    return seen, {name: reason for name, reason in refused[0].items() if name in refused[1]}


def planned(variant, host, seen, refused):
    """The plan of a config without what is refused: ``refused`` gets these properties' names, and what is said."""
    while True:
        config = Recorded(parse_config(json.dumps(variant).encode(), "config.json"), seen)
        try:
            return create(config, host, OPTIONS), config
        except StepError as problem:
            *path, last = problem.pointer.strip("/").split("/")
            refused[".".join((*path, last))] = str(problem)
            part = variant
            for name in path:
                part = part[int(name) if isinstance(part, list) else name]
            del part[int(last) if isinstance(part, list) else last]


def normal(name):
    """A name with ``*`` for the members of a map."""
    for star in ("linux.netDevices", "linux.resources.rdma"):
        if name.startswith(f"{star}."):
            member = name.removeprefix(f"{star}.").partition(".")[2]
            return f"{star}.*.{member}" if member else star
    return name


def below(name, names):
    """Whether it is one of these properties, or a member of one."""
    return any(name == each or name.startswith((f"{each}.", f"{each}[")) for each in names)


def test_properties_of_the_schema_of_the_code_and_of_the_cases_agree(capsys):
    schema = of_schema()
    read, refused = read_by_the_code()
    read = {normal(name) for name in read}
    tried = {name for case in CASES for name in case.properties}
    unread = [name for name in schema if name not in read or below(name, refused)]
    untried = [name for name in schema if name not in tried]
    counts = (len(schema), len(schema) - len(unread), len(schema) - len(untried))
    with capsys.disabled():
        print("\nproperties: {} in the schema, {} read by the code, {} with a conformance case".format(*counts))
        for name in unread:
            print(f"{name}: refused: {next((why for each, why in refused.items() if below(name, [each])), '?')}")
        for name in untried:
            print(f"{name}: no case: {WITHOUT_CASE.get(name, '?')}")
    assert [name for name in unread if not below(name, refused)] == []
    assert set(untried) <= set(WITHOUT_CASE)


def test_cases_name_properties_that_there_are():
    schema = of_schema()
    inner = {name[:end] for name in schema for end in range(len(name)) if name[end] in ".["}
    unknown = {name for case in CASES for name in case.properties} - {*schema, *inner, "*"}
    assert not unknown
