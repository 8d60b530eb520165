"""Scheduler, I/O priority, memory policy, personality: the numbers the kernel gets."""

import os
import re
from pathlib import Path

import pytest

from ocipy.plan import scheduling
from tests.system.looking import set_linux, set_process, together


def steps(process=None, linux=None):
    return list(scheduling.scheduling(process or {}, linux or {}))


def test_what_is_not_asked_for_is_no_step(make_plan, names):
    assert steps() == []
    assert not {"scheduler", "io-priority", "memory-policy", "personality"} & set(names(make_plan()))


def test_a_scheduler():
    (op,) = steps({"scheduler": {"policy": "SCHED_OTHER"}})
    assert op.pointer == "/process/scheduler"
    assert set(op.values.values()) == {0}, "config.md: what is not set is 0"
    wanted = {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3, "nice": -20, "priority": 7}
    (op,) = steps({"scheduler": wanted | {"flags": ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_RECLAIM"]}})
    assert op.values == {
        "policy": 6, "flags": 2, "nice": 2**32 - 20, "priority": 7, "runtime": 1, "deadline": 2, "period": 3
    }  # fmt: skip


def test_policies_are_the_kernel_s():
    for name, number in scheduling.POLICIES.items():
        assert getattr(os, name, number) == number
    assert scheduling.POLICIES["SCHED_DEADLINE"] == 6


@pytest.mark.parametrize(
    ("header", "tables"),
    [
        ("sched.h", (scheduling.POLICIES, scheduling.SCHEDULER_FLAGS)),
        ("mempolicy.h", (scheduling.MEMORY_FLAGS,)),
    ],
)
def test_numbers_are_those_of_the_kernel_s_headers(header, tables):
    """All but the policies with other names there."""
    path = Path("/usr/include/linux", header)
    if not path.exists():
        pytest.skip("needs the kernel's headers")
    text = path.read_text()
    found = {
        name: eval(value)  # noqa: S307 - of the form 1 << 3 or 0x10
        for name, value in re.findall(r"^#define\s+(\w+)\s+\(?((?:0x)?\w+(?: << \d+)?)\)?", text, re.MULTILINE)
        if re.fullmatch(r"(0x)?[\dA-Fa-f]+( << \d+)?", value)
    }
    for table in tables:
        common = {name: found[name] for name in table if name in found}
        assert len(common) >= len(table) - 1
        assert common == {name: table[name] for name in common}


@pytest.mark.parametrize(("class_", "number"), [("RT", 1), ("BE", 2), ("IDLE", 3)])
def test_an_io_priority(class_, number):
    (op,) = steps({"ioPriority": {"class": f"IOPRIO_CLASS_{class_}", "priority": 4}})
    assert (op.pointer, op.values) == ("/process/ioPriority", {"class": number, "priority": 4})
    (op,) = steps({"ioPriority": {"class": f"IOPRIO_CLASS_{class_}"}})
    assert op.values["priority"] == 0


@pytest.mark.parametrize(
    ("nodes", "mask"),
    [("", b""), ("0-1,3", b"\x0b" + bytes(7)), ("63", bytes(7) + b"\x80"), ("64", bytes(8) + b"\1" + bytes(7))],
)
def test_a_memory_policy(nodes, mask):
    policy = {"mode": "MPOL_BIND", "nodes": nodes, "flags": ["MPOL_F_STATIC_NODES"]}
    (op,) = steps(linux={"memoryPolicy": policy})
    assert (op.pointer, op.values) == ("/linux/memoryPolicy", {"mode": 2 | 1 << 15, "nodes": mask})


@pytest.mark.parametrize(("domain", "number"), [("LINUX", 0), ("LINUX32", 8)])
def test_a_personality(domain, number):
    (op,) = steps(linux={"personality": {"domain": domain}})
    assert (op.pointer, op.values) == ("/linux/personality", {"domain": number})


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_before_capabilities_and_filter_are_there(make_plan, names, no_new_privileges):
    from ocipy.seccomp import Filter

    change = together(
        set_process(
            scheduler={"policy": "SCHED_BATCH"},
            ioPriority={"class": "IOPRIO_CLASS_BE"},
            noNewPrivileges=no_new_privileges,
        ),
        set_linux(memoryPolicy={"mode": "MPOL_LOCAL"}, personality={"domain": "LINUX32"}),
    )
    found = names(make_plan(change, seccomp=Filter(b"\0" * 8, 0, [])))
    first = found.index("scheduler")
    assert found[first : first + 4] == ["scheduler", "io-priority", "memory-policy", "personality"]
    assert first + 4 <= min(found.index(name) for name in ("seccomp", "bounding-set", "user", "capabilities"))
    assert first > found.index("pivot-root")
