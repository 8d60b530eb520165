"""How the process is run: ``process.scheduler`` and ``ioPriority``, ``linux.memoryPolicy`` and ``personality``."""

from ocipy.plan.ops import SetupOp
from ocipy.spec.lists import numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# linux/sched.h
POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}  # linux/ioprio.h
# linux/mempolicy.h
MEMORY_MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMORY_FLAGS = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}
DOMAINS = {"LINUX": 0, "LINUX32": 8}  # linux/personality.h


def scheduling(process: "dict[str, Any]", linux: "dict[str, Any]") -> "Iterator[SetupOp]":
    """The steps for what is asked for of the four; all but the personality may take capabilities."""
    if "scheduler" in process:
        yield _scheduler(process["scheduler"])
    if "ioPriority" in process:
        wanted = process["ioPriority"]
        class_ = IO_CLASSES[wanted["class"]]
        yield SetupOp("io-priority", "/process/ioPriority", **{"class": class_}, priority=wanted.get("priority", 0))
    if "memoryPolicy" in linux:
        yield _memory_policy(linux["memoryPolicy"])
    if "personality" in linux:
        yield SetupOp("personality", "/linux/personality", domain=DOMAINS[linux["personality"]["domain"]])


def _scheduler(wanted: "dict[str, Any]") -> SetupOp:
    return SetupOp(
        "scheduler",
        "/process/scheduler",
        policy=POLICIES[wanted["policy"]],
        flags=_sum(SCHEDULER_FLAGS, wanted.get("flags", ())),
        nice=wanted.get("nice", 0) & 0xFFFFFFFF,  # a plan has no negative numbers: read as 32 bits with a sign
        **{name: wanted.get(name, 0) for name in ("priority", "runtime", "deadline", "period")},
    )


def _memory_policy(wanted: "dict[str, Any]") -> SetupOp:
    mask = sum(1 << node for node in set(numbers(wanted.get("nodes", ""))))
    words = (mask.bit_length() + 63) // 64
    mode = MEMORY_MODES[wanted["mode"]] | _sum(MEMORY_FLAGS, wanted.get("flags", ()))
    return SetupOp("memory-policy", "/linux/memoryPolicy", mode=mode, nodes=mask.to_bytes(8 * words, "little"))


def _sum(values: "dict[str, int]", names: "list[str]") -> int:
    return sum(values[name] for name in set(names))
