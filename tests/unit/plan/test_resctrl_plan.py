"""intelRdt in the plan: which groups, made or only used, and what is written (config-linux.md, IntelRdt)."""

import pytest

from ocipy.errors import StepError
from ocipy.host import HostInfo, Resctrl

L3, MB = "L3:0=7f0;1=1f", "MB:0=20;1=70"


@pytest.fixture
def plan(make_plan):
    """``plan(closID=…)``: the plan of a config with that intelRdt, on a host with resctrl."""

    def make(resources=("L3", "L3_MON", "MB"), **wanted):
        host = HostInfo()
        host.resctrl = Resctrl("/r", resources)
        return make_plan(lambda config: config["linux"].update(intelRdt=wanted), host=host)

    return make


@pytest.mark.parametrize(
    ("wanted", "path", "create", "named"),
    [
        ({}, "/r/box", True, False),
        ({"closID": ""}, "/r/box", True, False),
        ({"schemata": [L3]}, "/r/box", True, False),
        ({"closID": "gold", "l3CacheSchema": L3}, "/r/gold", True, True),
        ({"closID": "gold", "schemata": [L3]}, "/r/gold", True, True),
        ({"closID": "gold"}, "/r/gold", False, True),
        ({"closID": "gold", "schemata": []}, "/r/gold", False, True),
        ({"closID": "/"}, "/r", False, True),
        ({"closID": "/", "memBwSchema": MB}, "/r", False, True),
    ],
)
def test_the_group(plan, only, wanted, path, create, named):
    found = plan(**wanted)
    op = only(found, "resctrl-group")
    assert (op.pointer, op.values["path"], op.values["create"], op.values["named"]) == (
        "/linux/intelRdt", path, create, named
    )  # fmt: skip
    assert only(found, "resctrl-join").values == {"paths": [path]}


@pytest.mark.parametrize(
    ("wanted", "written", "equal"),
    [
        ({}, [], []),
        ({"l3CacheSchema": L3, "memBwSchema": MB, "schemata": ["L2:0=f", MB]}, [L3, MB, f"L2:0=f\n{MB}"], []),
        ({"closID": "a", "l3CacheSchema": L3, "memBwSchema": MB, "schemata": ["L2:0=f"]},
         [L3, MB, "L2:0=f"], [L3, MB]),
        ({"closID": "a", "schemata": [L3]}, [L3], []),
        ({"l3CacheSchema": f"MB:0=99\n{L3}", "memBwSchema": MB}, [L3, MB], []),
        ({"l3CacheSchema": "MB:0=99"}, ["MB:0=99"], []),
    ],
)  # fmt: skip
def test_what_is_written_and_in_which_order(plan, only, wanted, written, equal):
    values = only(plan(resources=("L2", "L3", "MB"), **wanted), "resctrl-group").values
    assert (values["schemata"], values["equal"]) == (written, equal)


@pytest.mark.parametrize(("closid", "group"), [("", "/r/box"), ("gold", "/r/gold"), ("/", "/r")])
def test_monitoring(plan, only, names, closid, group):
    found = plan(closID=closid, enableMonitoring=True)
    assert only(found, "resctrl-monitor").values == {"path": f"{group}/mon_groups/box"}
    assert only(found, "resctrl-join").values == {"paths": [group, f"{group}/mon_groups/box"]}
    assert names(found)[:2] == ["resctrl-group", "resctrl-monitor"], "before anything else is made"
    assert names(plan(enableMonitoring=False))[0] == "resctrl-group"
    assert "resctrl-monitor" not in names(plan(enableMonitoring=False))


def test_the_process_joins_before_it_runs(plan, names):
    found = names(plan())
    assert found[found.index("spawn") + 1] == "resctrl-join"


@pytest.mark.parametrize(
    ("wanted", "pointer", "words"),
    [
        ({"l3CacheSchema": "L4:0=f"}, "l3CacheSchema", "/r has no resource 'L4'"),
        ({"schemata": [L3, "  L2:0=f"]}, "schemata", "/r has no resource 'L2'"),
        ({"memBwSchema": "MB:0=1"}, "memBwSchema", "/r has no resource 'MB'"),
        ({"enableMonitoring": True}, "enableMonitoring", "/r has no monitoring"),
    ],
)
def test_what_the_processor_lacks(plan, wanted, pointer, words):
    with pytest.raises(StepError, match=words) as caught:
        plan(resources=("L3",), **wanted)
    assert caught.value.pointer == f"/linux/intelRdt/{pointer}"


def test_no_resctrl(make_plan):
    with pytest.raises(StepError) as caught:
        make_plan(lambda config: config["linux"].update(intelRdt={}))
    assert str(caught.value) == (
        "linux.intelRdt: no resctrl filesystem is mounted (mount -t resctrl resctrl /sys/fs/resctrl)"
    )
    assert make_plan()
