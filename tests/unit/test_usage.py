"""Two readings of a container's cgroups → how much of what it may use it does use; and the table of it."""

from types import SimpleNamespace

import pytest

from ocipy.usage import usage
from ocipy.usage_table import cells, in_order, size, text

MACHINE = SimpleNamespace(processors=4, memory=8 << 30)
UNLIMITED_V1, UNLIMITED_V2 = (1 << 63) - 4096, (1 << 64) - 1


def reading(time=0.0, total=0, memory=None, pids=None, blkio=None, **limits):
    limits = {"quota": None, "processors": 4, "io": {}} | limits
    data = {"cpu": {"usage": {"total": total}}, "memory": memory or {}, "pids": pids or {}, "blkio": blkio or {}}
    return SimpleNamespace(time=time, data=data, limits=limits)


NO_CGROUP = SimpleNamespace(time=1.0, data={}, limits={"quota": None, "processors": 0, "io": None})


@pytest.mark.parametrize(
    ("limits", "limit", "percent"),
    [
        ({}, None, 25),  # of the machine's four
        ({"quota": 0.5}, 0.5, 200),
        ({"processors": 2}, 2, 50),
        ({"quota": 3.0, "processors": 2}, 2, 50),
        ({"quota": 1.0, "processors": 2}, 1.0, 100),
        ({"processors": 0}, None, 25),
    ],
)
def test_cpu(limits, limit, percent):
    found = usage(reading(10, 5 * 10**9), reading(12, 7 * 10**9, **limits), MACHINE)["cpu"]
    assert found == {"used": 1.0, "limit": limit, "percent": percent}


def test_the_first_time_there_are_no_rates():
    found = usage(None, reading(12, 7 * 10**9, quota=1.0), MACHINE)
    assert found["cpu"] == {"used": None, "limit": 1.0, "percent": None}
    assert found["io"] == {"read": None, "write": None, "percent": None}


@pytest.mark.parametrize(
    ("limit", "raw", "expected"),
    [
        (64 << 20, {"total_inactive_file": 6 << 20, "inactive_file": 1}, (64 << 20, 15.625)),
        (64 << 20, {"inactive_file": 6 << 20}, (64 << 20, 15.625)),
        (UNLIMITED_V1, {"inactive_file": 6 << 20}, (None, 0.1220703125)),
        (UNLIMITED_V2, {"inactive_file": 6 << 20}, (None, 0.1220703125)),
        (16 << 30, {"inactive_file": 6 << 20}, (16 << 30, 0.1220703125)),  # more than the machine has
    ],
)
def test_memory(limit, raw, expected):
    found = usage(None, reading(memory={"usage": {"usage": 16 << 20, "limit": limit}, "raw": raw}), MACHINE)["memory"]
    assert (found["used"], found["limit"], found["percent"]) == (10 << 20, *expected)


def test_pids():
    assert usage(None, reading(pids={"current": 5, "limit": 20}), MACHINE)["pids"] == {
        "used": 5, "limit": 20, "percent": 25,
    }  # fmt: skip
    assert usage(None, reading(pids={"current": 5}), MACHINE)["pids"] == {"used": 5, "limit": None, "percent": None}


def entries(read, write):
    device = {"major": 8, "minor": 16}
    return [device | {"op": "Read", "value": read}, device | {"op": "Write", "value": write}, device | {"op": "Total"}]


def test_io():
    before = reading(1, blkio={"ioServiceBytesRecursive": entries(1000, 0), "ioServicedRecursive": entries(1, 0)})
    blkio = {"ioServiceBytesRecursive": entries(5000, 2000), "ioServicedRecursive": entries(5, 10)}
    assert usage(before, reading(3, blkio=blkio), MACHINE)["io"] == {"read": 2000, "write": 1000, "percent": None}
    limits = {(8, 16, "rbps"): 4000, (8, 16, "wiops"): 10, (9, 0, "rbps"): 1}
    found = usage(before, reading(3, blkio=blkio, io=limits), MACHINE)["io"]
    assert found == {"read": 2000, "write": 1000, "percent": 50}, "of the nearest limit"
    limits[8, 16, "wiops"] = 5
    assert usage(before, reading(3, blkio=blkio, io=limits), MACHINE)["io"]["percent"] == 100


def test_without_a_cgroup_nothing_is_known():
    found = usage(NO_CGROUP, SimpleNamespace(**vars(NO_CGROUP) | {"time": 2.0}), MACHINE)
    assert {value for part in found.values() for value in part.values()} == {None}
    assert cells({"id": "box", "status": "running"} | found) == ["box", "running", *["-"] * 11]


def row(name, **used):
    known = {
        "cpu": {"used": None, "limit": None, "percent": None},
        "memory": {"used": None, "limit": None, "percent": None},
        "io": {"read": None, "write": None, "percent": None},
        "pids": {"used": None, "limit": None, "percent": None},
    }
    for part, values in used.items():
        known[part].update(values)
    return {"id": name, "status": "running"} | known


def test_order():
    rows = [
        row("a", cpu={"used": 0.1}, io={"read": 1, "write": 8}),
        row("d"),
        row("c", cpu={"used": 0.5}, io={"read": 5, "write": 2}),
        row("b", cpu={"used": 0.5}, memory={"used": 4}, pids={"used": 1}),
    ]
    orders = {order: "".join(each["id"] for each in in_order(rows, order)) for order in ("cpu", "memory", "io", "id")}
    assert orders == {"cpu": "bcad", "memory": "bacd", "io": "acbd", "id": "abcd"}


def test_table():
    full = row(
        "box",
        cpu={"used": 0.496, "limit": 0.5, "percent": 99.2},
        memory={"used": 1 << 20, "limit": 64 << 20, "percent": 1.6},
        io={"read": 2048.0, "write": 0, "percent": 50},
        pids={"used": 5, "limit": 20, "percent": 25},
    )
    assert text([full, row("b")]).splitlines() == [
        "ID   STATUS    CPU  LIMIT  CPU%  MEMORY  LIMIT  MEM%  READ/S  WRITE/S  IO%  PIDS  LIMIT",
        "box  running  0.50   0.50   99%    1.0M    64M    2%    2.0K        0  50%     5     20",
        "b    running     -      -     -       -      -     -       -        -    -     -      -",
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, "-"), (0, "0"), (999, "999"), (1000, "1.0K"), (1024, "1.0K"), (10240, "10K"), (1 << 20, "1.0M"),
     (1023 << 20, "1.0G"), (5 << 40, "5.0T"), (1 << 62, "4.0E"), (1 << 75, "32768E")],
)  # fmt: skip
def test_size(number, said):
    assert size(number) == said
