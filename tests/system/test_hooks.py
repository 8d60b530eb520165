"""Hooks of all six kinds: order, what they are given, what a failure does."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.system.runtime import until, wait_ended

pytestmark = pytest.mark.root

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
RUNTIME_KINDS = ("prestart", "createRuntime", "poststart", "poststop")
FOREVER = ("sleep", "1000")
IGNORED_BY_PYTHON = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)


@pytest.fixture
def notes(tmp_path):
    """A directory that hooks write to; the container's own find it at the same path."""
    directory = tmp_path / "notes"
    directory.mkdir()
    return directory


def hook(script, *args, env=("PATH=/bin:/usr/bin",), **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script, *args], "env": list(env), **more}


def with_hooks(notes=None, **hooks):
    """Sets the hooks, and binds the notes into the container for its own (after pivot_root) to write to."""

    def change(config):
        config["hooks"] = hooks
        if notes:
            mount = {"destination": str(notes), "source": str(notes), "options": ["bind"]}
            config["mounts"].append(mount)

    return change


def note(notes, text):
    return hook(f"echo {text} >> {notes}/log")


def lines(notes):
    log = notes / "log"
    return log.read_text().split() if log.exists() else []


def bundle_writing_to(bundle, notes, *args, **hooks):
    """The notes' path has to exist in the root filesystem, which is read-only: a copy."""
    path = bundle(*args, own_rootfs=True, change=with_hooks(notes, **hooks))
    (path / "rootfs" / str(notes).lstrip("/")).mkdir(parents=True)
    return path


def test_order(ocipy, bundle, notes):
    hooks = {kind: [note(notes, f"{kind}-{number}") for number in range(2)] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, "sh", "-c", f"echo program >> {notes}/log; sleep 1000", **hooks)
    container = ocipy.create(path)
    created = [f"{kind}-{number}" for kind in KINDS[:3] for number in range(2)]
    assert lines(notes) == created
    ocipy("start", container, status=0)
    until(lambda: "program" in lines(notes), "the program")
    started = lines(notes)[len(created) :]
    assert started[:2] == ["startContainer-0", "startContainer-1"]
    assert [line for line in started if line != "program"][2:] == ["poststart-0", "poststart-1"]
    ocipy("delete", "--force", container, status=0)
    assert lines(notes)[-2:] == ["poststop-0", "poststop-1"]


def test_state_on_stdin(ocipy, bundle, notes):
    """The pid is the runtime's, or in the container's own PID namespace 1 (which is how that one sees it)."""
    hooks = {kind: [hook(f"cat > {notes}/{kind}")] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    config = json.loads((path / "config.json").read_text())
    config["annotations"] = {"key": 'a "value" ünïcode'}
    (path / "config.json").write_text(json.dumps(config))
    container = ocipy.create(path)
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    ocipy("delete", "--force", container, status=0)
    states = {kind: json.loads((notes / kind).read_text()) for kind in KINDS}
    for kind, state in states.items():
        assert state["ociVersion"] == config["ociVersion"], kind
        assert state["id"] == container
        assert state["bundle"] == str(path)
        assert state["annotations"] == config["annotations"]
    assert {kind: state["status"] for kind, state in states.items()} == {
        "prestart": "creating",
        "createRuntime": "creating",
        "createContainer": "creating",
        "startContainer": "created",
        "poststart": "running",
        "poststop": "stopped",
    }
    assert {kind: state.get("pid") for kind, state in states.items()} == {
        "prestart": pid,
        "createRuntime": pid,
        "createContainer": 1,
        "startContainer": 1,
        "poststart": pid,
        "poststop": None,
    }


def test_namespaces(ocipy, bundle, notes):
    hooks = {kind: [hook(f"readlink /proc/self/ns/mnt > {notes}/{kind}")] for kind in KINDS}
    container = ocipy.create(bundle_writing_to(bundle, notes, *FOREVER, **hooks))
    ocipy("start", container, status=0)
    own = os.readlink(f"/proc/{ocipy.pid(container)}/ns/mnt")
    ocipy("delete", "--force", container, status=0)
    host = os.readlink("/proc/self/ns/mnt")
    seen = {kind: (notes / kind).read_text().strip() for kind in KINDS}
    assert seen == {kind: host if kind in RUNTIME_KINDS else own for kind in KINDS}


def test_arguments_and_environment(ocipy, bundle, notes):
    script = (
        f'echo "$0 $1 $2" > {notes}/args-$KIND; env > {notes}/env-$KIND; cat /proc/self/status > {notes}/status-$KIND'
    )
    hooks = {
        kind: [hook(script, "name", "a b", "c", env=["PATH=/bin:/usr/bin", f"KIND={kind}", "X=1=2", "EMPTY="])]
        for kind in KINDS
    }
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    ocipy.run(bundle_with_program(path, "true"), status=0, env={"OF_THE_RUNTIME": "yes"})
    for kind in KINDS:
        assert (notes / f"args-{kind}").read_text() == "name a b c\n"
        environment = dict(line.split("=", 1) for line in (notes / f"env-{kind}").read_text().splitlines())
        assert {"KIND": kind, "X": "1=2", "EMPTY": ""}.items() <= environment.items()
        assert "OF_THE_RUNTIME" not in environment
        status = dict(
            line.split(":\t", 1) for line in (notes / f"status-{kind}").read_text().splitlines() if ":\t" in line
        )
        assert int(status["SigBlk"], 16) == 0, "run's own blocked signals"
        assert int(status["SigIgn"], 16) & IGNORED_BY_PYTHON == 0


def bundle_with_program(path, *args):
    config = json.loads((path / "config.json").read_text())
    config["process"]["args"] = list(args)
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_no_args_means_the_path(ocipy, bundle, tmp_path):
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\necho $0 $# > {tmp_path}/args\n")
    script.chmod(0o755)
    ocipy.run(bundle(change=with_hooks(createRuntime=[{"path": str(script)}])), status=0)
    assert (tmp_path / "args").read_text() == f"{script} 0\n"


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_a_failure_before_create_is_done(ocipy, bundle, notes, kind):
    hooks = {kind: [note(notes, "first"), hook("echo it broke >&2; exit 3"), note(notes, "third")]}
    path = bundle_writing_to(bundle, notes, *FOREVER, poststop=[note(notes, "poststop")], **hooks)
    container = ocipy.new_id()
    message = ocipy.refused(path, container)
    assert message.startswith(f"error running {kind} hook #1: ")
    assert "/bin/sh: exit status 3: it broke" in message
    assert lines(notes) == ["first", "poststop"]
    assert ocipy.left() == []


def test_a_failing_start_container_hook(ocipy, bundle, notes):
    """start fails, and the program never runs (runtime.md, Lifecycle, step 8)."""
    hooks = {"startContainer": [hook("echo it; echo broke; exit 3")], "poststop": [note(notes, "poststop")]}
    path = bundle_writing_to(bundle, notes, "sh", "-c", f"echo program >> {notes}/log", **hooks)
    container = ocipy.create(path)
    message = ocipy.fails("start", container)
    assert message.startswith("error running startContainer hook #0: ")
    assert "/bin/sh: exit status 3: it; broke" in message
    assert ocipy.status(container) == "stopped"
    assert lines(notes) == []
    ocipy("delete", container, status=0)
    assert lines(notes) == ["poststop"]


@pytest.mark.parametrize("command", ["run", "run -d"])
def test_a_failing_start_container_hook_undoes_run(ocipy, bundle, notes, command):
    hooks = {"startContainer": [hook("exit 1")], "poststop": [note(notes, "poststop")]}
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    assert "startContainer hook #0" in ocipy.refused(path, command=command)
    assert ocipy.left() == []
    assert lines(notes) == ["poststop"]


def test_a_failing_poststart_hook_kills_the_container(ocipy, bundle, notes):
    hooks = {
        "poststart": [hook("echo it; echo broke >&2; exit 3"), note(notes, "second")],
        "poststop": [note(notes, "poststop")],
    }
    container = ocipy.create(bundle(*FOREVER, change=with_hooks(**hooks)))
    pid = ocipy.pid(container)
    message = ocipy.fails("start", container)
    assert message.startswith("error running poststart hook #0: ")
    assert "it; broke" in message
    wait_ended(pid)
    assert ocipy.status(container) == "stopped"
    ocipy("delete", container, status=0)
    assert lines(notes) == ["poststop"]


def test_a_failing_poststop_hook_is_a_warning(ocipy, bundle, notes):
    hooks = {"poststop": [hook("echo it broke >&2; exit 3"), note(notes, "second")]}
    container = ocipy.create(bundle(*FOREVER, change=with_hooks(**hooks)))
    done = ocipy("delete", container, status=0)
    assert "level=warning" in done.stderr
    assert "error running poststop hook #0: " in done.stderr
    assert "it broke" in done.stderr
    assert lines(notes) == ["second"]
    assert ocipy.left() == []


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
@pytest.mark.parametrize("daemon", [False, True])
def test_a_timeout_kills_the_whole_group(ocipy, bundle, notes, kind, daemon):
    """What the hook started as well, and whether or not the output is held open."""
    script = f"sleep 1000 & echo $! $$ > {notes}/pids; wait"
    if daemon:
        script = f"exec >/dev/null 2>&1; {script}"
    namespaces = {"pid"} if kind == "createContainer" else set()

    def change(config):
        with_hooks(notes, **{kind: [hook(script, timeout=1)]})(config)
        config["linux"]["namespaces"] = [
            each for each in config["linux"]["namespaces"] if each["type"] not in namespaces
        ]

    path = bundle(*FOREVER, own_rootfs=True, change=change)
    (path / "rootfs" / str(notes).lstrip("/")).mkdir(parents=True)
    message = ocipy.refused(path)
    assert message == f"error running {kind} hook #0: /bin/sh still ran after 1 s and was killed"
    for pid in map(int, (notes / "pids").read_text().split()):
        until(lambda pid=pid: is_gone(pid), f"the end of process {pid}")


def is_gone(pid):
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_cannot_be_started(ocipy, bundle, kind):
    path = bundle(*FOREVER, change=with_hooks(**{kind: [{"path": "/no/such/hook"}]}))
    container = ocipy.expect(ocipy.new_id())
    done = ocipy("create", "-b", path, container)
    if done.returncode == 0:
        done = ocipy("start", container)
    if done.returncode == 0:
        done = ocipy("delete", "--force", container, status=0)
    assert f"error running {kind} hook #0: " in done.stderr
    assert "/no/such/hook" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == (0 if kind == "poststop" else 1)


def test_a_hook_ended_by_a_signal(ocipy, bundle):
    message = ocipy.refused(bundle(change=with_hooks(createRuntime=[hook("kill -9 $$")])))
    assert "signal 9" in message


def test_a_hook_that_reads_no_stdin_and_one_that_says_much(ocipy, bundle):
    """More output than a pipe holds, and a state that doesn't fit in one."""
    loud = hook(
        "exec <&-; i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done"
    )

    def change(config):
        with_hooks(createRuntime=[loud], createContainer=[loud], poststart=[loud])(config)
        config["annotations"] = {f"key-{number}": "x" * 1000 for number in range(100)}

    ocipy.run(bundle("true", change=change), status=0)


def test_prestart_may_move_the_network(ocipy, bundle, notes):
    """What the hook is there for: the namespaces exist by then."""
    script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net"
    container = ocipy.create(bundle(*FOREVER, change=with_hooks(prestart=[hook(f"{script} > {notes}/net")])))
    assert (notes / "net").read_text().strip() == os.readlink(f"/proc/{ocipy.pid(container)}/ns/net")
