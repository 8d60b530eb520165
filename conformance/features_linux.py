"""features-linux.md: what the document lists for Linux can be asked for."""

import platform
from pathlib import Path
from typing import Any

from conformance import host
from conformance.cases import sentence
from conformance.features import LINUX, accepted, created, document, linux
from conformance.harness import Runtime, case, check, need
from conformance.linux_looking import (
    MAPPING,
    NAMESPACES,
    inside_network,
    map_ids,
    namespace,
    network_device,
    set_namespace,
)
from conformance.linux_network import OURS
from conformance.linux_seccomp import OWN, byte_order, rule, same_order

SECCOMP = f"{LINUX}seccomp"
# In the order of include/uapi/linux/capability.h.
CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
        "CHECKPOINT_RESTORE",
    )
]  # fmt: skip


@case(f"{LINUX}namespaces", "MUST", "the listed namespaces are recognized", "linux.namespaces[].type", since="1.1.0")
def features_namespaces(runtime: Runtime) -> None:
    types = linux(runtime, "namespaces")
    check(set(types) <= set(NAMESPACES), f"there are {types}")
    if "user" in types:
        map_ids(runtime)
    present = [type_ for type_ in types if host.namespace(NAMESPACES[type_])]
    for type_ in present:
        set_namespace(runtime, type_)
    pid = created(runtime)
    shared = [type_ for type_ in present if namespace(type_, pid) == namespace(type_)]
    check(not shared, f"these are the runtime's: {shared}")


@case(f"{LINUX}capabilities", "MUST", "the listed capabilities are recognized", "process.capabilities", since="1.1.0")
def features_capabilities(runtime: Runtime) -> None:
    names = linux(runtime, "capabilities")
    check(len(names) == len(set(names)), "one is listed twice")
    unknown = [name for name in names if name not in CAPABILITIES]
    check(not unknown, f"there are {unknown}")
    possible = int(Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0], 16)
    given = [name for name in names if possible >> CAPABILITIES.index(name) & 1]
    runtime.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), given)
    found = int(runtime.prints("grep CapBnd: /proc/self/status").split()[-1], 16)
    missing = [name for name in given if not found >> CAPABILITIES.index(name) & 1]
    check(not missing, f"the container doesn't have {missing}")


@case(f"{LINUX}cgroup", "MUST", "a cgroup version that is supported works", "linux.cgroupsPath", since="1.1.0")
def features_cgroup(runtime: Runtime) -> None:
    versions = linux(runtime, "cgroup")
    check(all(isinstance(value, bool | None) for value in versions.values()), f"it is {versions}")
    need(host.hierarchies(), "this host has no cgroups")
    version = "v2" if host.unified() else "v1"
    need(versions.get(version), f"the features document doesn't promise cgroup {version}")
    accepted(runtime, f"a container on cgroup {version}")


def filters(runtime: Runtime, what: str, *rules: dict[str, Any], **members: Any) -> None:
    document_ = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **members}
    runtime.config["linux"]["seccomp"] = document_
    accepted(runtime, what)


@case(SECCOMP, "MUST", "the listed actions are recognized", "linux.seccomp.syscalls[].action", since="1.1.0")
def features_actions(runtime: Runtime) -> None:
    names = linux(runtime, "seccomp", "actions")
    for name in names:
        if name != "SCMP_ACT_NOTIFY":  # which takes an agent: the cases of seccomp's notifications
            filters(runtime, name, rule(name))


@case(SECCOMP, "MUST", "the listed operators are recognized", "linux.seccomp.syscalls[].args[].op", since="1.1.0")
def features_operators(runtime: Runtime) -> None:
    for name in linux(runtime, "seccomp", "operators"):
        filters(runtime, name, rule("SCMP_ACT_ERRNO", {"index": 1, "value": 18, "valueTwo": 18, "op": name}))


@case(SECCOMP, "MUST", "the listed architectures are recognized", "linux.seccomp.architectures", since="1.1.0")
def features_architectures(runtime: Runtime) -> None:
    names = linux(runtime, "seccomp", "archs")
    own = OWN.get(platform.machine())
    check(own is None or own in names, f"this machine's, {own}, isn't listed")
    # All of the machine's byte order together; libseccomp mixes no others in.
    together = [name for name in names if same_order(name.removeprefix("SCMP_ARCH_"))]
    filters(runtime, "one of them", rule("SCMP_ACT_ERRNO"), architectures=together)
    for name in sorted(set(names) - set(together)):
        runtime.config["linux"]["seccomp"]["architectures"] = [name]
        runtime.bundle.write()
        done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        runtime("delete", "--force", runtime.container_id)
        check(done.returncode == 0 or byte_order(done.stderr), f"{name}: {done.stderr.strip()}")


@case(SECCOMP, "MUST", "the supported flags are recognized and supported", "linux.seccomp.flags", since="1.1.0")
def features_flags(runtime: Runtime) -> None:
    supported = linux(runtime, "seccomp", "supportedFlags")
    known = linux(runtime, "seccomp", "knownFlags")
    check(set(supported) <= set(known), f"supported, but not known: {sorted(set(supported) - set(known))}")
    for name in supported:
        filters(runtime, name, rule("SCMP_ACT_ERRNO"), flags=[name])


@case(f"{LINUX}memorypolicy", "MUST", "the listed modes are recognized", "linux.memoryPolicy.mode", since="1.3.0")
def features_memory_modes(runtime: Runtime) -> None:
    need(Path("/proc/self/numa_maps").exists(), "this kernel has no NUMA memory policies")
    modes = linux(runtime, "memoryPolicy", "modes")
    newer = {"MPOL_PREFERRED_MANY": (5, 15), "MPOL_WEIGHTED_INTERLEAVE": (6, 9)}
    for mode in modes:
        if host.kernel(*newer.get(mode, (3, 8))):
            nodes = {} if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else {"nodes": "0"}
            runtime.config["linux"]["memoryPolicy"] = {"mode": mode, **nodes}
            accepted(runtime, mode)


@case(f"{LINUX}memorypolicy", "MUST", "the listed flags are recognized", "linux.memoryPolicy.flags", since="1.3.0")
def features_memory_flags(runtime: Runtime) -> None:
    need(Path("/proc/self/numa_maps").exists(), "this kernel has no NUMA memory policies")
    for flag in linux(runtime, "memoryPolicy", "flags"):
        if host.kernel(5, 12) or flag != "MPOL_F_NUMA_BALANCING":
            runtime.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]}
            accepted(runtime, flag)


@case(f"{LINUX}mountextensions", "MUST", "a runtime that knows mappings of mounts says so", since="1.2.0")
def features_idmap(runtime: Runtime) -> None:
    need(host.kernel(5, 12), "this kernel has no id-mapped mounts")
    enabled = ((document(runtime).get("linux") or {}).get("mountExtensions") or {}).get("idmap", {}).get("enabled")
    source = runtime.directory / "source"
    source.mkdir()
    (source / "file").touch()
    entry = {"destination": "/mnt", "source": str(source), "options": ["bind"]}
    runtime.config["mounts"].append(entry | {"uidMappings": [MAPPING], "gidMappings": [MAPPING]})
    runtime.bundle.shell("stat -c %u:%g /mnt/file")
    runtime.bundle.write()
    done = runtime("run", "--bundle", str(runtime.bundle.path), runtime.container_id)
    mapped = done.stdout.strip() == f"{MAPPING['hostID']}:{MAPPING['hostID']}"
    check(enabled or not mapped, "it maps ids, and says that it doesn't")
    check(mapped or not enabled, f"it says that it maps ids, but: {done.stdout.strip()} {done.stderr.strip()}")


@case(f"{LINUX}netdevices", "MUST", "a runtime that moves network devices does", "linux.netDevices", since="1.3.0")
def features_net_devices(runtime: Runtime) -> None:
    need(linux(runtime, "netDevices", "enabled"), "the features document doesn't promise network devices")
    with network_device(OURS):
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        check(OURS in inside_network(created(runtime), "ip", "link", "show"), "it doesn't")


@case(f"{LINUX}intel-rdt", "MUST", "what is said of LSMs and RDT are booleans", since="1.1.0")
def features_enabled(runtime: Runtime) -> None:
    found = document(runtime).get("linux") or {}
    for name in ("apparmor", "selinux", "intelRdt"):
        for member, value in (found.get(name) or {}).items():
            check(isinstance(value, bool | None), f"linux.{name}.{member} is {value!r}")


sentence(f"{LINUX}namespaces", "MUST", "the listed namespaces are recognized", "features_namespaces")
sentence(f"{LINUX}capabilities", "MUST", "the listed capabilities are recognized", "features_capabilities")
sentence(f"{LINUX}cgroup", "MUST", "the supported versions and managers are said", "features_cgroup")
sentence(SECCOMP, "MUST", "the listed actions are recognized", "features_actions")
sentence(SECCOMP, "MUST", "the listed operators are recognized", "features_operators")
sentence(SECCOMP, "MUST", "the listed architectures are recognized", "features_architectures")
sentence(SECCOMP, "MUST", "the known flags are recognized, the supported ones supported", "features_flags")
sentence(f"{LINUX}memorypolicy", "MUST", "the listed modes are recognized", "features_memory_modes")
sentence(f"{LINUX}memorypolicy", "MUST", "the listed flags are recognized", "features_memory_flags")
sentence(f"{LINUX}mountextensions", "MUST", "idmap.enabled is true if mappings are used", "features_idmap")
sentence(f"{LINUX}netdevices", "MUST", "enabled says whether devices are moved", "features_net_devices")
sentence(f"{LINUX}intel-rdt", "MUST", "enabled says whether it is supported", "features_enabled")
