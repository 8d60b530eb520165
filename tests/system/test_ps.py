"""ps: the container's processes, all of them, and no others."""

import json
import os
from pathlib import Path

import pytest

from tests.system.looking import set_capabilities, set_namespaces, together
from tests.system.runtime import until

pytestmark = [pytest.mark.root, pytest.mark.tool("ps")]


@pytest.fixture
def family(ocipy, bundle):
    """A container of three processes: its id, their pids."""
    done = ocipy.start(bundle("sh", "-c", "sleep 1000 & sleep 1001 & wait"))
    pid = ocipy.pid(done)
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: len(listing.read_text().split()) == 2)
    return done, sorted([pid, *map(int, listing.read_text().split())])


def table(ocipy, *arguments):
    title, *lines = ocipy("ps", *arguments, status=0).stdout.splitlines()
    column = title.split().index("PID")
    return title.split(), sorted(int(line.split()[column]) for line in lines)


def test_the_table(ocipy, family):
    container, pids = family
    title, found = table(ocipy, container)
    assert (title, found) == (["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"], pids)


def test_json(ocipy, family):
    container, pids = family
    for option in ("--format", "-f"):
        assert json.loads(ocipy("ps", option, "json", container, status=0).stdout) == pids


def test_options_of_ps(ocipy, family):
    container, pids = family
    assert table(ocipy, container, "-e", "-o", "comm,pid") == (["COMMAND", "PID"], pids)
    assert table(ocipy, container, "aux")[1] == pids
    assert ocipy.fails("ps", container, "-e", "-o", "comm") == (
        "these options of ps show no column PID, by which the container's lines are known"
    )
    assert ocipy.fails("ps", container, "--no-such-option").startswith("ps exited with 1: error: ")
    assert ocipy.fails("ps", "-f", "xml", container) == "--format is table or json, not 'xml'"


def test_processes_in_cgroups_below(ocipy, family):
    """That the container made, or its manager, in whichever hierarchy."""
    container, pids = family
    paths = json.loads((ocipy.root / container / "state.json").read_text())["cgroup_paths"].values()
    for path in paths:
        below = Path(path, "below")
        below.mkdir()
        if (below / "cpuset.mems").exists() and (below / "cgroup.clone_children").exists():
            for file in ("cpuset.cpus", "cpuset.mems"):  # v1's are empty at first, and take nobody
                (below / file).write_text(Path(path, file).read_text())
        (below / "cgroup.procs").write_text(str(pids[-1]))
    assert table(ocipy, container)[1] == pids


def test_a_stopped_one_has_none(ocipy, bundle):
    container = ocipy.start(bundle("true"))
    until(lambda: ocipy.status(container) == "stopped")
    assert table(ocipy, container)[1] == []
    assert ocipy("ps", "-f", "json", container, status=0).stdout == "null\n"
    assert ocipy.fails("ps", "nobody") == "container 'nobody' does not exist"


def test_without_ps(ocipy, family):
    """Its name is looked up by PATH, as the caller has it."""
    container, _ = family
    without = os.environ | {"PATH": "/nonexistent"}
    assert ocipy.fails("ps", container, env=without) == (
        "ps can't be run: No such file or directory (--format json needs no ps)"
    )


@pytest.mark.rootless
class TestWithoutACgroup:
    """An ordinary user's container, of a user that has none to give."""

    def test_by_the_pid_namespace(self, as_user):
        script = "sleep 1000 & unshare -p -f sleep 1001 & wait"
        path = as_user.bundle("sh", "-c", script, change=set_capabilities("CAP_SYS_ADMIN"))
        as_user("run", "-d", "--bundle", path, "c1", status=0)
        pid = as_user.state("c1")["pid"]
        expected = until(lambda: len(found := descendants(pid)) == 4 and found)
        assert json.loads(as_user("ps", "--format", "json", "c1", status=0).stdout) == expected

    def test_nor_a_pid_namespace(self, as_user):
        def no_proc(config):
            config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/proc"]

        path = as_user.bundle("sleep", "1000", change=together(set_namespaces(pid=None), no_proc))
        as_user("run", "-d", "--bundle", path, "c1", status=0)
        said = as_user("ps", "c1", status=1).stderr
        assert said == "ocipy: the container has neither a cgroup nor a PID namespace to know its processes by\n"
        said = as_user("pause", "c1", status=1).stderr
        assert said == "ocipy: the container has no cgroup that could be frozen\n"


def descendants(pid):
    found = [pid]
    for each in found:
        found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return sorted(found)
