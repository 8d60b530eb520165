"""Every member of ``linux.resources``: what the kernel's file says after create, and after update."""

import json
from pathlib import Path

import pytest

from tests.system.looking import set_linux
from tests.system.runtime import cgroup_mounts

pytestmark = pytest.mark.root

MIB = 1 << 20


def disk():
    """One whose I/O can be limited, with the BFQ scheduler if there is one such: (its major, its minor)."""
    disks = [disk for disk in sorted(Path("/sys/block").iterdir()) if (disk / "queue/scheduler").exists()]
    disks = [disk for disk in disks if int((disk / "size").read_text())]
    if not disks:
        pytest.skip("no block device")
    disks.sort(key=lambda disk: "[bfq]" not in (disk / "queue/scheduler").read_text())
    return tuple(map(int, (disks[0] / "dev").read_text().split(":")))


def directories(ocipy, container):
    """Controller → the container's cgroup that has it."""
    paths = json.loads((ocipy.root / container / "state.json").read_text())["cgroup_paths"]
    found = {controller: Path(path) for names, path in paths.items() for controller in names.split(",")}
    return found, Path(paths.get("", "/nowhere"))


def read(ocipy, container, names):
    """What the files say: {name: text}; of several lines, as a set."""
    v1, unified = directories(ocipy, container)
    found = {}
    for name in names:
        text = (v1.get(name.partition(".")[0], unified) / name).read_text().strip()
        found[name] = set(text.splitlines()) if "\n" in text else text
    return found


def as_files(expected):
    return {name: set(text) if isinstance(text, list) else text for name, text in expected.items()}


def check(ocipy, bundle, before, expected, after, expected_after):
    container = ocipy.start(bundle("sleep", "1000", change=set_linux(resources=before)))
    assert read(ocipy, container, expected) == as_files(expected)
    document = ocipy.directory / "update.json"
    document.write_text(json.dumps(after))
    ocipy("update", "--resources", document, container, status=0)
    assert read(ocipy, container, expected_after) == as_files(expected_after)
    ocipy("delete", "--force", container, status=0)


def one(section, member, file, first, second, *, along=None, text=str):
    """A case: a member has one value, then another, which its file says in the form of ``text``."""
    before = {section: (along or {}) | {member: first}}
    return pytest.param(
        before, {file: text(first)}, {section: {member: second}}, {file: text(second)}, id=f"{section}.{member}"
    )


V1 = [
    one("memory", "limit", "memory.limit_in_bytes", 64 * MIB, 96 * MIB),
    one("memory", "swap", "memory.memsw.limit_in_bytes", 96 * MIB, 80 * MIB, along={"limit": 64 * MIB}),
    one("memory", "reservation", "memory.soft_limit_in_bytes", 32 * MIB, 16 * MIB),
    one("memory", "kernelTCP", "memory.kmem.tcp.limit_in_bytes", MIB, 2 * MIB),
    one("memory", "swappiness", "memory.swappiness", 10, 0),
    one("memory", "useHierarchy", "memory.use_hierarchy", True, True, text=lambda value: str(int(value))),
    one("cpu", "shares", "cpu.shares", 512, 2048),
    one("cpu", "quota", "cpu.cfs_quota_us", 50000, -1),
    one("cpu", "period", "cpu.cfs_period_us", 50000, 200000),
    one("cpu", "burst", "cpu.cfs_burst_us", 20000, 0, along={"quota": 50000}),
    one("cpu", "idle", "cpu.idle", 1, 0),
    one("cpu", "cpus", "cpuset.cpus", "0", "0-1"),
    one("cpu", "mems", "cpuset.mems", "0", "0"),
    one("pids", "limit", "pids.max", 33, 44),
    one("pids", "limit", "pids.max", 33, -1, text=lambda value: str(value).replace("-1", "max")),
]


@pytest.mark.cgroup_v1("memory", "cpu", "cpuset", "pids")
@pytest.mark.parametrize(("before", "expected", "after", "expected_after"), V1)
def test_v1(ocipy, bundle, before, expected, after, expected_after):
    check(ocipy, bundle, before, expected, after, expected_after)


@pytest.mark.cgroup_v1("memory")
def test_v1_the_oom_killer(ocipy, bundle):
    def state(number):
        return [f"oom_kill_disable {number}", "under_oom 0", "oom_kill 0"]

    limits = [{"memory": {"limit": 64 * MIB, "disableOOMKiller": value}} for value in (True, False)]
    files = [{"memory.oom_control": state(number)} for number in (1, 0)]
    check(ocipy, bundle, limits[0], files[0], limits[1], files[1])
    check(ocipy, bundle, limits[1], files[1], limits[0], files[0])


@pytest.mark.cgroup_v1("cpu", "memory")
@pytest.mark.parametrize(
    ("section", "member", "number", "file"),
    [
        ("cpu", "realtimePeriod", 500000, "cpu.rt_period_us"),
        ("memory", "kernel", 8 * MIB, "memory.kmem.limit_in_bytes"),
        ("blockIO", "leafWeight", 300, "blkio.leaf_weight"),
    ],
)
def test_v1_what_not_every_kernel_has(ocipy, bundle, section, member, number, file):
    """Real-time shares by its configuration; limits on kernel memory before 5.16, leaf weights before 5.0."""
    container = ocipy.start(bundle("sleep", "1000", change=set_linux(resources={"pids": {"limit": 20}})))
    document = ocipy.directory / "update.json"
    document.write_text(json.dumps({"pids": {"limit": 30}, section: {member: number}}))
    done = ocipy("update", "--resources", document, container)
    if done.returncode:
        assert done.stderr.startswith(f"ocipy: write '{number}' to "), done.stderr
        assert f"/{file}: E" in done.stderr
        assert read(ocipy, container, ["pids.max"]) == {"pids.max": "20"}
    else:
        assert read(ocipy, container, [file, "pids.max"]) == {file: str(number), "pids.max": "30"}


def throttles(rate):
    major, minor = disk()
    names = ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")
    return {
        f"throttle{name}Device": [{"major": major, "minor": minor, "rate": rate + number}]
        for number, name in enumerate(names)
    }


@pytest.mark.cgroup_v1("blkio")
def test_v1_throttles(ocipy, bundle):
    device = ":".join(map(str, disk()))
    names = ("read_bps", "write_bps", "read_iops", "write_iops")

    def files(rate):
        return {f"blkio.throttle.{name}_device": f"{device} {rate + number}" for number, name in enumerate(names)}

    check(ocipy, bundle, {"blockIO": throttles(MIB)}, files(MIB), {"blockIO": throttles(7 * MIB)}, files(7 * MIB))


@pytest.mark.cgroup_v1("blkio")
def test_v1_weights(ocipy, bundle):
    """Without the BFQ scheduler there are no files: update says so as create does, and changes nothing."""
    container = ocipy.start(bundle("sleep", "1000"))
    v1, _ = directories(ocipy, container)
    if (v1["blkio"] / "blkio.bfq.weight").exists():
        ocipy("update", "--blkio-weight", 300, container, status=0)
        assert read(ocipy, container, ["blkio.bfq.weight"]) == {"blkio.bfq.weight": "300"}
        return
    line = ocipy.fails("update", "--blkio-weight", 300, container)
    assert line.startswith(f"write '300' to {v1['blkio']}/blkio.bfq.weight: ENOENT: ")
    assert "modprobe bfq" in line


@pytest.mark.cgroup_v1
@pytest.mark.parametrize(
    ("controller", "limits"),
    [
        ("net_cls", {"network": {"classID": 1048577}}),
        ("net_prio", {"network": {"priorities": [{"name": "lo", "priority": 3}]}}),
        ("rdma", {"rdma": {"mlx5_1": {"hcaHandles": 3}}}),
    ],
)
def test_v1_a_controller_that_may_be_missing(ocipy, bundle, controller, limits):
    container = ocipy.start(bundle("sleep", "1000"))
    document = ocipy.directory / "update.json"
    document.write_text(json.dumps(limits))
    if controller in {name for mount in cgroup_mounts() for name in mount.name.split(",")}:
        done = ocipy("update", "-r", document, container)
        assert not done.returncode or "mlx5_1" in done.stderr
        return
    assert f"the {controller} controller is not available" in ocipy.fails("update", "-r", document, container)


@pytest.fixture
def hugetlb():
    """Wherever there is the controller: the hierarchy that has it is left as it was."""
    mount = next((mount for mount in cgroup_mounts() if (mount / "cgroup.controllers").exists()), None)
    listing = (mount / "cgroup.controllers").read_text().split() if mount else []
    if "hugetlb" not in listing and not any("hugetlb" in mount.name for mount in cgroup_mounts()):
        pytest.skip("no hugetlb controller")
    control = mount / "cgroup.subtree_control"
    before = control.read_text().split()
    yield
    if "hugetlb" in listing and "hugetlb" not in before:
        control.write_text("-hugetlb")


def test_huge_pages(ocipy, bundle, hugetlb):
    """On a hybrid host of the unified hierarchy, if v1 has no such controller."""
    if not Path("/sys/kernel/mm/hugepages/hugepages-2048kB").exists():
        pytest.skip("no huge pages of 2 MB")
    v1 = any("hugetlb" in mount.name for mount in cgroup_mounts())
    names = [f"hugetlb.2MB.{name}" for name in (("limit_in_bytes",) if v1 else ("max", "rsvd.max"))]

    def case(count):
        return {"hugepageLimits": [{"pageSize": "2MB", "limit": count * 2 * MIB}]}, dict.fromkeys(
            names, str(count * 2 * MIB)
        )

    check(ocipy, bundle, *case(2), *case(5))
    if not v1:
        check(ocipy, bundle, {}, {}, {"unified": {"hugetlb.2MB.max": str(6 * MIB)}}, {"hugetlb.2MB.max": str(6 * MIB)})


V2 = [
    one("memory", "limit", "memory.max", 64 * MIB, 96 * MIB),
    one("memory", "reservation", "memory.low", 32 * MIB, 16 * MIB),
    pytest.param(
        {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, {"memory.swap.max": str(32 * MIB)},
        {"memory": {"swap": 80 * MIB}}, {"memory.swap.max": str(16 * MIB)}, id="memory.swap",
    ),
    pytest.param(
        {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, {"memory.swap.max": str(32 * MIB)},
        {"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}, id="no memory limit",
    ),
    pytest.param(
        {"memory": {"limit": 64 * MIB, "checkBeforeUpdate": True}}, {"memory.max": str(64 * MIB)},
        {"memory": {"limit": 80 * MIB}}, {"memory.max": str(80 * MIB)}, id="memory.checkBeforeUpdate",
    ),
    one("cpu", "shares", "cpu.weight", 512, 1024, text={512: "59", 1024: "100"}.get),
    pytest.param(
        {"cpu": {"quota": 50000}}, {"cpu.max": "50000 100000"},
        {"cpu": {"quota": 20000, "period": 50000}}, {"cpu.max": "20000 50000"}, id="cpu.quota",
    ),
    pytest.param(
        {"cpu": {"quota": 20000, "period": 50000}}, {"cpu.max": "20000 50000"},
        {"cpu": {"period": 200000}}, {"cpu.max": "20000 200000"}, id="cpu.period",
    ),
    pytest.param({"cpu": {"quota": 20000}}, {}, {"cpu": {"quota": -1}}, {"cpu.max": "max 100000"}, id="no quota"),
    one("cpu", "burst", "cpu.max.burst", 20000, 0, along={"quota": 50000}),
    one("cpu", "idle", "cpu.idle", 1, 0),
    one("cpu", "cpus", "cpuset.cpus", "0", "0-1"),
    one("cpu", "mems", "cpuset.mems", "0", "0"),
    one("pids", "limit", "pids.max", 33, 44),
    one("unified", "memory.high", "memory.high", str(48 * MIB), str(32 * MIB)),
    one("unified", "pids.max", "pids.max", "55", "max"),
]  # fmt: skip


@pytest.mark.cgroup_v2("cpu", "cpuset", "memory", "pids")
@pytest.mark.parametrize(("before", "expected", "after", "expected_after"), V2)
def test_v2(ocipy, bundle, before, expected, after, expected_after):
    check(ocipy, bundle, before, expected, after, expected_after)


@pytest.mark.cgroup_v2("io")
def test_v2_throttles(ocipy, bundle):
    device = ":".join(map(str, disk()))
    keys = ("rbps", "wbps", "riops", "wiops")

    def files(rate):
        return {"io.max": f"{device} " + " ".join(f"{key}={rate + number}" for number, key in enumerate(keys))}

    check(ocipy, bundle, {"blockIO": throttles(MIB)}, files(MIB), {"blockIO": throttles(7 * MIB)}, files(7 * MIB))


@pytest.mark.cgroup_v2("io")
def test_v2_weights(ocipy, bundle):
    """The machine of the tests has a disk with BFQ; without, io.weight has to be there, or it is an error."""
    container = ocipy.start(bundle("sleep", "1000"))
    _, own = directories(ocipy, container)
    major, minor = disk()
    document = ocipy.directory / "update.json"
    limits = {"weight": 300, "weightDevice": [{"major": major, "minor": minor, "weight": 70}]}
    document.write_text(json.dumps({"blockIO": limits}))
    if not (own / "io.bfq.weight").exists():
        assert "ENOENT" in ocipy.fails("update", "-r", document, container) or (own / "io.weight").exists()
        return
    check(ocipy, bundle, {"blockIO": {"weight": 500}}, {"io.bfq.weight": "default 500"},
          {"blockIO": limits}, {"io.bfq.weight": ["default 300", f"{major}:{minor} 70"]})  # fmt: skip


@pytest.mark.cgroup_v2("memory")
def test_v2_what_is_in_use_may_be_checked_first(ocipy, bundle):
    container = ocipy.start(bundle("sleep", "1000", change=set_linux(resources={"memory": {"limit": 64 * MIB}})))
    document = ocipy.directory / "update.json"
    document.write_text(json.dumps({"memory": {"limit": 4096, "checkBeforeUpdate": True}}))
    assert "EBUSY" in ocipy.fails("update", "-r", document, container)
    assert read(ocipy, container, ["memory.max"]) == {"memory.max": str(64 * MIB)}


@pytest.mark.cgroup_v2("memory")
@pytest.mark.parametrize(
    ("limits", "start"),
    [
        ({"memory": {"swappiness": 10}}, "linux.resources.memory.swappiness: cgroup v2"),
        ({"memory": {"kernel": 1 << 20}}, "linux.resources.memory.kernel: cgroup v2"),
        ({"cpu": {"realtimeRuntime": 1000}}, "linux.resources.cpu.realtimeRuntime: cgroup v2"),
        ({"network": {"classID": 1}}, "linux.resources.network.classID: cgroup v2"),
        ({"unified": {"nothing.max": "1"}}, "linux.resources.unified.nothing.max: the nothing controller is not"),
    ],
)
def test_v2_what_can_t_be_kept(ocipy, bundle, limits, start):
    container = ocipy.start(bundle("sleep", "1000"))
    document = ocipy.directory / "update.json"
    document.write_text(json.dumps(limits))
    assert ocipy.fails("update", "-r", document, container).startswith(start)
