"""pause and resume: nothing goes on in between; what may be done to a paused container; on each kind of host."""

import json
import os
import signal
import time

import pytest

from tests.system.looking import add_mounts, bind, set_namespaces
from tests.system.runtime import until, wait_ended

pytestmark = pytest.mark.root


@pytest.fixture(params=["host", "unified"], autouse=True)
def kind(request):
    """With the host's hierarchies as they are, and with the unified one alone."""
    if request.param == "unified":
        request.getfixturevalue("unified_alone")
    return request.param


@pytest.fixture
def counter(ocipy, bundle, tmp_path):
    """(a container that counts, what it has counted so far)."""
    shared = tmp_path / "shared"
    shared.mkdir()
    script = "i=0; while :; do i=$((i + 1)); echo $i > /shared/next; mv /shared/next /shared/count; done"
    container = ocipy.start(bundle("sh", "-c", script, change=add_mounts(bind(shared, "/shared"))))
    until((shared / "count").exists)
    return container, lambda: int((shared / "count").read_text())


def test_a_freeze_stops_progress_and_a_thaw_resumes_it(ocipy, counter):
    container, count = counter
    ocipy("pause", container, status=0)
    assert ocipy.status(container) == "paused"
    assert json.loads(ocipy("list", "-f", "json", status=0).stdout)[0]["status"] == "paused"
    before = count()
    time.sleep(0.1)  # in which it would have counted on
    assert count() == before
    ocipy("resume", container, status=0)
    assert ocipy.status(container) == "running"
    until(lambda: count() > before)


def test_what_a_paused_container_refuses(ocipy, counter):
    container, _ = counter
    ocipy("pause", container, status=0)
    assert ocipy.fails("pause", container) == "container is paused already"
    assert ocipy.fails("start", container) == "cannot start a container in the paused state"
    assert ocipy.fails("delete", container) == f"cannot delete container {container} that is not stopped: paused"
    assert ocipy.status(container) == "paused"


def test_a_running_one_can_t_be_resumed(ocipy, counter):
    assert ocipy.fails("resume", counter[0]) == "container not paused"


def test_a_stopped_one(ocipy, bundle):
    container = ocipy.start(bundle("true"))
    until(lambda: ocipy.status(container) == "stopped")
    assert ocipy.fails("pause", container) == "container not running"
    assert ocipy.fails("resume", container) == "container not paused"
    assert ocipy.fails("pause", "nobody") == "container 'nobody' does not exist"


def test_a_created_one(ocipy, bundle):
    container = ocipy.create(bundle("true"))
    ocipy("pause", container, status=0)
    assert ocipy.status(container) == "paused"
    assert ocipy.fails("start", container) == "cannot start a container in the paused state"
    ocipy("resume", container, status=0)
    assert ocipy.status(container) == "created"
    ocipy("start", container, status=0)


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_killed_while_paused(ocipy, counter, options):
    container, _ = counter
    pid = ocipy.pid(container)
    ocipy("pause", container, status=0)
    ocipy("kill", *options, container, "KILL", status=0)
    wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    ocipy("delete", container, status=0)


def test_another_signal_waits_for_the_thaw(ocipy, bundle):
    script = "trap 'echo heard; exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    path = bundle("sh", "-c", script)
    container = ocipy.new_id()
    done = ocipy("run", "-d", "--bundle", path, container, status=0)
    ocipy.expect(container)
    until(done.output.read_text)
    pid = ocipy.pid(container)
    ocipy("pause", container, status=0)
    ocipy("kill", container, "TERM", status=0)
    assert ocipy.status(container) == "paused"
    assert done.output.read_text() == "ready\n"
    ocipy("resume", container, status=0)
    ended = os.waitid(os.P_PID, pid, os.WEXITED)
    assert (ended.si_code, ended.si_status, done.output.read_text()) == (os.CLD_EXITED, 7, "ready\nheard\n")


def test_deleted_by_force_while_paused(ocipy, counter):
    container, _ = counter
    ocipy("pause", container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert ocipy.left() == []


def test_with_the_host_s_pid_namespace(ocipy, bundle):
    """Whose processes don't end with its init; of those that are left delete finds all, frozen or not."""
    script = "sleep 1000 & sleep 1001 & echo ready; wait"
    path = bundle("sh", "-c", script, change=set_namespaces(pid=None))
    container = ocipy.new_id()
    done = ocipy("run", "-d", "--bundle", path, container, status=0)
    ocipy.expect(container)
    until(done.output.read_text)
    pid = ocipy.pid(container)
    ocipy("pause", container, status=0)
    os.kill(pid, signal.SIGKILL)
    ocipy("delete", "--force", container, status=0)
    assert ocipy.left() == []


def test_many_processes_at_once(ocipy, bundle):
    """That fork all the while: none slips by."""
    script = "while :; do true & true & true; done"
    container = ocipy.start(bundle("sh", "-c", script))
    for _ in range(5):
        ocipy("pause", container, status=0)
        assert ocipy.status(container) == "paused"
        ocipy("resume", container, status=0)
