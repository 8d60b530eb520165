"""Control groups of version 1: limits as the kernel reads them back, and in force; paths; what the container sees."""

import os
import signal
from pathlib import Path

import pytest

from tests.system.looking import inside, mount_table, set_linux, set_namespaces, together
from tests.system.runtime import cgroup_mounts, until

pytestmark = [pytest.mark.root, pytest.mark.cgroup_v1("memory", "cpu", "pids", "devices")]


def cgroups(pid):
    """Hierarchy (its controllers) → the process's cgroup in it, relative to the hierarchy's root."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}


def directory(pid, controller):
    path = next(path for names, path in cgroups(pid).items() if controller in names.split(","))
    mount = next(mount for mount in cgroup_mounts() if controller in mount.name.split(","))
    return mount / path.lstrip("/")


def value(pid, controller, file):
    return (directory(pid, controller) / file).read_text().strip()


def resources(**limits):
    return lambda config: config["linux"]["resources"].update(limits)


def test_init_is_in_every_hierarchy(ocipy, bundle, test_name):
    for change in (None, set_namespaces(cgroup="")):
        container = ocipy.start(bundle("sleep", "1000", change=change))
        found = cgroups(ocipy.pid(container))
        assert len(found) == len(cgroup_mounts())
        assert set(found.values()) == {f"/{test_name}/{Path(ocipy.state(container)['bundle']).name}"}


def test_limits(ocipy, bundle):
    change = resources(
        memory={"limit": 64 << 20, "reservation": 32 << 20, "swappiness": 10},
        cpu={"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
        pids={"limit": 33},
    )
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
    assert value(pid, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert value(pid, "memory", "memory.soft_limit_in_bytes") == str(32 << 20)
    assert value(pid, "memory", "memory.swappiness") == "10"
    assert value(pid, "cpu", "cpu.shares") == "512"
    assert value(pid, "cpu", "cpu.cfs_quota_us") == "50000"
    assert value(pid, "cpu", "cpu.cfs_period_us") == "100000"
    assert value(pid, "cpuset", "cpuset.cpus") == "0"
    assert value(pid, "cpuset", "cpuset.mems") == "0"
    assert value(pid, "pids", "pids.max") == "33"
    assert os.sched_getaffinity(pid) == {0}


def test_no_limits(ocipy, bundle):
    """-1 is none; 0 and absent leave things as they are."""
    unlimited = resources(memory={"limit": -1}, pids={"limit": -1}, cpu={"quota": -1, "shares": 0})
    for change in (unlimited, None):
        pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
        assert int(value(pid, "memory", "memory.limit_in_bytes")) > 1 << 60
        assert value(pid, "pids", "pids.max") == "max"
        assert value(pid, "cpu", "cpu.cfs_quota_us") == "-1"
        assert value(pid, "cpu", "cpu.shares") == "1024"


def test_too_much_memory_is_killed(ocipy, bundle):
    limit = 2 << 20
    path = bundle("sh", "-c", "head -c 50000000 /dev/zero | tail > /dev/null; echo survived $?",
                  change=resources(memory={"limit": limit, "swap": limit}))  # fmt: skip
    done = ocipy.run(path)
    assert (done.returncode, done.stdout) in ((128 + signal.SIGKILL, ""), (0, f"survived {128 + signal.SIGKILL}\n"))


def test_too_many_processes_are_refused(ocipy, bundle):
    script = "(for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done) 2> /dev/null; sleep 1000"
    container = ocipy.start(bundle("sh", "-c", script, change=resources(pids={"limit": 6})))
    pid = ocipy.pid(container)
    until(lambda: "max" in value(pid, "pids", "pids.events") and value(pid, "pids", "pids.events") != "max 0")
    assert int(value(pid, "pids", "pids.current")) <= 6
    ocipy("delete", "--force", container, status=0)


def test_quota_is_in_force(ocipy, bundle):
    change = resources(cpu={"quota": 10000, "period": 100000})
    container = ocipy.start(bundle("sh", "-c", "while :; do :; done", change=change))
    pid = ocipy.pid(container)
    until(lambda: "nr_throttled 0" not in value(pid, "cpu", "cpu.stat"))
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("/{name}/a/b", "/{name}/a/b"),
        ("/{name}/../{name}/./c", "/{name}/c"),
        ("{name}/d", "{own}/{name}/d"),
        ("../../../../{name}/e", "/{name}/e"),
    ],
)
def test_paths(ocipy, bundle, test_name, given, wanted):
    """Absolute: from the hierarchy's root; relative: from the runtime's own cgroup; never out of the hierarchy."""
    own = cgroups("self")
    path = bundle("sleep", "1000", change=set_linux(cgroupsPath=given.format(name=test_name)))
    container = ocipy.start(path)
    for hierarchy, found in cgroups(ocipy.pid(container)).items():
        assert found == wanted.format(name=test_name, own=own[hierarchy].rstrip("/"))
    ocipy("delete", "--force", container, status=0)
    for mount in cgroup_mounts():
        for root in (mount, mount / cgroups("self").get(mount.name, "/").lstrip("/")):
            assert not (root / test_name).exists()


def test_no_path_is_one_by_the_id(ocipy, bundle):
    container = ocipy.start(bundle("sleep", "1000", change=lambda config: config["linux"].pop("cgroupsPath")))
    assert set(cgroups(ocipy.pid(container)).values()) == {f"/ocipy/{container}"}
    ocipy("delete", "--force", container, status=0)
    assert not any((mount / "ocipy" / container).exists() for mount in cgroup_mounts())


@pytest.mark.parametrize(
    ("limits", "pointer", "controller"),
    [
        ({"network": {"classID": 1048577}}, "network.classID", "net_cls"),
        ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network.priorities", "net_prio"),
        ({"rdma": {"mlx5_1": {"hcaHandles": 3}}}, "rdma", "rdma"),
    ],
)
def test_a_limit_without_its_controller(ocipy, bundle, limits, pointer, controller):
    if any(controller in mount.name.split(",") for mount in cgroup_mounts()):
        pytest.skip(f"this host has {controller}")
    line = ocipy.fails("run", "--bundle", bundle(change=resources(**limits)), ocipy.new_id())
    assert line.startswith(f"linux.resources.{pointer}")
    assert controller in line


@pytest.mark.parametrize(
    ("limits", "start"),
    [
        ({"cpu": {"cpus": "9999"}}, "linux.resources.cpu.cpus (/sys/fs/cgroup/cpuset/"),
        ({"memory": {"swappiness": 1000}}, "linux.resources.memory.swappiness (/sys/fs/cgroup/memory/"),
        ({"cpu": {"period": 1}}, "linux.resources.cpu.period (/sys/fs/cgroup/cpu"),
    ],
)
def test_a_value_the_kernel_refuses(ocipy, bundle, limits, start):
    done = ocipy.run(bundle(change=resources(**limits)), status=1)
    line = done.stderr.splitlines()[-1].removeprefix("ocipy: ")
    assert line.startswith(start)
    assert ": write '" in line
    assert "EINVAL: invalid argument" in line or "ERANGE: " in line


def test_too_little_memory_for_init(ocipy, bundle):
    line = ocipy.fails("run", "--bundle", bundle(change=resources(memory={"limit": 1 << 12})), ocipy.new_id())
    assert line == (
        "container init: the process was killed by signal 9 during setup "
        "(is linux.resources.memory.limit large enough?)"
    )


def test_unified_is_no_matter_of_v1(ocipy, bundle):
    """config-linux.md, Unified: an error for a controller that the unified hierarchy doesn't have."""
    line = ocipy.refused(bundle(change=resources(unified={"memory.high": "1"})))
    assert line.startswith("linux.resources.unified")
    ocipy.run(bundle(change=resources(blockIO={"weight": 0}, network={}, unified={})), status=0)


def block_device():
    """One that takes limits, as MAJOR:MINOR."""
    for disk in sorted(Path("/sys/block").iterdir()):
        if int((disk / "size").read_text()) and (disk / "queue").is_dir():
            return (disk / "dev").read_text().strip()
    return pytest.skip("no block device")


@pytest.mark.cgroup_v1("blkio")
def test_limits_of_block_devices(ocipy, bundle):
    device = block_device()
    major, minor = map(int, device.split(":"))
    names = ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")
    limits = {
        f"throttle{name}Device": [{"major": major, "minor": minor, "rate": 1 << (20 + number)}]
        for number, name in enumerate(names)
    }
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=resources(blockIO=limits))))
    for number, name in enumerate(("read_bps", "write_bps", "read_iops", "write_iops")):
        assert value(pid, "blkio", f"blkio.throttle.{name}_device") == f"{device} {1 << (20 + number)}"


@pytest.mark.cgroup_v1("blkio")
def test_a_weight_is_the_scheduler_s(ocipy, bundle):
    """Without the BFQ scheduler there is no file, and the error says what to do."""
    path = bundle("sleep", "1000", change=resources(blockIO={"weight": 300}))
    done = ocipy.run(path, "-d")
    if done.returncode:
        assert "blkio.bfq.weight: ENOENT" in done.stderr
        assert "modprobe bfq" in done.stderr
    else:
        ocipy.expect(done.args[-1])
        assert "300" in value(ocipy.pid(done.args[-1]), "blkio", "blkio.bfq.weight")


def test_idle_and_burst(ocipy, bundle):
    change = resources(cpu={"idle": 1, "shares": 512, "quota": 50000, "period": 100000, "burst": 20000})
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
    assert value(pid, "cpu", "cpu.idle") == "1"
    assert value(pid, "cpu", "cpu.cfs_burst_us") == "20000"


def test_memory_s_rarer_ones(ocipy, bundle):
    memory = {"limit": 64 << 20, "swap": 96 << 20, "disableOOMKiller": True, "useHierarchy": True, "kernelTCP": 1 << 20}
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=resources(memory=memory))))
    assert value(pid, "memory", "memory.memsw.limit_in_bytes") == str(96 << 20)
    assert "oom_kill_disable 1" in value(pid, "memory", "memory.oom_control")
    assert value(pid, "memory", "memory.use_hierarchy") == "1"
    assert value(pid, "memory", "memory.kmem.tcp.limit_in_bytes") == str(1 << 20)
    unlimited = resources(memory={"limit": 64 << 20, "swap": -1})
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=unlimited)))
    assert int(value(pid, "memory", "memory.memsw.limit_in_bytes")) > 1 << 60


def test_real_time_that_the_cgroup_above_doesn_t_have(ocipy, bundle):
    """sched-rt-group.rst: what a cgroup gives to those below it, it must have."""
    if not (directory(os.getpid(), "cpu") / "cpu.rt_runtime_us").exists():
        pytest.skip("the kernel divides no real-time among cgroups (CONFIG_RT_GROUP_SCHED)")
    line = ocipy.refused(bundle(change=resources(cpu={"realtimePeriod": 1000000, "realtimeRuntime": 1000})))
    assert line.startswith("linux.resources.cpu.realtimeRuntime")
    assert "cpu.rt_runtime_us" in line


@pytest.fixture
def hugetlb():
    """The unified hierarchy of a hybrid host, which has this controller where v1 has it not."""
    mount = Path("/sys/fs/cgroup/unified")
    listing = mount / "cgroup.controllers"
    if not listing.exists() or "hugetlb" not in listing.read_text().split():
        pytest.skip("the unified hierarchy doesn't have the hugetlb controller")
    before = (mount / "cgroup.subtree_control").read_text().split()
    yield mount
    if "hugetlb" not in before:
        (mount / "cgroup.subtree_control").write_text("-hugetlb")


@pytest.mark.parametrize("unified", [True, False])
def test_a_hybrid_host_s_other_controllers(hugetlb, ocipy, bundle, unified):
    pages = resources(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])
    if unified:
        pages = resources(unified={"hugetlb.2MB.max": str(4 << 20), "hugetlb.2MB.rsvd.max": str(4 << 20)})
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=pages)))
    own = hugetlb / cgroups(pid)[""].lstrip("/")
    for file in ("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"):
        assert (own / file).read_text().strip() == str(4 << 20)


@pytest.mark.parametrize("namespace", [True, False])
def test_the_cgroup_mount(ocipy, bundle, test_name, namespace):
    """The container sees its own cgroup as the root of each hierarchy, and can't write to it."""
    change = set_namespaces(**({"cgroup": ""} if namespace else {}))
    change = together(change, resources(pids={"limit": 44}))
    script = (
        "cat /sys/fs/cgroup/pids/pids.max; touch /sys/fs/cgroup/x 2>/dev/null || echo refused; "
        "echo 1 2>/dev/null > /sys/fs/cgroup/pids/pids.max || echo refused; cat /proc/self/cgroup; "
        "cat /proc/self/mountinfo"
    )
    said = inside(ocipy, bundle, script, change=change).splitlines()
    assert said[:3] == ["44", "refused", "refused"]
    own = [line.split(":", 2)[2] for line in said if " - " not in line and line.count(":") == 2]
    assert len(own) == len(cgroup_mounts())
    assert set(own) == {"/" if namespace else f"/{test_name}/bundle-1"}
    table = mount_table("\n".join(line for line in said if " - " in line))
    points = {name: table[name] for name in table if name.startswith("/sys/fs/cgroup/")}
    v1 = [mount for mount in cgroup_mounts() if not (mount / "cgroup.controllers").exists()]
    assert sorted(name.rpartition("/")[2] for name in points) == sorted(mount.name for mount in v1)
    for mount in points.values():
        assert {"ro", "nosuid", "nodev", "noexec"} <= mount.options
        assert mount.root == ("/" if namespace else f"/{test_name}/bundle-1")


def test_the_container_s_own_cgroups_go_with_it(ocipy, bundle, test_name):
    """What it made below its cgroup is removed as well."""

    def change(config):
        (mount,) = (each for each in config["mounts"] if each["destination"] == "/sys/fs/cgroup")
        mount["options"].remove("ro")

    script = (
        "mkdir -p /sys/fs/cgroup/pids/inner/most && echo 0 > /sys/fs/cgroup/pids/inner/most/cgroup.procs && echo moved"
    )
    assert inside(ocipy, bundle, script, change=change) == "moved\n"


def test_a_cgroup_that_was_there_before_stays(ocipy, bundle, test_name):
    """What the container didn't create isn't deleted with it (runtime.md, Delete)."""
    path = bundle("true")
    mount = next(mount for mount in cgroup_mounts() if mount.name == "pids")
    before = mount / test_name / path.name
    before.mkdir(parents=True)
    try:
        ocipy.run(path, status=0)
        assert before.is_dir()
        others = [other / test_name / path.name for other in cgroup_mounts() if other != mount]
        assert not any(other.exists() for other in others)
    finally:
        before.rmdir()
        before.parent.rmdir()


@pytest.mark.cgroup_v1("freezer")
def test_a_frozen_cgroup_is_refused(ocipy, bundle, test_name):
    """config-linux.md, Control groups: init would freeze with it."""
    path = bundle("true")
    mount = next(mount for mount in cgroup_mounts() if "freezer" in mount.name.split(","))
    before = mount / test_name / path.name
    before.mkdir(parents=True)
    try:
        (before / "freezer.state").write_text("FROZEN")
        line = ocipy.refused(path)
        assert line.startswith(f"linux.cgroupsPath: {before} is frozen")
    finally:
        before.rmdir()
        before.parent.rmdir()
