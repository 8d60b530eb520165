"""config.md: process.scheduler."""

import os
import subprocess
from typing import Any

from conformance import host
from conformance.harness import Runtime, case, check, need

SINCE = "1.1.0"
_RESET_ON_FORK = 0x40000000  # SCHED_RESET_ON_FORK, sched_setscheduler(2)


def scheduled(container: Runtime, **scheduler: Any) -> int:
    """The pid of a container's process with this scheduler."""
    container.config["process"]["scheduler"] = scheduler
    return container.sleeping()


@case(
    "config.md#linux-process",
    "MUST",
    "the policy is the configured one: SCHED_OTHER, SCHED_BATCH, SCHED_IDLE",
    "process.scheduler.policy",
    since=SINCE,
)
def scheduler_policies(runtime: Runtime) -> None:
    for name in ("OTHER", "BATCH", "IDLE"):
        found = os.sched_getscheduler(scheduled(runtime, policy=f"SCHED_{name}"))
        check(found == getattr(os, f"SCHED_{name}"), f"SCHED_{name}: it is {found}")
        runtime.ok("delete", "--force", runtime.container_id)


@case(
    "config.md#linux-process",
    "MUST",
    "the policy and priority are the configured ones: SCHED_FIFO, SCHED_RR",
    "process.scheduler.policy",
    "process.scheduler.priority",
    since=SINCE,
)
def scheduler_realtime(runtime: Runtime) -> None:
    need(host.capable("CAP_SYS_NICE"), "the caller lacks CAP_SYS_NICE")
    # sched(7): with CONFIG_RT_GROUP_SCHED, a cgroup of v1 has no realtime share unless it is given one.
    share = host.hierarchies().get("cpu", host.CGROUPS) / "cpu.rt_runtime_us"
    need(not share.exists(), "a cgroup of v1 has no realtime share of the CPU here")
    for name in ("FIFO", "RR"):
        pid = scheduled(runtime, policy=f"SCHED_{name}", priority=7)
        found = (os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority)
        check(found == (getattr(os, f"SCHED_{name}"), 7), f"SCHED_{name}: it is {found}")
        runtime.ok("delete", "--force", runtime.container_id)


@case(
    "config.md#linux-process",
    "MUST",
    "a deadline scheduler has the configured runtime, deadline and period",
    "process.scheduler.policy",
    "process.scheduler.runtime",
    "process.scheduler.deadline",
    "process.scheduler.period",
    since=SINCE,
)
def scheduler_deadline(runtime: Runtime) -> None:
    need(host.capable("CAP_SYS_NICE"), "the caller lacks CAP_SYS_NICE")
    wanted = {"runtime": 1_000_000, "deadline": 5_000_000, "period": 10_000_000}
    # deadline(7) takes every CPU of the root domain: what has a cpuset of fewer gets EPERM.
    pid = scheduled(runtime, policy="SCHED_DEADLINE", **wanted)
    text = subprocess.check_output(["/usr/bin/chrt", "-p", str(pid)], text=True)
    check("SCHED_DEADLINE" in text, f"it is {text!r}")
    numbers = text.rpartition("parameters: ")[2].partition("\n")[0]
    check("1000000/5000000/10000000" in numbers, f"they are {numbers}")


@case("config.md#linux-process", "MUST", "the nice value is the configured one", "process.scheduler.nice", since=SINCE)
def scheduler_nice(runtime: Runtime) -> None:
    pid = scheduled(runtime, policy="SCHED_OTHER", nice=11)
    found = os.getpriority(os.PRIO_PROCESS, pid)
    check(found == 11, f"it is {found}")


@case(
    "config.md#linux-process", "MUST", "nice is 0 with a scheduler that has none", "process.scheduler.nice", since=SINCE
)
def scheduler_nice_default(runtime: Runtime) -> None:
    runtime.prefix = ["nice", "-n", "5"]
    pid = scheduled(runtime, policy="SCHED_OTHER")
    found = os.getpriority(os.PRIO_PROCESS, pid)
    check(found == 0, f"it is {found}")


@case(
    "config.md#linux-process", "MUST", "flags are set: SCHED_FLAG_RESET_ON_FORK", "process.scheduler.flags", since=SINCE
)
def scheduler_flags(runtime: Runtime) -> None:
    pid = scheduled(runtime, policy="SCHED_BATCH", flags=["SCHED_FLAG_RESET_ON_FORK"])
    found = os.sched_getscheduler(pid)
    check(found == os.SCHED_BATCH | _RESET_ON_FORK, f"policy and flags are {found:#x}")


@case(
    "config.md#linux-process",
    "MUST",
    "a policy or flag that isn't in the list, or no policy, is refused",
    "process.scheduler.policy",
    "process.scheduler.flags",
    since=SINCE,
)
def scheduler_refused(runtime: Runtime) -> None:
    for value in ({"policy": "SCHED_ANY"}, {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_ANY"]}, {"nice": 1}):
        runtime.config["process"]["scheduler"] = value
        runtime.refused()


@case(
    "config.md#linux-process",
    "MUST",
    "SCHED_ISO, which no kernel has, is an error",
    "process.scheduler.policy",
    since=SINCE,
)
def scheduler_iso_refused(runtime: Runtime) -> None:
    runtime.config["process"]["scheduler"] = {"policy": "SCHED_ISO"}
    runtime.config["hooks"] = {}
    runtime.refused()
