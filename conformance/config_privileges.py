"""config.md: Linux process: capabilities, no_new_privs, scheduling, priorities, labels."""

import os
import subprocess
from pathlib import Path

from conformance import host
from conformance.harness import Runtime, case, check, need

SETS = {
    "effective": "CapEff",
    "bounding": "CapBnd",
    "permitted": "CapPrm",
    "inheritable": "CapInh",
    "ambient": "CapAmb",
}
BITS = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10}
ALL_SETS = tuple(f"process.capabilities.{name}" for name in SETS)


def mask(*names: str) -> str:
    return f"{sum(1 << BITS[name] for name in names):016x}"


def in_three_sets(*names: str) -> dict[str, list[str]]:
    """What makes a capability one that root has."""
    return {name: list(names) for name in ("bounding", "permitted", "effective")}


def status(runtime: Runtime, *fields: str) -> dict[str, str]:
    """Fields of /proc/self/status, as a process in the container sees them."""
    lines = runtime.prints("cat /proc/self/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines) if name in fields}


@case("config.md#linux-process", "MUST", "the five capability sets are the configured ones", *ALL_SETS)
def capabilities(runtime: Runtime) -> None:
    # No user id change: the sets are as they were set, but for what execve does to root's.
    runtime.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    wanted = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_KILL"],
        "effective": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    runtime.config["process"]["capabilities"] = wanted
    found = status(runtime, *SETS.values())
    # capabilities(7): a user that isn't root keeps through execve what is ambient.
    expected = {field: mask("CAP_KILL") for field in SETS.values()} | {"CapBnd": mask(*wanted["bounding"])}
    check(found == expected, f"they are {found}")


@case(
    "config.md#linux-process", "MUST", "root's permitted and effective capabilities are the configured ones", *ALL_SETS
)
def capabilities_of_root(runtime: Runtime) -> None:
    names = ("CAP_CHOWN", "CAP_NET_BIND_SERVICE")
    runtime.config["process"]["capabilities"] = in_three_sets(*names)
    found = status(runtime, *SETS.values())
    expected = dict.fromkeys(("CapBnd", "CapPrm", "CapEff"), mask(*names)) | {"CapInh": mask(), "CapAmb": mask()}
    check(found == expected, f"they are {found}")


@case("config.md#linux-process", "MUST", "sets that aren't given are empty", *ALL_SETS)
def capabilities_none(runtime: Runtime) -> None:
    runtime.config["process"]["capabilities"] = {}
    found = status(runtime, *SETS.values())
    check(set(found.values()) == {mask()}, f"they are {found}")


@case(
    "config.md#linux-process",
    "MUST",
    "a capability the kernel doesn't know is logged as a warning, and the container runs",
    "process.capabilities.bounding",
    since="1.1.0",
)
def capabilities_unknown(runtime: Runtime) -> None:
    runtime.config["process"]["capabilities"]["bounding"] = ["CAP_KILL", "CAP_OF_ANOTHER_WORLD"]
    runtime.create()
    log = runtime.directory / "stderr"
    check("CAP_OF_ANOTHER_WORLD" in log.read_text(), "there is no warning")
    runtime.ok("start", runtime.container_id)


@case(
    "config.md#linux-process",
    "SHOULD NOT",
    "a capability that can't be granted doesn't fail the container",
    "process.capabilities.permitted",
    since="1.1.0",
)
def capabilities_not_granted(runtime: Runtime) -> None:
    runtime.prefix = ["setpriv", "--bounding-set", "-sys_time"]
    runtime.config["process"]["capabilities"] = in_three_sets("CAP_KILL", "CAP_SYS_TIME")
    found = status(runtime, "CapEff")
    check(found["CapEff"] == mask("CAP_KILL"), f"it has {found}")


@case(
    "config.md#linux-process",
    "MUST",
    "a capability that can't be granted is logged as a warning",
    "process.capabilities.permitted",
    since="1.1.0",
)
def capabilities_not_granted_warned(runtime: Runtime) -> None:
    runtime.prefix = ["setpriv", "--bounding-set", "-sys_time"]
    runtime.config["process"]["capabilities"] = in_three_sets("CAP_KILL", "CAP_SYS_TIME")
    runtime.create()
    check("CAP_SYS_TIME" in (runtime.directory / "stderr").read_text(), "there is no warning")


@case("config.md#linux-process", "MUST", "no_new_privs is set if asked for, and only then", "process.noNewPrivileges")
def no_new_privileges(runtime: Runtime) -> None:
    for wanted in (True, False):
        runtime.config["process"]["noNewPrivileges"] = wanted
        found = status(runtime, "NoNewPrivs")["NoNewPrivs"]
        check(found == str(int(wanted)), f"with {wanted} it is {found}")


@case("config.md#linux-process", "MUST", "oom_score_adj is the configured one", "process.oomScoreAdj")
def oom_score_adj(runtime: Runtime) -> None:
    for wanted in ("500", "1000", "0"):
        runtime.config["process"]["oomScoreAdj"] = int(wanted)
        found = runtime.prints("cat /proc/self/oom_score_adj").strip()
        check(found == wanted, f"it is {found}, {wanted} was asked for")


@case("config.md#linux-process", "MUST", "a lowered oom_score_adj is set", "process.oomScoreAdj")
def oom_score_adj_lowered(runtime: Runtime) -> None:
    need(host.capable("CAP_SYS_RESOURCE"), "the caller lacks CAP_SYS_RESOURCE")
    runtime.config["process"]["oomScoreAdj"] = -500
    found = runtime.prints("cat /proc/self/oom_score_adj").strip()
    check(found == "-500", f"it is {found}")


@case("config.md#linux-process", "MUST NOT", "without oomScoreAdj oom_score_adj stays as it was", "process.oomScoreAdj")
def oom_score_adj_unset(runtime: Runtime) -> None:
    runtime.prefix = ["choom", "--adjust", "321", "--"]
    found = runtime.prints("cat /proc/self/oom_score_adj").strip()
    check(found == "321", f"it is {found}, and was 321")


@case("config.md#linux-process", "MUST", "the process runs under the AppArmor profile", "process.apparmorProfile")
def apparmor_profile(runtime: Runtime) -> None:
    need(host.lsm("apparmor"), "the kernel runs no AppArmor")
    profiles = Path("/sys/kernel/security/apparmor/profiles").read_text().splitlines()
    enforced = [
        line.partition(" (")[0] for line in profiles if line.startswith(("conformance", "ocipy", "crun", "docker"))
    ]
    need(enforced, "no profile is loaded that a container may run under")
    runtime.config["process"]["apparmorProfile"] = enforced[0]
    found = runtime.prints("cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current")
    check(found.split(" ")[0].strip() == enforced[0], f"it runs under {found!r}")


@case(
    "config.md#linux-process",
    "MUST",
    "an AppArmor profile on a host without AppArmor is an error",
    "process.apparmorProfile",
    note="It is an unsupported value there; crun and runc start the process unconfined.",
)
def apparmor_missing(runtime: Runtime) -> None:
    need(not host.lsm("apparmor"), "the kernel runs AppArmor")
    runtime.config["process"]["apparmorProfile"] = "some-profile"
    runtime.refused()


@case("config.md#linux-process", "MUST", "the process has the SELinux label", "process.selinuxLabel")
def selinux_label(runtime: Runtime) -> None:
    need(host.lsm("selinux"), "the kernel runs no SELinux")
    types = ("container_t", "svirt_t")  # of the two usual policies
    label = host.selinux_label(*(f"system_u:system_r:{type_}:s0:c124,c675" for type_ in types))
    need(label, "the SELinux policy has no label for containers")
    runtime.config["process"]["selinuxLabel"] = label
    found = Path(f"/proc/{runtime.sleeping()}/attr/current").read_text().rstrip("\0\n")
    check(found == label, f"it is {found!r}")


@case(
    "config.md#linux-process",
    "MUST",
    "a SELinux label on a host without SELinux is an error",
    "process.selinuxLabel",
    note="It is an unsupported value there; a process without the label isn't what was asked for.",
)
def selinux_missing(runtime: Runtime) -> None:
    need(not host.lsm("selinux"), "the kernel runs SELinux")
    runtime.config["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0:c124,c675"
    runtime.refused()


@case(
    "config.md#linux-process",
    "MUST",
    "the I/O priority is the configured class and level",
    "process.ioPriority.class",
    "process.ioPriority.priority",
    since="1.1.0",
)
def io_priority(runtime: Runtime) -> None:
    wanted = {("IOPRIO_CLASS_BE", 6): "best-effort: prio 6", ("IOPRIO_CLASS_IDLE", 0): "idle"}
    wanted["IOPRIO_CLASS_RT", 3] = "realtime: prio 3"
    for (class_, priority), text in wanted.items():
        runtime.config["process"]["ioPriority"] = {"class": class_, "priority": priority}
        pid = runtime.sleeping()
        found = subprocess.check_output(["/usr/bin/ionice", "-p", str(pid)], text=True).strip()
        runtime.ok("delete", "--force", runtime.container_id)
        check(found == text, f"it is {found!r}, {text!r} was asked for")


@case(
    "config.md#linux-process",
    "MUST",
    "an I/O priority of another class, outside 0 to 7, or without a class is refused",
    "process.ioPriority.class",
    "process.ioPriority.priority",
    since="1.1.0",
)
def io_priority_refused(runtime: Runtime) -> None:
    for value in (
        {"class": "IOPRIO_CLASS_ANY", "priority": 1},
        {"class": "IOPRIO_CLASS_BE", "priority": 8},
        {"priority": 1},
    ):
        runtime.config["process"]["ioPriority"] = value
        runtime.refused()


@case(
    "config.md#linux-process",
    "MUST NOT",
    "execCPUAffinity doesn't change the affinity of the container's own process",
    "process.execCPUAffinity.initial",
    "process.execCPUAffinity.final",
    since="1.2.1",
)
def exec_affinity_spares_init(runtime: Runtime) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    need(len(cpus) > 1, "the host has one CPU")
    runtime.config["process"]["execCPUAffinity"] = {"initial": str(cpus[0]), "final": str(cpus[0])}
    found = sorted(os.sched_getaffinity(runtime.sleeping()))
    check(found == cpus, f"it runs on {found}")


@case(
    "config.md#linux-process",
    "MUST",
    "an execCPUAffinity that is no list of CPUs is refused",
    "process.execCPUAffinity.initial",
    "process.execCPUAffinity.final",
    since="1.2.1",
)
def exec_affinity_refused(runtime: Runtime) -> None:
    for name in ("initial", "final"):
        for value in ("1-", "a", "3-1"):
            runtime.config["process"]["execCPUAffinity"] = {name: value}
            runtime.refused()
