"""The config and the state as types, for mypy: imported under ``TYPE_CHECKING`` only.

They describe a config as ``load.read_config`` returns it: completed.  What load.py fills in is there; what may
be absent is ``NotRequired``.
"""

from typing import NotRequired, TypedDict


class IdMap(TypedDict):
    containerID: int
    hostID: int
    size: int


class Root(TypedDict):
    path: str
    readonly: bool


class Mount(TypedDict):
    destination: str
    source: str
    type: str
    options: list[str]
    uidMappings: list[IdMap]
    gidMappings: list[IdMap]


class User(TypedDict):
    uid: int
    gid: int
    additionalGids: list[int]
    umask: NotRequired[int]


class Capabilities(TypedDict):
    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    type: str
    soft: int
    hard: int


class ConsoleSize(TypedDict):
    height: int
    width: int


class Scheduler(TypedDict):
    policy: str
    nice: NotRequired[int]
    priority: NotRequired[int]
    flags: NotRequired[list[str]]
    runtime: NotRequired[int]
    deadline: NotRequired[int]
    period: NotRequired[int]


# "class" can't be the name of an attribute.
IoPriority = TypedDict("IoPriority", {"class": str, "priority": NotRequired[int]})


class CpuAffinity(TypedDict, total=False):
    initial: str
    final: str


class Process(TypedDict):
    args: list[str]
    cwd: str
    env: list[str]
    terminal: bool
    consoleSize: NotRequired[ConsoleSize]
    user: User
    capabilities: Capabilities
    rlimits: list[Rlimit]
    noNewPrivileges: bool
    oomScoreAdj: NotRequired[int]
    apparmorProfile: str
    selinuxLabel: str
    scheduler: NotRequired[Scheduler]
    ioPriority: NotRequired[IoPriority]
    execCPUAffinity: NotRequired[CpuAffinity]


class Hook(TypedDict):
    path: str
    args: list[str]
    env: list[str]
    timeout: NotRequired[int]


class Hooks(TypedDict):
    prestart: list[Hook]
    createRuntime: list[Hook]
    createContainer: list[Hook]
    startContainer: list[Hook]
    poststart: list[Hook]
    poststop: list[Hook]


class Namespace(TypedDict):
    type: str
    path: str


class TimeOffset(TypedDict, total=False):
    secs: int
    nanosecs: int


class Device(TypedDict):
    """``major`` and ``minor`` are there once checks.py has found no fault."""

    type: str
    path: str
    major: int
    minor: int
    fileMode: int
    uid: int
    gid: int


class NetDevice(TypedDict, total=False):
    name: str


class DeviceRule(TypedDict):
    allow: bool
    type: str
    major: int
    minor: int
    access: str


class Memory(TypedDict, total=False):
    limit: int
    reservation: int
    swap: int
    kernel: int
    kernelTCP: int
    swappiness: int
    disableOOMKiller: bool
    useHierarchy: bool
    checkBeforeUpdate: bool


class Cpu(TypedDict, total=False):
    shares: int
    quota: int
    burst: int
    period: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str
    idle: int


class Pids(TypedDict):
    limit: int


class WeightDevice(TypedDict):
    major: int
    minor: int
    weight: NotRequired[int]
    leafWeight: NotRequired[int]


class ThrottleDevice(TypedDict):
    major: int
    minor: int
    rate: NotRequired[int]


class BlockIO(TypedDict, total=False):
    weight: int
    leafWeight: int
    weightDevice: list[WeightDevice]
    throttleReadBpsDevice: list[ThrottleDevice]
    throttleWriteBpsDevice: list[ThrottleDevice]
    throttleReadIOPSDevice: list[ThrottleDevice]
    throttleWriteIOPSDevice: list[ThrottleDevice]


class HugepageLimit(TypedDict):
    pageSize: str
    limit: int


class InterfacePriority(TypedDict):
    name: str
    priority: int


class Network(TypedDict, total=False):
    classID: int
    priorities: list[InterfacePriority]


class Rdma(TypedDict, total=False):
    hcaHandles: int
    hcaObjects: int


class Resources(TypedDict):
    devices: list[DeviceRule]
    memory: NotRequired[Memory]
    cpu: NotRequired[Cpu]
    pids: NotRequired[Pids]
    blockIO: NotRequired[BlockIO]
    hugepageLimits: NotRequired[list[HugepageLimit]]
    network: NotRequired[Network]
    rdma: NotRequired[dict[str, Rdma]]
    unified: NotRequired[dict[str, str]]


class SeccompArg(TypedDict):
    index: int
    value: int
    valueTwo: NotRequired[int]
    op: str


class SeccompRule(TypedDict):
    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: list[SeccompArg]


class Seccomp(TypedDict):
    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: list[str]
    flags: NotRequired[list[str]]
    listenerPath: NotRequired[str]
    listenerMetadata: NotRequired[str]
    syscalls: list[SeccompRule]


class IntelRdt(TypedDict, total=False):
    closID: str
    schemata: list[str]
    l3CacheSchema: str
    memBwSchema: str
    enableMonitoring: bool


class MemoryPolicy(TypedDict):
    """``mode`` is there once checks.py has found no fault."""

    mode: str
    nodes: NotRequired[str]
    flags: NotRequired[list[str]]


class Personality(TypedDict):
    """``domain`` is there once checks.py has found no fault."""

    domain: str
    flags: NotRequired[list[str]]


class LinuxConfig(TypedDict):
    namespaces: list[Namespace]
    uidMappings: list[IdMap]
    gidMappings: list[IdMap]
    timeOffsets: dict[str, TimeOffset]
    devices: list[Device]
    netDevices: dict[str, NetDevice]
    cgroupsPath: str
    resources: Resources
    rootfsPropagation: str
    seccomp: NotRequired[Seccomp]
    sysctl: dict[str, str]
    maskedPaths: list[str]
    readonlyPaths: list[str]
    mountLabel: str
    intelRdt: NotRequired[IntelRdt]
    memoryPolicy: NotRequired[MemoryPolicy]
    personality: NotRequired[Personality]


class Config(TypedDict):
    """``root`` and ``process`` are there once checks.py has found no fault."""

    ociVersion: str
    root: Root
    process: Process
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: list[Mount]
    hooks: Hooks
    annotations: dict[str, str]
    linux: LinuxConfig


class State(TypedDict):
    ociVersion: str
    id: str
    status: str
    pid: NotRequired[int]
    bundle: str
    annotations: NotRequired[dict[str, str]]
