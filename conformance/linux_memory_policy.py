"""config-linux.md: memory policy, sysctl and personality."""

import platform
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_looking import drop_namespace

POLICY = "config-linux.md#memory-policy"
SYSCTL = "config-linux.md#sysctl"
PERSONALITY = "config-linux.md#personality"
MODE, NODES, FLAGS = (f"linux.memoryPolicy.{name}" for name in ("mode", "nodes", "flags"))


def policy(runtime: Runtime, mode: str, nodes: str = "", *flags: str) -> str:
    """The policy as the kernel shows it in the container, e.g. ``bind:0``."""
    need(Path("/proc/self/numa_maps").exists(), "this kernel has no NUMA memory policies")
    runtime.config["linux"]["memoryPolicy"] = {"mode": mode, "flags": list(flags)}
    if nodes:
        runtime.config["linux"]["memoryPolicy"]["nodes"] = nodes
    return runtime.prints("head -n 1 /proc/self/numa_maps").split()[1]


MODES = {
    "MPOL_DEFAULT": ("", "default"),
    "MPOL_BIND": ("0", "bind:0"),
    "MPOL_INTERLEAVE": ("0", "interleave:0"),
    "MPOL_WEIGHTED_INTERLEAVE": ("0", "weighted interleave:0"),
    "MPOL_PREFERRED": ("0", "prefer:0"),
    "MPOL_PREFERRED_MANY": ("0", "prefer (many):0"),
    "MPOL_LOCAL": ("", "local"),
}
SINCE = {"MPOL_PREFERRED_MANY": (5, 15), "MPOL_WEIGHTED_INTERLEAVE": (6, 9)}


def mode_case(mode: str, nodes: str, shown: str) -> None:
    def run(runtime: Runtime) -> None:
        need(host.kernel(*SINCE.get(mode, (3, 8))), f"this kernel has no {mode}")
        found = policy(runtime, mode, nodes)
        check(found == shown.split()[0] or found == shown, f"it is {found}")

    run.__name__ = f"memory_policy_{mode.removeprefix('MPOL_').lower()}"
    case(POLICY, "MUST", f"{mode} is the policy of the program", MODE, NODES, since="1.3.0")(run)


for each, (nodes_, shown_) in MODES.items():
    mode_case(each, nodes_, shown_)


@case(POLICY, "MUST", "nodes may be a list with ranges", NODES, since="1.3.0")
def memory_policy_nodes(runtime: Runtime) -> None:
    # The kernel takes the nodes that there are out of those that are asked for.
    found = policy(runtime, "MPOL_INTERLEAVE", "0,0-0")
    check(found == "interleave:0", f"it is {found}")


@case(POLICY, "MUST", "MPOL_F_STATIC_NODES is set", FLAGS, since="1.3.0")
def memory_policy_static_nodes(runtime: Runtime) -> None:
    found = policy(runtime, "MPOL_BIND", "0", "MPOL_F_STATIC_NODES")
    check(found == "bind=static:0", f"it is {found}")


@case(POLICY, "MUST", "MPOL_F_RELATIVE_NODES is set", FLAGS, since="1.3.0")
def memory_policy_relative_nodes(runtime: Runtime) -> None:
    found = policy(runtime, "MPOL_BIND", "0", "MPOL_F_RELATIVE_NODES")
    check(found == "bind=relative:0", f"it is {found}")


@case(POLICY, "MUST", "MPOL_F_NUMA_BALANCING is set", FLAGS, since="1.3.0")
def memory_policy_balancing(runtime: Runtime) -> None:
    need(host.kernel(5, 12), "this kernel has no MPOL_F_NUMA_BALANCING")
    found = policy(runtime, "MPOL_BIND", "0", "MPOL_F_NUMA_BALANCING")
    check(found in ("bind=balancing:0", "bind:0"), f"it is {found}")  # shown since Linux 6.8


@case(POLICY, "MUST", "a mode that isn't one is an error", MODE, since="1.3.0")
def memory_policy_unknown(runtime: Runtime) -> None:
    runtime.config["linux"]["memoryPolicy"] = {"mode": "MPOL_ANYWHERE"}
    runtime.refused()


@case(POLICY, "MUST", "mode is required", MODE, since="1.3.0")
def memory_policy_without_mode(runtime: Runtime) -> None:
    runtime.config["linux"]["memoryPolicy"] = {"nodes": "0"}
    runtime.refused()


@case(POLICY, "MUST", "a flag that isn't one is an error", FLAGS, since="1.3.0")
def memory_policy_flag_unknown(runtime: Runtime) -> None:
    runtime.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_MAGIC"]}
    runtime.refused()


@case(POLICY, "MUST", "nodes in another form are an error", NODES, since="1.3.0")
def memory_policy_nodes_unfit(runtime: Runtime) -> None:
    for nodes in ("zero", "3-1", "-1"):
        runtime.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": nodes}
        runtime.refused()


@case(POLICY, "MUST", "a mode that needs nodes has some", NODES, since="1.3.0")
def memory_policy_nodes_missing(runtime: Runtime) -> None:
    runtime.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND"}
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)


modes = [f"memory_policy_{mode.removeprefix('MPOL_').lower()}" for mode in MODES]
wrong = ("memory_policy_unknown", "memory_policy_without_mode")
sentence(POLICY, "MUST", "mode is one of seven", *modes, *wrong)
lists = ("memory_policy_nodes", "memory_policy_nodes_unfit", "memory_policy_nodes_missing")
sentence(POLICY, "MUST", "nodes is a list of nodes", *lists)
flags_ = ("static_nodes", "relative_nodes", "balancing", "flag_unknown")
sentence(POLICY, "MUST", "flags are three", *(f"memory_policy_{flag}" for flag in flags_))


@case(SYSCTL, "MUST", "a parameter of the network namespace is set", "linux.sysctl")
def sysctl_network(runtime: Runtime) -> None:
    runtime.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256"}
    before = Path("/proc/sys/net/core/somaxconn").read_text()
    found = runtime.prints("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/core/somaxconn").split()
    check(found == ["1", "256"], f"they are {found}")
    check(Path("/proc/sys/net/core/somaxconn").read_text() == before, "the host's changed")


@case(SYSCTL, "MUST", "a parameter of the ipc namespace is set", "linux.sysctl")
def sysctl_ipc(runtime: Runtime) -> None:
    runtime.config["linux"]["sysctl"] = {"kernel.shmmni": "111", "fs.mqueue.msg_max": "12"}
    found = runtime.prints("cat /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max").split()
    check(found == ["111", "12"], f"they are {found}")


@case(SYSCTL, "MUST", "a parameter that isn't the container's own is an error", "linux.sysctl")
def sysctl_of_the_host(runtime: Runtime) -> None:
    for name in ("vm.swappiness", "kernel.panic"):
        path = Path("/proc/sys", *name.split("."))
        before = path.read_text().strip()
        runtime.config["linux"]["sysctl"] = {name: before}
        runtime.refused()


@case(SYSCTL, "MUST", "a parameter of a namespace that is the host's is an error", "linux.sysctl")
def sysctl_without_namespace(runtime: Runtime) -> None:
    drop_namespace(runtime, "network")
    path = Path("/proc/sys/net/core/somaxconn")
    runtime.config["linux"]["sysctl"] = {"net.core.somaxconn": path.read_text().strip()}
    runtime.refused()


@case(SYSCTL, "MUST", "a parameter that doesn't exist is an error", "linux.sysctl")
def sysctl_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["sysctl"] = {"net.core.nowhere": "1"}
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)


others = ("sysctl_of_the_host", "sysctl_without_namespace", "sysctl_absent")
sentence(SYSCTL, "MUST", "kernel parameters are modified for the container", "sysctl_network", "sysctl_ipc", *others)


def machine(runtime: Runtime, **members: object) -> str:
    runtime.config["linux"]["personality"] = members
    return runtime.prints("uname -m; cat /proc/self/personality")


@case(PERSONALITY, "MUST", "LINUX32 shows a 32-bit machine", "linux.personality.domain")
def personality_32(runtime: Runtime) -> None:
    need(platform.machine() in ("x86_64", "aarch64"), "this machine's kernel has no 32-bit personality")
    found = machine(runtime, domain="LINUX32").split()
    check(found[0] != platform.machine(), f"uname shows {found[0]}")
    check(found[1] == "00000008", f"the personality is {found[1]}")


@case(PERSONALITY, "MUST", "LINUX shows the machine as it is", "linux.personality.domain")
def personality_native(runtime: Runtime) -> None:
    found = machine(runtime, domain="LINUX", flags=[]).split()
    check(found == [platform.machine(), "00000000"], f"uname and the personality show {found}")


@case(PERSONALITY, "MUST", "a domain that isn't one is an error", "linux.personality.domain")
def personality_unknown(runtime: Runtime) -> None:
    runtime.config["linux"]["personality"] = {"domain": "LINUX48"}
    runtime.refused()


@case(PERSONALITY, "MUST", "domain is required", "linux.personality.domain")
def personality_without_domain(runtime: Runtime) -> None:
    runtime.config["linux"]["personality"] = {"flags": []}
    runtime.refused()


@case(PERSONALITY, "MUST", "a flag is an error, for none is supported", "linux.personality.flags")
def personality_flags(runtime: Runtime) -> None:
    runtime.config["linux"]["personality"] = {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}
    runtime.refused()


domains = ("personality_32", "personality_native", "personality_unknown", "personality_without_domain")
sentence(PERSONALITY, "MUST", "domain is LINUX or LINUX32", *domains)
sentence(PERSONALITY, "MUST", "there are no flags", "personality_flags")
