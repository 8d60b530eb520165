"""create, start, state, kill, delete, list: status transitions, messages and exit codes."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.system.runtime import until, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


def ended(ocipy, container):
    """Wait until the container has stopped."""
    if pid := ocipy.pid(container):
        wait_ended(pid)
    assert ocipy.status(container) == "stopped"


def test_a_created_container_waits_for_start(ocipy, bundle):
    path = bundle("sh", "-c", "echo started > /started", own_rootfs=True)
    container = ocipy.create(path)
    state = ocipy.state(container)
    assert state["status"] == "created"
    pid = state["pid"]
    assert Path(f"/proc/{pid}/comm").read_text() == "ocipy-init\n"
    assert not (path / "rootfs/started").exists()

    ocipy("start", container, status=0)
    wait_ended(pid)
    assert (path / "rootfs/started").read_text() == "started\n"
    assert ocipy.status(container) == "stopped"
    assert ocipy.state(container)["pid"] == 0

    ocipy("delete", container, status=0)
    assert ocipy.left() == []


def test_start_returns_once_the_program_runs(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\0"
    assert ocipy.state(container)["status"] == "running"
    assert ocipy.pid(container) == pid


def test_state_document(ocipy, bundle):
    path = bundle(*FOREVER, change=lambda config: config.update(annotations={"a.b": "c"}))
    container = ocipy.create(path)
    state = ocipy.state(container)
    assert list(state) == [
        "ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner",
    ]  # fmt: skip
    config = json.loads((path / "config.json").read_text())
    assert state["ociVersion"] == config["ociVersion"]
    assert state["id"] == container
    assert state["bundle"] == str(path)
    assert state["rootfs"] == config["root"]["path"]
    assert state["annotations"] == {"a.b": "c"}
    assert state["owner"] == "root"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", state["created"])


def test_a_program_that_ends_at_once(ocipy, bundle):
    container = ocipy.create(bundle("true"))
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    assert ocipy.fails("start", container) == "cannot start a container that has stopped"
    assert ocipy.fails("kill", container) == "container not running"
    ocipy("delete", container, status=0)


def test_a_running_container_is_not_started_again_nor_deleted(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    assert ocipy.fails("start", container) == "cannot start an already running container"
    message = ocipy.fails("delete", container)
    assert message == f"cannot delete container {container} that is not stopped: running"
    assert ocipy.status(container) == "running"


def test_kill_then_delete(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("kill", container, "KILL", status=0)
    wait_ended(pid)
    assert ocipy.fails("kill", container, "KILL") == "container not running"
    ocipy("delete", container, status=0)
    assert ocipy.fails("state", container) == f"container {container!r} does not exist"


def test_delete_right_after_kill(ocipy, bundle):
    """Engines don't wait between the two."""
    container = ocipy.start(bundle(*FOREVER))
    ocipy("kill", container, "KILL", status=0)
    ocipy("delete", container, status=0)
    assert ocipy.left() == []


@pytest.mark.parametrize("form", ["USR1", "SIGUSR1", "usr1", str(int(signal.SIGUSR1))])
def test_signal_forms(ocipy, bundle, form):
    script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done"
    path = bundle("sh", "-c", script)
    container = ocipy.expect(ocipy.new_id())
    done = ocipy("run", "-d", "-b", path, container, status=0)
    until(lambda: done.output.read_text() == "ready\n", "the container's output")
    ocipy("kill", container, form, status=0)
    ended(ocipy, container)


def test_kill_is_term_by_default(ocipy, bundle):
    script = "trap 'echo term; exit' TERM; echo ready; while :; do sleep 0.01; done"
    container = ocipy.expect(ocipy.new_id())
    done = ocipy("run", "-d", "-b", bundle("sh", "-c", script), container, status=0)
    until(lambda: done.output.read_text() == "ready\n", "the container's output")
    ocipy("kill", container, status=0)
    ended(ocipy, container)
    assert done.output.read_text() == "ready\nterm\n"


def test_kill_all(ocipy, bundle):
    """Every process of the cgroup gets the signal, init as well."""
    script = "(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.01; done) & trap '' TERM; wait; wait"
    container = ocipy.expect(ocipy.new_id())
    done = ocipy("run", "-d", "-b", bundle("sh", "-c", script), container, status=0)
    until(lambda: done.output.read_text() == "ready\n", "the container's output")
    ocipy("kill", "--all", container, "TERM", status=0)
    ended(ocipy, container)
    assert done.output.read_text() == "ready\nchild\n"


def test_term_ends_a_created_container(ocipy, bundle):
    """Pid 1 of a namespace has no default actions: init has to handle the signal itself."""
    container = ocipy.create(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("kill", container, status=0)
    wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    assert ocipy.fails("start", container) == "cannot start a container that has stopped"


def test_unknown_signals(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    for word in ("NOPE", "SIGNOPE", "66", "-1", "", "9x"):
        assert "signal" in ocipy.fails("kill", "--", container, word)
    assert ocipy.status(container) == "created"


def test_delete_kills_a_created_container(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("delete", container, status=0)
    assert ocipy.left() == []
    wait_ended(pid)


def test_delete_force(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("delete", "--force", container, status=0)
    assert ocipy.left() == []
    wait_ended(pid)
    done = ocipy("delete", "-f", container, status=0)
    assert done.stderr == ""
    assert ocipy.fails("delete", container) == f"container {container!r} does not exist"


@pytest.mark.parametrize("command", [("state",), ("start",), ("kill",), ("delete",)])
def test_unknown_id(ocipy, command):
    assert ocipy.fails(*command, "nobody") == "container 'nobody' does not exist"


def test_processes_survive_their_init_only_until_delete(ocipy, bundle):
    """Without a PID namespace the kernel doesn't end them with init."""

    def change(config):
        namespaces = config["linux"]["namespaces"]
        namespaces[:] = [each for each in namespaces if each["type"] != "pid"]

    container = ocipy.expect(ocipy.new_id())
    path = bundle("sh", "-c", "sleep 1000 & echo $!; exec sleep 1000", change=change)
    done = ocipy("run", "-d", "-b", path, container, status=0)
    child = int(until(done.output.read_text, "the pid"))
    ocipy("kill", container, "KILL", status=0)
    ended(ocipy, container)
    os.kill(child, 0)
    ocipy("delete", container, status=0)
    wait_ended(child)


def test_list(ocipy, bundle):
    assert ocipy("list", status=0).stdout.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert ocipy("list", "-q", status=0).stdout == ""
    assert ocipy("list", "-f", "json", status=0).stdout == "null\n"
    paths = [bundle(*FOREVER), bundle("true")]
    running, created = ocipy.start(paths[0]), ocipy.create(paths[1])
    assert ocipy("list", "--quiet", status=0).stdout.split() == sorted([running, created])

    listed = {each["id"]: each for each in json.loads(ocipy("list", "--format=json", status=0).stdout)}
    assert listed == {container: ocipy.state(container) for container in (running, created)}

    header, *rows = ocipy("list", status=0).stdout.splitlines()
    columns = [header.index(name) for name in ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")]
    cells = [[row[at:].split()[0] for at in columns] for row in rows]
    expected = [listed[container] for container in sorted(listed)]
    assert cells == [[str(each[name.lower()]) for name in header.split()] for each in expected]
    assert [row[2] for row in cells] == [listed[each]["status"] for each in sorted(listed)]


def test_start_by_another_process_than_the_creator(ocipy, bundle):
    """The creator has ended long since; and whoever starts need not be its relative."""
    container = ocipy.create(bundle("sh", "-c", "exit 7"))
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_an_id_in_use(ocipy, bundle):
    path = bundle(*FOREVER)
    container = ocipy.create(path)
    for command in ("create", "run"):
        assert ocipy.fails(command, "-b", path, container) == f"container with id exists already: {container}"
    assert ocipy.status(container) == "created"


def test_creating_is_seen_while_create_is_under_way(ocipy, bundle, tmp_path):
    """A createRuntime hook holds create up, and looks."""
    state = tmp_path / "seen"
    hook = tmp_path / "hook"

    def change(config):
        config["hooks"] = {"createRuntime": [{"path": str(hook)}]}

    path = bundle(*FOREVER, change=change)
    container = ocipy.new_id()
    from tests.system.runtime import RUNTIME

    hook.write_text(f"#!/bin/sh\n{RUNTIME} --root {ocipy.root} state {container} > {state} 2>&1\n")
    hook.chmod(0o755)
    ocipy("create", "-b", path, container, status=0)
    ocipy.expect(container)
    assert json.loads(state.read_text())["status"] == "creating"


def test_created_times_follow_the_clock(ocipy, bundle):
    before = time.time()
    container = ocipy.create(bundle())
    stamp = ocipy.state(container)["created"]
    from datetime import datetime

    made = datetime.fromisoformat(stamp[:26] + "+00:00").timestamp()
    assert before - 0.001 <= made <= time.time()
