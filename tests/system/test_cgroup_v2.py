"""Control groups of version 2: limits as the kernel reads them back, delegation to the cgroups below."""

from pathlib import Path

import pytest

MOUNT = Path("/sys/fs/cgroup")

pytestmark = [pytest.mark.root, pytest.mark.cgroup_v2("cpu", "cpuset", "io", "memory", "pids")]


def directory(pid):
    (line,) = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return MOUNT / line.removeprefix("0::/")


def resources(**limits):
    return lambda config: config["linux"]["resources"].update(limits)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"memory": {"limit": 64 << 20, "reservation": 32 << 20}},
         {"memory.max": str(64 << 20), "memory.low": str(32 << 20)}),
        ({"memory": {"limit": 64 << 20, "swap": 96 << 20}}, {"memory.swap.max": str(32 << 20)}),
        ({"memory": {"limit": 64 << 20, "swap": 64 << 20}}, {"memory.swap.max": "0"}),
        ({"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}),
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
        ({"cpu": {"shares": 512, "quota": 50000, "period": 100000, "burst": 20000}},
         {"cpu.weight": "59", "cpu.max": "50000 100000", "cpu.max.burst": "20000"}),
        ({"cpu": {"shares": 512, "idle": 1}}, {"cpu.idle": "1"}),
        ({"cpu": {"cpus": "0", "mems": "0"}}, {"cpuset.cpus": "0", "cpuset.mems": "0"}),
        ({"pids": {"limit": 33}}, {"pids.max": "33"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"unified": {"memory.high": str(48 << 20), "pids.max": "44"}},
         {"memory.high": str(48 << 20), "pids.max": "44"}),
    ],
)  # fmt: skip
def test_limits(ocipy, bundle, limits, expected):
    own = directory(ocipy.pid(ocipy.start(bundle("sleep", "1000", change=resources(**limits)))))
    assert {file: (own / file).read_text().strip() for file in expected} == expected


def test_throttles(ocipy, bundle):
    disk = next(disk for disk in sorted(Path("/sys/block").iterdir()) if int((disk / "size").read_text()))
    device = (disk / "dev").read_text().strip()
    major, minor = map(int, device.split(":"))
    limits = {
        f"throttle{name}Device": [{"major": major, "minor": minor, "rate": 1 << (20 + number)}]
        for number, name in enumerate(("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS"))
    }
    own = directory(ocipy.pid(ocipy.start(bundle("sleep", "1000", change=resources(blockIO=limits)))))
    words = " ".join(f"{key}={1 << (20 + number)}" for number, key in enumerate(("rbps", "wbps", "riops", "wiops")))
    assert (own / "io.max").read_text().strip() == f"{device} {words}"


def test_a_weight_of_block_io(ocipy, bundle):
    """BFQ's where the scheduler is there, else io.weight, where that is."""
    done = ocipy.run(bundle("sleep", "1000", change=resources(blockIO={"weight": 300})), "-d")
    if done.returncode:
        assert "io.weight: ENOENT" in done.stderr
        return
    ocipy.expect(done.args[-1])
    own = directory(ocipy.pid(done.args[-1]))
    bfq = own / "io.bfq.weight"
    assert ("300" if bfq.exists() else "2930") in (bfq if bfq.exists() else own / "io.weight").read_text()


def test_the_container_s_cgroup_has_all_controllers(ocipy, bundle):
    """For what they count, and for the cgroups that the container makes."""
    own = directory(ocipy.pid(ocipy.start(bundle("sleep", "1000"))))
    assert set((MOUNT / "cgroup.controllers").read_text().split()) == set(
        (own / "cgroup.controllers").read_text().split()
    )


@pytest.mark.parametrize(
    ("limits", "start"),
    [
        ({"memory": {"swappiness": 10}}, "linux.resources.memory.swappiness: cgroup v2"),
        ({"memory": {"disableOOMKiller": True}}, "linux.resources.memory.disableOOMKiller: cgroup v2"),
        ({"network": {"classID": 1}}, "linux.resources.network.classID: cgroup v2"),
        (
            {"unified": {"nothing.max": "1"}},
            "linux.resources.unified.nothing.max: the nothing controller is not available",
        ),
        ({"unified": {"memory.nothing": "1"}}, "linux.resources.unified.memory.nothing"),
        ({"cpu": {"cpus": "9999"}}, "linux.resources.cpu.cpus"),
    ],
)
def test_what_can_t_be_kept(ocipy, bundle, limits, start):
    assert ocipy.refused(bundle(change=resources(**limits))).startswith(start)
