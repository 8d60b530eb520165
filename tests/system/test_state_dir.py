"""The state directory: what is in it, recycled pids, and a crash of the runtime at any point."""

import json
import os
import signal
import subprocess

import pytest

from ocipy import creation
from ocipy.container import Container
from ocipy.plan.options import CreateOptions
from ocipy.spawn import Spawn
from ocipy.state import StateDir, process_stat
from tests.system.runtime import until, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


def edit_state(ocipy, container, **changes):
    path = ocipy.root / container / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_in_it(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    directory = ocipy.root / container
    assert sorted(os.listdir(directory)) == ["config.json", "init.sock", "state.json"]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "state.json").stat().st_mode & 0o777 == 0o600
    state = json.loads((directory / "state.json").read_text())
    pid = state["init_process_pid"]
    assert process_stat(pid).start_time == state["init_process_start"]
    ocipy("start", container, status=0)
    assert sorted(os.listdir(directory)) == ["config.json", "state.json"]


def test_a_recycled_pid_is_never_signalled(ocipy, bundle):
    """Another process has init's pid by now: same pid, another start time."""
    container = ocipy.start(bundle(*FOREVER))
    ocipy("kill", container, "KILL", status=0)
    wait_ended(json.loads((ocipy.root / container / "state.json").read_text())["init_process_pid"])
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        try:
            start = process_stat(innocent.pid).start_time
            edit_state(ocipy, container, init_process_pid=innocent.pid, init_process_start=start - 1)
            assert ocipy.status(container) == "stopped"
            assert ocipy.fails("kill", container, "KILL") == "container not running"
            library = Container(container, str(ocipy.root))
            assert library.wait() is None
            ocipy("delete", "--force", container, status=0)
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_a_recycled_pid_of_our_own_child_is_not_reaped(ocipy, bundle):
    """A service that uses the library may start a process that gets a dead container's pid: its exit status is its."""
    container = ocipy.create(bundle(*FOREVER))
    ocipy("kill", container, "KILL", status=0)
    with subprocess.Popen(["sh", "-c", "exit 7"]) as other:
        edit_state(ocipy, container, init_process_pid=other.pid)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        library = Container(container, str(ocipy.root))
        assert library.wait() is None
        library.delete(force=True)
        assert other.wait() == 7


def test_a_directory_without_state(ocipy):
    """What a crash between mkdir and the first write leaves."""
    (ocipy.root / "half").mkdir(parents=True)
    assert "delete --force" in ocipy.fails("state", "half")
    listed = ocipy("list", status=0)
    assert len(listed.stdout.splitlines()) == 1
    assert "half" in listed.stderr
    assert "not running" in ocipy.fails("kill", "half")
    assert "stopped" in ocipy.fails("start", "half")
    ocipy("delete", "--force", "half", status=0)
    assert ocipy.left() == []


def test_a_broken_state_file(ocipy, bundle):
    """Nothing is done on a guess: which file, and where it breaks off."""
    container = ocipy.create(bundle(*FOREVER))
    path = ocipy.root / container / "state.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    for command in ("state", "start", "kill", "delete"):
        assert ocipy.fails(command, container).startswith(f"{path}: ")
    path.write_text(whole)


# A crash, by SIGKILL in the middle of create.  The plan used has every kind of RUNTIME step.


def with_many_steps(config):
    hook = {"path": "/bin/true"}
    config["hooks"] = {"createRuntime": [hook], "createContainer": [hook], "poststop": [hook]}
    config["process"]["oomScoreAdj"] = 500
    config["linux"]["resources"]["pids"] = {"limit": 100}
    config["linux"]["namespaces"].append({"type": "cgroup"})


def crash_in_create(root, bundle, container, when):
    """Create in a forked child, which kills itself when ``when(spawn, index, op)`` of a RUNTIME step is true."""
    done = os.fork()
    if done:
        assert os.waitstatus_to_exitcode(os.waitpid(done, 0)[1]) == -signal.SIGKILL
        return
    try:
        step = Spawn._do

        def crash_before(self, index, op, fault):
            if when == ("before", index):
                os.kill(os.getpid(), signal.SIGKILL)
            step(self, index, op, fault)
            if when == ("after", index):
                os.kill(os.getpid(), signal.SIGKILL)

        Spawn._do = crash_before
        if when == ("before", "write"):
            StateDir.write = lambda self, state: os.kill(os.getpid(), signal.SIGKILL)
        if when == ("after", "all"):
            Spawn._wait_released = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        creation.create(StateDir(root, container), CreateOptions(container, bundle))
    finally:
        os._exit(99)


def wait_stopped(ocipy, container, point):
    """A clone has the lock's descriptor too, until its execve or its end: so long the status is ``creating``."""
    until(lambda: ocipy.status(container) == "stopped", f"the status stopped after {point}")


def test_a_crash_at_any_point_of_create(ocipy, bundle):
    path = str(bundle(*FOREVER, change=with_many_steps))
    _, _, plan = creation.prepare(CreateOptions("x", path))
    indices = [index for index, op in enumerate(plan.ops) if op.actor == "runtime"]
    names = {plan.ops[index].name for index in indices}
    assert names >= {"cgroup-create", "cgroup-write", "spawn", "oom-score", "run-hook", "created"}
    # Many writes to cgroups fail alike: the first and the last of them will do.
    writes = [index for index in indices if plan.ops[index].name == "cgroup-write"]
    indices = [index for index in indices if index not in writes[1:-1]]
    points = [("before", "write"), *((side, index) for index in indices for side in ("before", "after"))]
    root = str(ocipy.root)
    ocipy.root.mkdir(mode=0o700)
    for point in points:
        container = ocipy.new_id()
        crash_in_create(root, path, container, point)
        state = ocipy("state", container)
        if state.returncode == 0:
            wait_stopped(ocipy, container, point)
        else:
            assert "delete --force" in state.stderr, point
        assert "stopped" in ocipy.fails("start", container), point
        ocipy("delete", "--force", container, status=0)
        assert ocipy.left() == [], point


def test_a_crash_after_created_leaves_a_whole_container(ocipy, bundle):
    """The state says created, and init waits: from then on the runtime isn't needed any more; or it died with it."""
    path = str(bundle("sh", "-c", "exit 5", change=with_many_steps))
    container = ocipy.new_id()
    ocipy.root.mkdir(mode=0o700)
    crash_in_create(str(ocipy.root), path, container, ("after", "all"))
    assert ocipy.status(container) in ("created", "stopped")
    ocipy("delete", "--force", container, status=0)


def test_a_crash_in_start(ocipy, bundle):
    """Between taking init's socket away and letting it go: the container ends."""
    container = ocipy.create(bundle(*FOREVER))
    pid = ocipy.pid(container)
    child = os.fork()
    if child == 0:
        from ocipy import release as module

        class Crash:
            SOCK_SEQPACKET, AF_UNIX = module._socket.SOCK_SEQPACKET, module._socket.AF_UNIX

            class socket(module._socket.socket):  # noqa: N801  # the name of what it stands in for
                def send(self, data):
                    os.kill(os.getpid(), signal.SIGKILL)

        module._socket = Crash
        try:
            Container(container, str(ocipy.root)).start()
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    ocipy("delete", container, status=0)


def test_killing_the_command_kills_the_half_made_container(ocipy, bundle, tmp_path):
    """A real SIGKILL of `ocipy create`, while a hook holds it up."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def change(config):
        config["hooks"] = {
            "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {pipe}; exec cat {pipe}"]}]
        }

    from tests.system.runtime import RUNTIME

    container = ocipy.new_id()
    command = [RUNTIME, "--root", str(ocipy.root), "create", "-b", str(bundle(*FOREVER, change=change)), container]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        pid = json.loads(pipe.read_text())["pid"]
        assert ocipy.status(container) == "creating"
        process.kill()
    with pipe.open("w"):  # the hook is let go
        wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    ocipy("delete", "--force", container, status=0)
