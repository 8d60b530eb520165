"""Limits at work, on both versions of cgroups; and that nothing of many containers is left in any hierarchy."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocipy import Container
from ocipy.state import StateDir
from tests.system.looking import either_version, resources, set_linux, together
from tests.system.runtime import cgroups_of, children, until

pytestmark = pytest.mark.root


def directory(container, controller):
    """The container's cgroup that has the controller."""
    paths = StateDir(container.root, container.id).read()["cgroup_paths"]
    v1 = (path for name, path in paths.items() if controller in name.split(","))
    return Path(next(v1, paths.get("")))


@either_version("pids")
def test_a_fork_bomb_is_stopped(ocipy, bundle, version):
    """It fails at the limit; the host goes on, and delete ends all of it."""
    script = "bomb() { bomb & bomb & wait; }; bomb 2> /dev/null & exec sleep 1000"
    name = ocipy.start(bundle("sh", "-c", script, change=resources(pids={"limit": 20})))
    container = Container(name, str(ocipy.root))
    refused = directory(container, "pids") / "pids.events"
    until(lambda: int(refused.read_text().split()[1]) > 0)
    for _ in range(20):
        found = container.stats()["pids"]
        assert found["limit"] == 20
        assert found["current"] <= 20
    ocipy.run(bundle("true"), status=0)
    ocipy("delete", "--force", name, status=0)
    until(lambda: not children())


@either_version("cpu")
def test_half_a_processor(ocipy, bundle, test_name, version):
    """Processor time by the wall's, for five seconds.  The greatest weight makes it little of what else runs."""
    limits = resources(cpu={"quota": 50000, "period": 100000, "shares": 262144})
    top = set_linux(cgroupsPath=f"/{test_name}")  # weights count among siblings
    change = together(limits, top)
    container = Container(ocipy.start(bundle("sh", "-c", "while :; do :; done", change=change)), str(ocipy.root))
    until(lambda: container.stats()["cpu"]["throttling"].get("throttledPeriods", 0) > 1)

    def sample():
        return container.stats()["cpu"]["usage"]["total"], time.monotonic_ns()

    used, began = sample()
    time.sleep(5)
    used_then, ended = sample()
    assert (used_then - used) / (ended - began) == pytest.approx(0.5, abs=0.05)


def test_nothing_is_left_after_200_rounds(ocipy, bundle, test_name):
    """Ten at a time, with cgroups three deep that they share but for the last; no descriptor is left either."""
    root = str(ocipy.root)
    paths = [
        str(bundle("sleep", "1000", change=set_linux(cgroupsPath=f"/{test_name}/{number % 2}/shared/{number}")))
        for number in range(10)
    ]

    def rounds(number):
        for turn in range(20):
            container = Container.create(f"box-{number}-{turn}", paths[number], root=root)
            container.start()
            assert container.status == "running"
            container.delete(force=True)

    descriptors = sorted(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(rounds, range(10)))
    assert cgroups_of(test_name) == []
    assert (ocipy.root / "@cgroups").read_text() == ""
    assert ocipy.left() == []
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
