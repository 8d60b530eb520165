"""``cgroupsPath`` and resources in systemd's terms; golden values are those that runc sets for the same.

runc: libcontainer/cgroups/systemd/{common,v1,v2,cpuset}.go and their tests, devices/systemd.go; crun's
cgroup-systemd.c where it says so.
"""

import pytest

from ocipy.cgroups import systemd
from ocipy.cgroups.systemd import INFINITY, Manager
from ocipy.cgroups.systemd_annotations import annotation_properties
from ocipy.cgroups.systemd_devices import device_properties
from ocipy.errors import StepError
from ocipy.host import Hierarchy, HostInfo


@pytest.mark.parametrize(
    ("path", "user", "expected"),
    [
        ("", False, ("ocipy-box.scope", "system.slice")),
        ("", True, ("ocipy-box.scope", "user.slice")),
        ("machine.slice:libpod:abc", False, ("libpod-abc.scope", "machine.slice")),
        (":docker:abc", False, ("docker-abc.scope", "system.slice")),
        (":docker:abc", True, ("docker-abc.scope", "user.slice")),
        ("kubepods-besteffort-pod1.slice:cri-containerd:x", False,
         ("cri-containerd-x.scope", "kubepods-besteffort-pod1.slice")),
        ("-.slice::x", False, ("-x.scope", "-.slice")),
    ],
)  # fmt: skip
def test_unit_and_slice(path, user, expected):
    """getUnitName, initPaths."""
    assert systemd.unit_and_slice(path, "box", user) == expected


@pytest.mark.parametrize(
    "path",
    ["/a/b", "a:b", "a:b:c:d", "a.slice:b:", "a.slice:b:c.slice", "a.slice:b:c/d", "a.slice:b/c:d", "a:b:c",
     "a--b.slice:b:c", "-a.slice:b:c", "a/b.slice:b:c", ".slice:b:c"],
)  # fmt: skip
def test_what_is_no_unit_or_slice(path):
    with pytest.raises(StepError) as caught:
        systemd.unit_and_slice(path, "box", False)
    assert caught.value.pointer == "/linux/cgroupsPath"


@pytest.mark.parametrize(
    ("name", "path"),
    # ExpandSlice
    [
        ("test-a-b.slice", "/test.slice/test-a.slice/test-a-b.slice"),
        ("system.slice", "/system.slice"),
        ("-.slice", ""),
    ],
)
def test_a_slice_lies_in_those_of_its_name(name, path):
    assert systemd.expand_slice(name) == path


V1 = Hierarchy("memory", ("memory",), "/sys/fs/cgroup/memory", "/own")
UNIFIED = Hierarchy("", (), "/sys/fs/cgroup", "/own")


def test_paths():
    """From the hierarchy's root, whatever the runtime's own cgroup is; of a user's systemd, from its own."""
    system = Manager(False, 252, "/")
    assert systemd.container_paths(HostInfo(unified=UNIFIED), system, "a-b.scope", "x-y.slice") == {
        "": "/sys/fs/cgroup/x.slice/x-y.slice/a-b.scope"
    }
    user = Manager(True, 252, "/user.slice/user-7.slice/user@7.service")
    assert systemd.container_paths(HostInfo(uid=7, unified=UNIFIED), user, "a-b.scope", "user.slice") == {
        "": "/sys/fs/cgroup/user.slice/user-7.slice/user@7.service/user.slice/a-b.scope"
    }
    hybrid = HostInfo(hierarchies=(V1,), unified=Hierarchy("", (), "/sys/fs/cgroup/unified", "/"))
    assert systemd.container_paths(hybrid, system, "a-b.scope", "system.slice") == {
        "memory": "/sys/fs/cgroup/memory/system.slice/a-b.scope",
        "": "/sys/fs/cgroup/unified/system.slice/a-b.scope",
    }
    with pytest.raises(StepError, match="cgroup v1 can't be delegated to a user's systemd"):  # as runc
        systemd.container_paths(hybrid, user, "a-b.scope", "user.slice")


@pytest.mark.parametrize(("unified", "io"), [(True, "IOAccounting"), (False, "BlockIOAccounting")])
def test_what_a_scope_is(unified, io):
    """Apply, in v2.go and v1.go."""
    assert systemd.unit_properties("box", "a.slice", unified) == [
        ("Description", "s", "ocipy container box"),
        ("Slice", "s", "a.slice"),
        ("Delegate", "b", True),
        ("MemoryAccounting", "b", True),
        ("CPUAccounting", "b", True),
        (io, "b", True),
        ("TasksAccounting", "b", True),
        ("DefaultDependencies", "b", False),
    ]


def properties(resources, version=252, unified=True):
    found = systemd.resource_properties(resources, version, unified)
    assert len({name for name, _, _ in found}) == len(found)
    return {name: (signature, value) for name, signature, value in found}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {}),
        ({"memory": {"limit": 5}}, {"MemoryMax": ("t", 5)}),
        ({"memory": {"limit": -1}}, {"MemoryMax": ("t", INFINITY), "MemorySwapMax": ("t", INFINITY)}),
        ({"memory": {"limit": 5, "swap": 8}}, {"MemoryMax": ("t", 5), "MemorySwapMax": ("t", 3)}),
        ({"memory": {"limit": 5, "swap": 5}}, {"MemoryMax": ("t", 5), "MemorySwapMax": ("t", 0)}),
        ({"memory": {"limit": 5, "swap": -1}}, {"MemoryMax": ("t", 5), "MemorySwapMax": ("t", INFINITY)}),
        ({"memory": {"reservation": 5}}, {"MemoryLow": ("t", 5)}),
        ({"memory": {"limit": 0, "swap": 0, "reservation": 0}}, {}),
        ({"cpu": {"shares": 1024}}, {"CPUWeight": ("t", 100)}),
        ({"cpu": {"shares": 0}}, {}),
        ({"cpu": {"idle": 1, "shares": 1024}}, {"CPUWeight": ("t", 0)}),
        ({"cpu": {"idle": 0, "shares": 1024}}, {"CPUWeight": ("t", 100)}),
        ({"cpu": {"cpus": "0-1,3"}}, {"AllowedCPUs": ("ay", b"\x0b")}),
        ({"cpu": {"mems": "0"}}, {"AllowedMemoryNodes": ("ay", b"\1")}),
        ({"pids": {"limit": 7}}, {"TasksMax": ("t", 7)}),
        ({"pids": {"limit": -1}}, {"TasksMax": ("t", INFINITY)}),
        ({"pids": {"limit": 0}}, {"TasksMax": ("t", 1)}),
        ({"blockIO": {"weight": 0, "weightDevice": []}}, {}),
        ({"blockIO": {"weight": 500}}, {"IOWeight": ("t", 4500)}),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 100}, {"major": 8, "minor": 1}]}},
         {"IODeviceWeight": ("a(st)", [("/dev/block/8:0", 100)])}),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 5}]}, {}),  # written to its file alone
    ],
)  # fmt: skip
def test_resources_of_v2(resources, expected):
    """genV2ResourcesProperties; IOWeight as crun."""
    assert properties(resources) == expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"memory": {"limit": 5, "swap": 6}}, {"MemoryLimit": ("t", 5)}),
        ({"memory": {"limit": -1}}, {"MemoryLimit": ("t", INFINITY)}),
        ({"cpu": {"shares": 1024}}, {"CPUShares": ("t", 1024)}),
        ({"blockIO": {"weight": 500}}, {"BlockIOWeight": ("t", 500)}),
        ({"pids": {"limit": 7}}, {"TasksMax": ("t", 7)}),
    ],
)
def test_resources_of_v1(resources, expected):
    """genV1ResourcesProperties."""
    assert properties(resources, unified=False) == expected


@pytest.mark.parametrize(
    ("quota", "period", "a_second"),
    # addCpuQuota, and TestAddCPUQuota: rounded up to whole percents
    [
        (500000, 1000000, 500000),
        (123456, 0, 1240000),
        (500000, 900000, 560000),
        (50000, 100000, 500000),
        (-1, 100000, INFINITY),
        (-1, 0, INFINITY),
        (0, 100000, INFINITY),
    ],
)
def test_quota(quota, period, a_second):
    expected = {"CPUQuotaPerSecUSec": ("t", a_second)} | ({"CPUQuotaPeriodUSec": ("t", period)} if period else {})
    assert properties({"cpu": {"quota": quota, "period": period}}) == expected
    assert properties({"cpu": {"quota": 0, "period": 0}}) == {}


def test_what_older_ones_refuse_is_left_out():
    """The versions are those runc asks for."""
    cpu = {"cpu": {"quota": 5000, "period": 10000, "cpus": "0", "shares": 1024, "idle": 1}}
    assert set(properties(cpu, 241)) == {"CPUQuotaPerSecUSec", "CPUWeight"}
    assert set(properties(cpu, 243)) == {"CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "CPUWeight"}
    assert properties(cpu, 251)["CPUWeight"] == ("t", 100)
    assert "AllowedCPUs" in properties(cpu, 244)
    assert properties({"unified": {"cpuset.cpus": "0", "memory.oom.group": "1"}}, 243) == {}


@pytest.mark.parametrize(
    ("weight", "expected"),
    # crun's IO_WEIGHT, the inverse of systemd's BFQ_WEIGHT
    [(1, 1), (50, 50), (100, 100), (101, 111), (300, 2300), (1000, 10000), (5000, 10000)],
)
def test_io_weight(weight, expected):
    assert systemd.io_weight(weight) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    # TestRangeToBits, in systemd's order (the lowest byte first)
    [
        ("0", [1]), ("1", [2]), ("0-1", [3]), ("0,1", [3]), (",0,1,", [3]), ("0-3", [0x0F]), ("0,1,2-3", [0x0F]),
        ("4-7", [0xF0]), ("0-7", [0xFF]), ("0-15", [0xFF, 0xFF]), ("16", [0, 0, 1]), ("0-3,32-33", [0x0F, 0, 0, 0, 3]),
        ("1, 2, 1-2", [6]), ("128-130,1", [2, *[0] * 15, 7]),
    ],
)  # fmt: skip
def test_lists_as_bits(text, expected):
    assert systemd.bits(text) == bytes(expected)


@pytest.mark.parametrize(
    ("unified", "expected"),
    # unifiedResToSystemdProps, and TestUnifiedResToSystemdProps
    [
        ({"cpu.idle": "1"}, {"CPUWeight": ("t", 0)}),
        ({"cpu.idle": "0"}, {}),
        ({"cpu.idle": "1", "cpu.weight": "1000"}, {"CPUWeight": ("t", 0)}),
        ({"cpu.idle": "0", "cpu.weight": "1000"}, {"CPUWeight": ("t", 1000)}),
        ({"cpu.max": "max"}, {"CPUQuotaPeriodUSec": ("t", 100000), "CPUQuotaPerSecUSec": ("t", INFINITY)}),
        ({"cpu.max": "5000 10000"}, {"CPUQuotaPeriodUSec": ("t", 10000), "CPUQuotaPerSecUSec": ("t", 500000)}),
        ({"cpuset.cpus": "1", "cpuset.mems": "0"}, {"AllowedCPUs": ("ay", b"\2"), "AllowedMemoryNodes": ("ay", b"\1")}),
        (
            {"memory.high": "1", "memory.low": "2", "memory.min": " 3\n", "memory.max": "max", "memory.swap.max": "4"},
            {
                "MemoryHigh": ("t", 1), "MemoryLow": ("t", 2), "MemoryMin": ("t", 3), "MemoryMax": ("t", INFINITY),
                "MemorySwapMax": ("t", 4),
            },
        ),
        ({"pids.max": "max"}, {"TasksMax": ("t", INFINITY)}),
        ({"memory.oom.group": "1"}, {"OOMPolicy": ("s", "kill")}),
        ({"memory.oom.group": "0"}, {"OOMPolicy": ("s", "continue")}),
        ({"io.max": "8:0 rbps=5", "hugetlb.2MB.max": "0"}, {}),
    ],
)  # fmt: skip
def test_unified(unified, expected):
    assert properties({"unified": unified}, 255) == expected


@pytest.mark.parametrize(
    "unified", [{"memory.max": "lots"}, {"cpu.weight": ""}, {"cpu.max": "a b"}, {"cpuset.cpus": "x"}]
)
def test_unified_values_that_are_none(unified):
    with pytest.raises(StepError) as caught:
        properties({"unified": unified})
    assert caught.value.pointer == f"/linux/resources/unified/{next(iter(unified))}"


def rule(allow, type_="a", major=-1, minor=-1, access="rwm"):
    return {"allow": allow, "type": type_, "major": major, "minor": minor, "access": access}


DEFAULTS = [("char-*", "m"), ("block-*", "m"), *((f"/dev/char/1:{minor}", "rwm") for minor in (3, 5, 7, 8, 9)),
            ("/dev/char/5:0", "rwm"), ("/dev/char/5:2", "rwm"), ("char-136", "rwm")]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "own"),
    [
        ([], []),
        ([rule(False)], []),
        ([rule(False), rule(True, "c", 10, 200)], [("/dev/char/10:200", "rwm")]),
        ([rule(True, "b", 8, -1, "r")], [("block-8", "r")]),
        ([rule(True, "b", 8, 1, "r"), rule(True, "b", 8, 1, "w")], [("/dev/block/8:1", "rw")]),
        ([rule(True, "b", 8, 1), rule(False, "b", 8, 1, "wm")], [("/dev/block/8:1", "r")]),
        ([rule(True, "b", 8, 1), rule(False, "b", 8)], []),
        ([rule(True, "b", 8, 1), rule(False)], []),
        ([rule(True, "b", 8, 1), rule(False, "c")], [("/dev/block/8:1", "rwm")]),
    ],
)
@pytest.mark.parametrize("unified", [True, False])
def test_devices(rules, own, unified):
    """systemdProperties in devices/systemd.go, for systemd 240 and newer: the strict policy, and patterns."""
    assert device_properties(rules, unified) == [
        ("DevicePolicy", "s", "strict"),
        ("DeviceAllow", "a(ss)", own + DEFAULTS),
    ]


def test_all_devices():
    """allowAllDevices"""
    everything = [("DevicePolicy", "s", "auto"), ("DeviceAllow", "a(ss)", [])]
    assert device_properties([rule(True)], unified=True) == everything
    assert device_properties([rule(True)], unified=False) == everything


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ([rule(True), rule(False, "c", 1, 3)], None),
        ([rule(True, "b", 8), rule(False, "b", 8, 1)], ("block-8", "rwm")),
        ([rule(True, "c", -1, 7, "r")], ("char-*", "r")),
    ],
)
def test_what_systemd_has_no_words_for(rules, kept):
    """On v2 more is allowed than asked for, for our own filter decides as well; on v1 nothing else would."""
    policy, (_, _, allowed) = device_properties(rules, unified=True)
    if kept is None:
        assert (policy[2], allowed) == ("auto", [])
    else:
        assert kept[0] in [pattern for pattern, _ in allowed]
    with pytest.raises(StepError, match="systemd can't keep these device rules on cgroup v1"):
        device_properties(rules, unified=False)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    # initSystemdProps of runc, whose values are godbus's ParseVariant's, and crun's append_systemd_annotation
    [
        ("KillMode", "'process'", ("KillMode", "s", "process")),
        ("Description", '"it\'s"', ("Description", "s", "it's")),
        ("Description", r"'it\'s'", ("Description", "s", "it's")),
        ("SendSIGKILL", "true", ("SendSIGKILL", "b", True)),
        ("SendSIGKILL", "false", ("SendSIGKILL", "b", False)),
        ("CPUWeight", "uint64 77", ("CPUWeight", "t", 77)),
        ("Nice", "-5", ("Nice", "i", -5)),
        ("Nice", "int32 0x10", ("Nice", "i", 16)),
        ("After", "['a.service', 'b.service']", ("After", "as", ["a.service", "b.service"])),
        ("After", "@as []", ("After", "as", [])),
        ("Bytes", "[byte 1, 2]", ("Bytes", "ay", b"\1\2")),
        ("TimeoutStopSec", "uint64 123", ("TimeoutStopUSec", "t", 123000000)),
        ("TimeoutStopSec", "5", ("TimeoutStopUSec", "t", 5000000)),
        ("TimeoutStopSec", "0.5", ("TimeoutStopUSec", "t", 500000)),
        ("TimeoutStopUSec", "uint64 123", ("TimeoutStopUSec", "t", 123)),
    ],
)
def test_annotations(name, text, expected):
    found = annotation_properties({"org.example": "x", f"org.systemd.property.{name}": text})
    assert found == [expected]
    assert type(found[0][2]) is type(expected[2])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ab", "1"), ("Kill-Mode", "1"), ("Kill3", "1"), ("Ünit", "1"),
        ("KillMode", "process"), ("KillMode", "'process"), ("KillMode", "'a' 'b'"), ("KillMode", ""),
        ("Nice", "uint64 -1"), ("Nice", "byte 256"), ("Nice", "2147483648"), ("Nice", "int32 'a'"),
        ("Nice", "string 5"),
        ("After", "[]"), ("After", "['a', 5]"), ("After", "['a'"), ("TimeoutStopSec", "'5'"),
    ],
)  # fmt: skip
def test_annotations_that_are_no_properties(name, text):
    with pytest.raises(StepError) as caught:
        annotation_properties({f"org.systemd.property.{name}": text})
    assert caught.value.pointer == f"/annotations/org.systemd.property.{name}"


def test_what_takes_properties_back():
    """Those that were given before are given again; the rest get what systemd has for unset."""
    given = [("MemoryMax", "t", 5), ("MemoryLow", "t", 5), ("AllowedCPUs", "ay", b"1"), ("TasksMax", "t", 5),
             ("IODeviceWeight", "a(st)", [("/dev/block/8:0", 5)]), ("OOMPolicy", "s", "kill")]  # fmt: skip
    assert systemd.unset(given, [("TasksMax", "t", 4)]) == [
        ("MemoryMax", "t", INFINITY), ("MemoryLow", "t", 0), ("AllowedCPUs", "ay", b""),
        ("IODeviceWeight", "a(st)", []),
    ]  # fmt: skip
