"""Hooks of all six kinds: when and where they run, and what they are given (config.md, runtime.md: Lifecycle)."""

import json
import os
import signal

import pytest

from tests.system.hooking import (
    FOREVER,
    KINDS,
    RUNTIME_KINDS,
    bundle_writing_to,
    hook,
    lines,
    note,
    use_program,
    with_hooks,
)  # fmt: skip
from tests.system.looking import NAMESPACES
from tests.system.runtime import RUNTIME, until

pytestmark = pytest.mark.root

IGNORED_BY_PYTHON = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)


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
    script = "for n in mnt net ipc uts pid; do readlink /proc/self/ns/$n; done"
    hooks = {kind: [hook(f"{script} > {notes}/{kind}")] for kind in KINDS}
    container = ocipy.create(bundle_writing_to(bundle, notes, *FOREVER, **hooks))
    ocipy("start", container, status=0)
    kinds = ("mnt", "net", "ipc", "uts", "pid")
    assert set(kinds) < set(NAMESPACES.values())
    own = [os.readlink(f"/proc/{ocipy.pid(container)}/ns/{kind}") for kind in kinds]
    ocipy("delete", "--force", container, status=0)
    host = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    seen = {kind: (notes / kind).read_text().split() for kind in KINDS}
    assert seen == {kind: host if kind in RUNTIME_KINDS else own for kind in KINDS}


def test_where_the_path_is_looked_up(ocipy, bundle, notes):
    """In the runtime's mount namespace, but for startContainer: its path is one of the root filesystem."""
    path = bundle_writing_to(bundle, notes, *FOREVER)
    script = path / "hook"
    script.write_text(f"#!/bin/sh\necho $1 >> {notes}/log\n")
    inside = path / "rootfs/hook"
    inside.write_text(script.read_text())
    for file in (script, inside):
        file.chmod(0o755)
    config = json.loads((path / "config.json").read_text())
    config["hooks"] = {
        kind: [{"path": "/hook" if kind == "startContainer" else str(script), "args": ["hook", kind]}] for kind in KINDS
    }
    (path / "config.json").write_text(json.dumps(config))
    container = ocipy.create(path)
    ocipy("start", container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert lines(notes) == list(KINDS)


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_before_the_pivot(ocipy, bundle, notes, kind):
    """The namespaces are there and the mounts are done, below the root filesystem's path on the host."""
    process = "self" if kind == "createContainer" else "$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')"
    path = bundle(*FOREVER, change=with_hooks(**{kind: [hook(f"cat /proc/{process}/mountinfo > {notes}/mounts")]}))
    ocipy.create(path)
    places = [line.split()[4] for line in (notes / "mounts").read_text().splitlines()]
    rootfs = json.loads((path / "config.json").read_text())["root"]["path"]
    assert "/" in places
    assert {f"{rootfs}/proc", f"{rootfs}/dev", f"{rootfs}/sys"} <= set(places)


def test_poststart_comes_after_the_program_was_executed(ocipy, bundle, notes):
    script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); tr '\\0' ' ' < /proc/$pid/cmdline"
    container = ocipy.create(bundle(*FOREVER, change=with_hooks(poststart=[hook(f"{script} > {notes}/line")])))
    ocipy("start", container, status=0)
    assert (notes / "line").read_text() == "sleep 1000 "


@pytest.mark.parametrize("forced", [True, False])
def test_poststop_comes_after_the_container_is_gone(ocipy, bundle, notes, test_name, forced):
    """Its processes, its cgroup, its state; and before delete returns."""
    script = f"ls /sys/fs/cgroup/*/{test_name} /sys/fs/cgroup/{test_name} {ocipy.root}/*-* > {notes}/left 2>/dev/null"
    path = bundle("sleep" if forced else "true", "1000", change=with_hooks(poststop=[hook(f"{script}; sleep 0.1")]))
    container = ocipy.create(path)
    pid = ocipy.pid(container)
    ocipy("start", container, status=0)
    if not forced:
        until(lambda: ocipy.status(container) == "stopped")
    ocipy("delete", *["--force"] * forced, container, status=0)
    assert (notes / "left").read_text() == ""
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_what_changes_in_config_json_afterwards_has_no_effect(ocipy, bundle, notes):
    """runtime.md, Lifecycle, 2."""
    hooks = {kind: [note(notes, kind)] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    container = ocipy.create(path)
    config = json.loads((path / "config.json").read_text())
    config["hooks"] = {kind: [note(notes, "changed")] for kind in KINDS}
    config["process"]["args"] = ["sh", "-c", f"echo changed >> {notes}/log"]
    (path / "config.json").write_text(json.dumps(config))
    ocipy("start", container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert lines(notes) == list(KINDS)


def test_what_else_a_hook_is_given(ocipy, bundle, notes):
    """Its three streams and no other descriptor, a session of its own, a umask that keeps others from writing."""
    script = "ls /proc/self/fd; umask; read -r stat < /proc/self/stat; set -- $stat; echo $1; echo $6"
    hooks = {kind: [hook(f"exec > {notes}/{kind}; {script}")] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    (notes / "file").touch()
    container = ocipy.new_id()
    commands = [f"create --preserve-fds 2 -b {path} {container}", f"start {container}", f"delete --force {container}"]
    for command in commands:
        line = f"umask 022; exec {RUNTIME} --root {ocipy.root} {command} 3<{notes}/file 4<{notes}/file"
        ocipy.execute("/bin/sh", "-c", line, status=0)
    for kind in KINDS:
        *fds, umask, process, session = (notes / kind).read_text().splitlines()
        assert fds == ["0", "1", "2", "3"], kind  # 3 is ls's own
        assert umask == "0022"
        assert session == process, kind


def test_a_variable_given_twice(ocipy, bundle, notes):
    hooks = {kind: [hook(f"env > {notes}/{kind}", env=["X=1", "PATH=/bin:/usr/bin", "X=2"])] for kind in KINDS}
    ocipy.run(bundle_writing_to(bundle, notes, "true", **hooks), status=0)
    for kind in KINDS:
        assert [line for line in (notes / kind).read_text().splitlines() if line.startswith("X=")] == ["X=2"], kind


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_output_is_in_the_log(ocipy, bundle, notes, tmp_path, form):
    hooks = {kind: [hook(f"echo {kind} says; echo more >&2")] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, "true", **hooks)
    options = ("--debug", "--log", tmp_path / "log", "--log-format", form)
    container = ocipy.expect(ocipy.new_id())
    ocipy(*options, "create", "--bundle", path, container, status=0)
    for command in (["start"], ["delete", "--force"]):
        ocipy(*options, *command, container, status=0)
    said = [line for line in (tmp_path / "log").read_text().splitlines() if " says; more" in line]
    assert [line.partition(" hook #0 /bin/sh: ")[2].split()[0] for line in said] == list(KINDS)
    assert all(f"level{'=debug' if form == 'text' else chr(34) + ':' + chr(34) + 'debug'}" in line for line in said)
    assert "says" not in ocipy.run(path, status=0).stderr


def test_arguments_and_environment(ocipy, bundle, notes):
    script = (
        f'echo "$0 $1 $2" > {notes}/args-$KIND; env > {notes}/env-$KIND; cat /proc/self/status > {notes}/status-$KIND'
    )
    hooks = {
        kind: [hook(script, "name", "a b", "c", env=["PATH=/bin:/usr/bin", f"KIND={kind}", "X=1=2", "EMPTY="])]
        for kind in KINDS
    }
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    ocipy.run(use_program(path, "true"), status=0, env={"OF_THE_RUNTIME": "yes"})
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


def test_no_args_means_the_path(ocipy, bundle, tmp_path):
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\necho $0 $# > {tmp_path}/args\n")
    script.chmod(0o755)
    ocipy.run(bundle(change=with_hooks(createRuntime=[{"path": str(script)}])), status=0)
    assert (tmp_path / "args").read_text() == f"{script} 0\n"


@pytest.mark.parametrize("kind", RUNTIME_KINDS)
def test_an_empty_name_is_taken(ocipy, bundle, notes, kind):
    """The first of args, which is no more than what the program is told of its name."""
    hooks = {kind: [{"path": "/bin/sh", "args": ["", "-c", f"echo $1 > {notes}/args", "sh", "x"]}]}
    ocipy.run(bundle(change=with_hooks(**hooks)), status=0)
    assert (notes / "args").read_text() == "x\n"


def test_prestart_may_move_the_network(ocipy, bundle, notes):
    """What the hook is there for: the namespaces exist by then."""
    script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net"
    container = ocipy.create(bundle(*FOREVER, change=with_hooks(prestart=[hook(f"{script} > {notes}/net")])))
    assert (notes / "net").read_text().strip() == os.readlink(f"/proc/{ocipy.pid(container)}/ns/net")
