"""``update``, the pure half: resources over resources, and from one list of devices to another."""

import pytest

from ocipy.cgroups.changes import affected, device_changes, merge, waked
from ocipy.cgroups.settings import Setting

NONE = {"devices": []}


@pytest.mark.parametrize(
    ("old", "given", "merged"),
    [
        ({}, {"cpu": {"quota": 5}}, {"cpu": {"quota": 5}}),
        ({"cpu": {"quota": 5, "cpus": "0"}}, {"cpu": {"quota": 6}}, {"cpu": {"quota": 6, "cpus": "0"}}),
        ({"memory": {"limit": 5}}, {"cpu": {"shares": 6}}, {"memory": {"limit": 5}, "cpu": {"shares": 6}}),
        # Engines say 0 and "" for what they don't change.
        ({"cpu": {"shares": 5, "cpus": "1"}}, {"cpu": {"shares": 0, "cpus": ""}}, {"cpu": {"shares": 5, "cpus": "1"}}),
        ({"blockIO": {"weight": 5}}, {"blockIO": {"weight": 0}}, {"blockIO": {"weight": 5}}),
        # And there are zeros that say something.
        ({"cpu": {"idle": 1, "burst": 5}}, {"cpu": {"idle": 0, "burst": 0}}, {"cpu": {"idle": 0, "burst": 0}}),
        ({"memory": {"swappiness": 5}}, {"memory": {"swappiness": 0}}, {"memory": {"swappiness": 0}}),
        ({"pids": {"limit": 5}}, {"pids": {"limit": 0}}, {"pids": {"limit": 0}}),
        ({"memory": {"disableOOMKiller": True}}, {"memory": {"disableOOMKiller": False}},
         {"memory": {"disableOOMKiller": False}}),
        ({"rdma": {"a": {"hcaHandles": 5, "hcaObjects": 6}, "b": {"hcaObjects": 7}}},
         {"rdma": {"a": {"hcaHandles": 0}}},
         {"rdma": {"a": {"hcaHandles": 0, "hcaObjects": 6}, "b": {"hcaObjects": 7}}}),
        # runc: no limit on memory means none on swap, unless that is given too.
        ({"memory": {"limit": 5, "swap": 6}}, {"memory": {"limit": -1}}, {"memory": {"limit": -1, "swap": -1}}),
        ({"memory": {"limit": 5}}, {"memory": {"limit": -1, "swap": 7}}, {"memory": {"limit": -1, "swap": 7}}),
        # Lists by what their entries are about.
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 5}, {"pageSize": "1GB", "limit": 6}]},
         {"hugepageLimits": [{"pageSize": "1GB", "limit": 0}, {"pageSize": "64KB", "limit": 7}]},
         {"hugepageLimits": [{"pageSize": "2MB", "limit": 5}, {"pageSize": "1GB", "limit": 0},
                             {"pageSize": "64KB", "limit": 7}]}),
        ({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]}},
         {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 6}]}},
         {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5},
                                                {"major": 8, "minor": 1, "rate": 6}]}}),
        ({"network": {"priorities": [{"name": "lo", "priority": 5}]}},
         {"network": {"priorities": [{"name": "lo", "priority": 6}]}},
         {"network": {"priorities": [{"name": "lo", "priority": 6}]}}),
        ({"unified": {"pids.max": "5", "cpu.idle": "1"}}, {"unified": {"pids.max": "6"}},
         {"unified": {"pids.max": "6", "cpu.idle": "1"}}),
    ],
)  # fmt: skip
def test_merge(old, given, merged):
    before = repr(old)
    assert merge(old | NONE, given | NONE) == merged | NONE
    assert repr(old) == before


@pytest.mark.parametrize(("given", "merged"), [([], ["old"]), (["new"], ["new"])])
def test_rules_on_devices_take_the_place_of_all(given, merged):
    """Their order counts, so they can't be merged; and engines leave out an empty list."""
    assert merge({"devices": ["old"]}, {"devices": given}) == {"devices": merged}


OLD = {
    "cpu": {"shares": 1, "idle": 1, "quota": 2, "period": 3, "burst": 4, "cpus": "5", "mems": "6"},
    "memory": {"limit": 7, "swap": 8, "reservation": 9, "swappiness": 10, "checkBeforeUpdate": True},
    "pids": {"limit": 11},
    "unified": {"cpu.weight": "12"},
    "rdma": {"a": {"hcaHandles": 13, "hcaObjects": 14}, "b": {"hcaHandles": 15}},
}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"cpu": {"quota": 20}}, {"cpu": {"quota": 20, "period": 3, "burst": 4}}),
        ({"cpu": {"cpus": "20"}}, {"cpu": {"cpus": "20"}}),
        ({"cpu": {"shares": 20}}, {"cpu": {"shares": 20, "idle": 1}}),
        ({"cpu": {"realtimeRuntime": 20}}, {"cpu": {"realtimeRuntime": 20}}),
        ({"memory": {"swap": 20}}, {"memory": {"limit": 7, "swap": 20, "checkBeforeUpdate": True}}),
        ({"memory": {"limit": -1}}, {"memory": {"limit": -1, "swap": -1, "checkBeforeUpdate": True}}),
        ({"memory": {"swappiness": 0}}, {"memory": {"swappiness": 0}}),
        ({"pids": {"limit": 20}}, {"pids": {"limit": 20}}),
        ({"unified": {"cpu.idle": "20"}}, {"unified": {"cpu.idle": "20"}}),
        ({"rdma": {"a": {"hcaHandles": 20}}}, {"rdma": {"a": {"hcaHandles": 20, "hcaObjects": 14}}}),
        ({}, {}),
    ],
)
def test_what_is_written(given, written):
    """What is given, with what the kernel judges together with it; the rest may have been changed since."""
    given = given | NONE
    assert affected(merge(OLD | NONE, given), given) == written | NONE


def test_an_idle_cgroup_is_waked_to_take_shares():
    settings = [Setting("/a", "/c/cpu.weight", "7"), Setting("/b", "/c/cpu.idle", "1")]
    assert waked(settings) == [Setting("/b", "/c/cpu.idle", "0", optional=True), *settings]
    assert waked(settings[:1]) == settings[:1]


def rule(allow, type_="a", major=-1, minor=-1, access="rwm"):
    return {"allow": allow, "type": type_, "major": major, "minor": minor, "access": access}


FUSE, LOOP = ("c", 10, 229, "rwm"), ("b", 7, -1, "rw")


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ([], [], []),
        ([rule(False)], [], []),
        ([], [rule(True, *FUSE)], ["allow c 10:229 rwm"]),
        ([rule(True, *FUSE)], [], ["deny c 10:229 rwm"]),
        ([rule(True, *FUSE)], [rule(True, *LOOP)], ["deny c 10:229 rwm", "allow b 7:* rw"]),
        ([rule(True, "c", 10, 229, "r")], [rule(True, "c", 10, 229, "rw")], ["allow c 10:229 w"]),
        ([rule(True, "c", 10, 229, "rw")], [rule(True, "c", 10, 229, "wm")], ["deny c 10:229 r", "allow c 10:229 m"]),
        # What is allowed in the end counts, not how it was said; and nothing takes the default devices away.
        ([rule(True, *FUSE)], [rule(True, *LOOP), rule(False), rule(True, *FUSE)], []),
        ([], [rule(False, "c", 1, 3, "rwm")], []),
        # All allowed but some, before, after or both.
        ([rule(True)], [rule(True), rule(False, *LOOP)], ["deny b 7:* rw"]),
        ([rule(True), rule(False, *LOOP)], [rule(True)], ["allow b 7:* rw"]),
    ],
)
def test_devices_of_v1(old, new, lines):
    changes = device_changes(old, new, "/c")
    assert [f"{each.path.removeprefix('/c/devices.')} {each.value}" for each in changes] == lines


def test_from_none_to_all_and_back():
    """The list is cleared by the first line, and filled as it is at create."""
    assert [(each.path, each.value) for each in device_changes([], [rule(True)], "/c")] == [("/c/devices.allow", "a")]
    first, *rest = device_changes([rule(True)], [rule(True, *FUSE)], "/c")
    assert (first.path, first.value) == ("/c/devices.deny", "a")
    assert {each.path for each in rest} == {"/c/devices.allow"}
    assert {"c 10:229 rwm", "c 1:3 rwm", "c *:* m", "b *:* m"} < {each.value for each in rest}
