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
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1 << 21}]}, "hugepageLimits[0]", "hugetlb"),
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


def test_limits_that_are_not_supported_are_refused(ocipy, bundle):
    for limits, name in (({"blockIO": {"weight": 10}}, "blockIO"), ({"unified": {"memory.high": "1"}}, "unified")):
        line = ocipy.fails("run", "--bundle", bundle(change=resources(**limits)), ocipy.new_id())
        assert line == f"linux.resources.{name}: not supported yet (drop it from config.json)"
    ocipy.run(bundle(change=resources(blockIO={"weight": 0}, network={})), status=0)


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
