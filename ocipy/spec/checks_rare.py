"""The checks of what few configs ask for: how the process is run, and resctrl; imported for those alone (checks.py)."""

from ocipy.errors import Fault
from ocipy.spec.lists import MOST_CPUS, MOST_NODES, list_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Check = Callable[[dict[str, Any]], Iterator[Fault]]


def check_scheduler(config: "dict[str, Any]") -> "Iterator[Fault]":
    """sched_setattr(2); what runc refuses, and what the kernel would, with a reason."""
    scheduler = (config.get("process") or {}).get("scheduler")
    if scheduler is None:
        return
    pointer, policy = "/process/scheduler", scheduler["policy"]
    nice, priority = scheduler.get("nice", 0), scheduler.get("priority", 0)
    flags = scheduler.get("flags", ())
    if policy == "SCHED_ISO":
        yield Fault(f"{pointer}/policy", "no kernel implements SCHED_ISO (expected one such as SCHED_BATCH)")
    if not -20 <= nice <= 19:
        yield Fault(f"{pointer}/nice", f"expected a whole number from -20 to 19, got {nice}")
    if "SCHED_FLAG_KEEP_POLICY" in flags:  # the policy that the priority is for is the runtime's own
        if not 0 <= priority <= 99:
            yield Fault(f"{pointer}/priority", f"expected a priority from 0 to 99, got {priority}")
    elif policy in ("SCHED_FIFO", "SCHED_RR"):
        if not 1 <= priority <= 99:
            yield Fault(f"{pointer}/priority", f"{policy} needs a priority from 1 to 99, not {priority}")
    elif priority:
        yield Fault(f"{pointer}/priority", f"only SCHED_FIFO and SCHED_RR have a priority, not {policy}")
    if policy == "SCHED_DEADLINE":
        yield from _check_deadline(scheduler, config.get("hooks", {}))
        return
    for name in ("runtime", "deadline", "period"):
        if scheduler.get(name):
            yield Fault(f"{pointer}/{name}", f"only SCHED_DEADLINE has a {name}, not {policy}")


def _check_deadline(scheduler: "dict[str, Any]", hooks: "dict[str, Any]") -> "Iterator[Fault]":
    pointer = "/process/scheduler"
    runtime, deadline, period = (scheduler.get(name, 0) for name in ("runtime", "deadline", "period"))
    if not 0 < runtime <= deadline <= (period or deadline):
        yield Fault(pointer, "SCHED_DEADLINE needs a runtime, a deadline no shorter, and a period no shorter than that")
    elif hooks.get("startContainer") and "SCHED_FLAG_RESET_ON_FORK" not in scheduler.get("flags", ()):
        yield Fault(pointer, "startContainer hooks need SCHED_FLAG_RESET_ON_FORK: SCHED_DEADLINE allows no fork")


def check_io_priority(config: "dict[str, Any]") -> "Iterator[Fault]":
    priority = (config.get("process") or {}).get("ioPriority", {}).get("priority", 0)
    if not 0 <= priority <= 7:
        yield Fault("/process/ioPriority/priority", f"expected a whole number from 0 to 7, got {priority}")


def check_affinity(config: "dict[str, Any]") -> "Iterator[Fault]":
    affinity = (config.get("process") or {}).get("execCPUAffinity")
    if not affinity:
        return
    for name in ("initial", "final"):
        if problem := list_fault(affinity.get(name, ""), MOST_CPUS):
            yield Fault(f"/process/execCPUAffinity/{name}", problem)


def check_intel_rdt(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config-linux.md; "/" is the default class."""
    wanted = config.get("linux", {}).get("intelRdt", {})
    clos = wanted.get("closID", "")
    if clos in (".", "..") or ("/" in clos and clos != "/"):
        yield Fault("/linux/intelRdt/closID", f'expected a directory name, or "/", got {clos!r}')
    for index, line in enumerate(wanted.get("schemata", ())):
        if "\n" in line:
            yield Fault(f"/linux/intelRdt/schemata/{index}", "expected one line, without a line break")


def check_personality(config: "dict[str, Any]") -> "Iterator[Fault]":
    personality = config.get("linux", {}).get("personality")
    if personality is not None and "domain" not in personality:
        yield Fault("/linux/personality", 'the property "domain" is missing: expected "LINUX" or "LINUX32"')
    if personality is not None and personality.get("flags"):
        yield Fault("/linux/personality/flags", f"no flag is defined, {personality['flags'][0]!r} included")


def check_memory_policy(config: "dict[str, Any]") -> "Iterator[Fault]":
    """set_mempolicy(2)."""
    policy = config.get("linux", {}).get("memoryPolicy")
    if policy is None:
        return
    pointer, mode, nodes = "/linux/memoryPolicy", policy.get("mode", ""), policy.get("nodes", "")
    if not mode:
        yield Fault(pointer, 'the property "mode" is missing: expected one such as "MPOL_BIND"')
    elif problem := list_fault(nodes, MOST_NODES):
        yield Fault(f"{pointer}/nodes", problem)
    elif mode in ("MPOL_DEFAULT", "MPOL_LOCAL") and nodes.strip(" ,"):
        yield Fault(f"{pointer}/nodes", f"{mode} takes no nodes")
    elif mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED") and not nodes.strip(" ,"):
        yield Fault(pointer, f'{mode} needs nodes, such as "0-1"')
    yield from _check_memory_flags(mode, nodes, policy.get("flags", ()))


def _check_memory_flags(mode: str, nodes: str, flags: "list[str]") -> "Iterator[Fault]":
    pointer = "/linux/memoryPolicy/flags"
    about_nodes = [flag for flag in ("MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES") if flag in flags]
    if len(about_nodes) > 1:
        yield Fault(pointer, "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other")
    elif about_nodes and mode in ("MPOL_LOCAL", "MPOL_PREFERRED") and not nodes.strip(" ,"):
        yield Fault(pointer, f"{about_nodes[0]} is about nodes, and there are none")
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in ("MPOL_BIND", "MPOL_PREFERRED_MANY"):
        yield Fault(pointer, f"MPOL_F_NUMA_BALANCING goes with MPOL_BIND or MPOL_PREFERRED_MANY, not with {mode}")


RARE_CHECKS: "tuple[Check, ...]" = (
    check_scheduler, check_io_priority, check_affinity, check_intel_rdt, check_personality, check_memory_policy,
)  # fmt: skip
