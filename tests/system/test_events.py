"""``events`` and ``Container.events``: statistics of real containers, lack of memory as it happens, the end."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from ocipy import Container, StateError, UsageError
from ocipy.state import StateDir
from tests.system.looking import either_version, resources
from tests.system.runtime import DEADLINE, RUNTIME, change_at, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
OFTEN = "50ms"

on_either = either_version("memory", "pids", "cpu")


@pytest.fixture
def listen(ocipy):
    """``listen(id)``: an ``ocipy events`` that has printed its first line, and so listens; ended with the test."""
    running = []

    def start(container, *options):
        command = [RUNTIME, "--root", ocipy.root, "events", "--interval", OFTEN, *options, container]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert json.loads(process.stdout.readline())["type"] == "stats"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def complaints(text):
    """What stderr says, but for the warning that a host without the memory controller is due."""
    return [line for line in text.splitlines() if "has no memory controller" not in line]


def events_of(process):
    """All that it still prints, to its end."""
    out, err = process.communicate(timeout=DEADLINE)
    assert complaints(err) == []
    return [json.loads(line) for line in out.splitlines()]


def stats(ocipy, container):
    done = ocipy("events", "--stats", container, status=0)
    assert done.stdout.count("\n") == 1
    event = json.loads(done.stdout)
    assert (event["type"], event["id"], set(event)) == ("stats", container, {"type", "id", "data"})
    return event["data"]


def cgroup_paths(ocipy, container):
    return StateDir(str(ocipy.root), container).read()["cgroup_paths"]


@on_either
def test_stats(ocipy, bundle, version):
    limit = 64 << 20
    change = resources(
        memory={"limit": limit, "swap": limit}, pids={"limit": 20}, cpu={"quota": 20000, "period": 100000}
    )
    container = ocipy.start(bundle("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 1000",
                                   change=change))  # fmt: skip
    listing = stats(ocipy, container)
    assert set(listing) == {
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces",
    }  # fmt: skip
    assert listing["memory"]["usage"]["limit"] == limit
    assert listing["memory"]["swap"]["limit"] == limit
    assert 0 < listing["memory"]["usage"]["usage"] <= limit
    assert 1 <= listing["pids"]["current"] <= 20
    assert listing["pids"]["limit"] == 20
    assert listing["cpu"]["usage"]["total"] > 0
    assert listing["intel_rdt"] == {}
    for kind in ("cpu", "memory", "blkio"):
        if Path(f"{cgroup_paths(ocipy, container).get('')}/cpu.pressure").exists():
            assert set(listing[kind]["psi"]) == {"some", "full"}


def test_a_created_container(ocipy, bundle):
    assert stats(ocipy, ocipy.create(bundle(*FOREVER)))["pids"]["current"] == 1


@pytest.mark.tool("runc")
@on_either
def test_they_are_runc_s(ocipy, bundle, tmp_path, test_name, version):
    """Of one container that sleeps: the same members, and what doesn't move from one moment to the next is equal."""
    from ocipy.cgroups import stats as reader
    from ocipy.host import probe

    change = resources(memory={"limit": 64 << 20}, pids={"limit": 20}, cpu={"quota": 20000, "period": 100000})
    path = bundle(*FOREVER, change=change)
    config = json.loads((path / "config.json").read_text())
    config["ociVersion"] = "1.0.2"
    config["linux"]["cgroupsPath"] = f"/{test_name}"  # runc leaves those above it behind
    (path / "config.json").write_text(json.dumps(config))
    runc = ["runc", "--root", str(tmp_path / "runc")]
    subprocess.run([*runc, "run", "-d", "--bundle", path, test_name], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        said = subprocess.run([*runc, "events", "--stats", test_name], check=True, capture_output=True, text=True)
        theirs = json.loads(said.stdout)["data"]
        host = probe()
        hierarchies = host.hierarchies or [host.unified]
        ours = reader.read({each.name: each.mount + config["linux"]["cgroupsPath"] for each in hierarchies})
    finally:
        subprocess.run([*runc, "delete", "--force", test_name], check=True)
    for document in (ours, theirs):
        for name in ("cpu", "memory", "blkio"):
            document[name].pop("psi", None)  # which an older runc lacks
    assert set(ours) | {"intel_rdt", "network_interfaces"} == set(theirs)
    assert theirs["network_interfaces"] is None
    for name in ("cpuset", "pids", "hugetlb"):
        assert ours[name] == theirs[name]
    for name in ("usage", "swap", "kernel", "kernelTCP"):
        assert ours["memory"][name]["limit"] == theirs["memory"][name]["limit"]
    assert set(ours["memory"]) == set(theirs["memory"])
    assert set(ours["memory"]["raw"]) == set(theirs["memory"]["raw"])
    assert set(ours["cpu"]["usage"]) == set(theirs["cpu"]["usage"])
    assert set(ours["blkio"]) == set(theirs["blkio"])


@on_either
def test_out_of_memory(ocipy, bundle, listen, version):
    """2 MB: who takes more is killed, ``events`` tells so and ends; another container doesn't notice."""
    limit = 2 << 20
    other = ocipy.start(bundle(*FOREVER))
    greedy = bundle("tail", "/dev/zero", change=resources(memory={"limit": limit, "swap": limit}))
    container = ocipy.create(greedy)
    pid = ocipy.pid(container)
    listener, of_other = listen(container), listen(other)
    ocipy("start", container, status=0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    found = events_of(listener)
    assert listener.returncode == 0
    assert {"type": "oom", "id": container} in found
    assert ocipy.status(container) == "stopped"
    assert ocipy.status(other) == "running"
    ocipy("kill", other, "KILL", status=0)
    assert {event["type"] for event in events_of(of_other)} <= {"stats"}


@on_either
def test_out_of_memory_in_the_foreground(ocipy, bundle, version):
    limit = 2 << 20
    ocipy.run(bundle("tail", "/dev/zero", change=resources(memory={"limit": limit, "swap": limit})), status=137)


@on_either
def test_out_of_memory_in_another_process(ocipy, bundle, listen, version):
    """The container goes on, and so does ``events``."""
    limit = 4 << 20
    script = "tail /dev/zero; echo $?; exec sleep 1000"
    container = ocipy.create(bundle("sh", "-c", script, change=resources(memory={"limit": limit, "swap": limit})))
    listener = listen(container)
    ocipy("start", container, status=0)
    kinds = []
    while "oom" not in kinds or kinds[-1] != "stats":
        kinds.append(json.loads(listener.stdout.readline())["type"])
    assert listener.poll() is None
    assert ocipy.status(container) == "running"


def test_it_ends_with_the_container(ocipy, bundle, listen):
    container = ocipy.start(bundle(*FOREVER))
    listener = listen(container)
    ocipy("kill", container, "KILL", status=0)
    assert {event["type"] for event in events_of(listener)} <= {"stats"}
    assert listener.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_lines(ocipy, bundle, listen, number):
    container = ocipy.start(bundle(*FOREVER))
    listener = listen(container)
    listener.send_signal(number)
    events_of(listener)
    assert listener.returncode == 128 + number
    assert ocipy.status(container) == "running"


def test_who_reads_goes_away(ocipy, bundle, listen):
    listener = listen(ocipy.start(bundle(*FOREVER)))
    listener.stdout.close()
    assert listener.wait(DEADLINE) == 141
    assert complaints(listener.stderr.read()) == []


def test_what_is_refused(ocipy, bundle):
    ended = ocipy.create(bundle("true"))
    pid = ocipy.pid(ended)
    ocipy("start", ended, status=0)
    wait_ended(pid)
    assert ocipy.fails("events", "--stats", ended) == f"container with id {ended} is not running"
    assert ocipy.fails("events", ended) == f"container with id {ended} is not running"
    assert ocipy.fails("events", "nobody") == "container 'nobody' does not exist"
    assert "needs 1 argument" in ocipy.fails("events")
    assert "the interval must be greater than 0" in ocipy.fails("events", "--interval", "0s", ended)
    assert ocipy.fails("events", "--interval", "5", ended).startswith("option --interval is a duration such as 5s")


def test_the_library(ocipy, bundle):
    container = Container.load(ocipy.start(bundle(*FOREVER)), str(ocipy.root))
    assert container.stats()["pids"]["current"] == 1
    events = container.events(0.01)
    assert [next(events)["type"] for _ in range(3)] == ["stats"] * 3
    with pytest.raises(UsageError, match="must be greater than 0, not 0"):
        container.events(0)
    reader, writer = os.pipe()
    try:
        for event in container.events(0.01, stop=reader):
            assert event["type"] == "stats"
            if writer >= 0:
                os.close(writer)
                writer = -1
    finally:
        os.close(reader)
    assert writer == -1, "there was no event before the end"
    container.kill("KILL")
    container.wait()
    assert list(events) == []
    with pytest.raises(StateError, match="is not running"):
        container.stats()
    with pytest.raises(StateError, match="is not running"):
        container.events()


def test_no_descriptor_is_left_open(ocipy, bundle):
    container = Container.load(ocipy.start(bundle(*FOREVER)), str(ocipy.root))
    before = sorted(os.listdir("/proc/self/fd"))
    events = container.events(0.01)
    next(events)
    assert sorted(os.listdir("/proc/self/fd")) != before
    events.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_without_a_cgroup(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    directory = StateDir(str(ocipy.root), container)
    state = directory.read()
    directory.write(state | {"cgroup_paths": {}})
    assert "has no cgroup" in ocipy.fails("events", "--stats", container)
    assert "has no cgroup" in ocipy.fails("events", container)
    directory.write(state)


def test_without_the_memory_controller(ocipy, bundle):
    """There is a warning, and statistics of the rest."""
    container = ocipy.start(bundle(*FOREVER))
    directory = StateDir(str(ocipy.root), container)
    state = directory.read()
    kept = {name: path for name, path in state["cgroup_paths"].items() if name == "pids"}
    directory.write(state | {"cgroup_paths": kept or {"": str(ocipy.root)}})
    command = [RUNTIME, "--root", ocipy.root, "events", "--interval", OFTEN, container]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["type"] == "stats"
        process.terminate()
        assert "has no memory controller" in process.stderr.read()
    directory.write(state)


def test_intel_rdt_is_read_for_who_has_it(ocipy, bundle, monkeypatch):
    from ocipy.cgroups import stats_rdt

    container = ocipy.start(bundle(*FOREVER, change=change_at("hostname", value="box")))
    directory = StateDir(str(ocipy.root), container)
    state = directory.read()
    monkeypatch.setattr(stats_rdt, "read", lambda pid: {"l3_cache_schema": f"of {pid}"})
    loaded = Container.load(container, str(ocipy.root))
    assert loaded.stats()["intel_rdt"] == {}
    directory.write(state | {"resctrl": []})
    assert loaded.stats()["intel_rdt"] == {"l3_cache_schema": f"of {state['init_process_pid']}"}
    directory.write(state)
