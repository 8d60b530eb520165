"""Hooks that fail, hang, or leave things behind: the outcome of each kind (runtime.md, Lifecycle)."""

import itertools
import os
import signal
from pathlib import Path

import pytest

from tests.system.hooking import FOREVER, KINDS, RUNTIME_KINDS, bundle_writing_to, hook, lines, note, with_hooks
from tests.system.looking import read_config, set_namespaces, together, write_config
from tests.system.runtime import until, wait_ended

pytestmark = pytest.mark.root


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


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_a_failure_in_start(ocipy, bundle, notes, kind):
    """start fails; the container is stopped, destroyed, and the poststop hooks run (runtime.md, Lifecycle, 7 and 9)."""
    hooks = {
        kind: [note(notes, "first"), hook("echo it; echo broke >&2; exit 3"), note(notes, "third")],
        "poststop": [note(notes, "poststop")],
    }
    program = "sleep 1000" if kind == "poststart" else f"echo program >> {notes}/log"
    container = ocipy.create(bundle_writing_to(bundle, notes, "sh", "-c", program, **hooks))
    pid = ocipy.pid(container)
    message = ocipy.fails("start", container)
    assert message == f"error running {kind} hook #1: /bin/sh: exit status 3: it; broke"
    assert lines(notes) == ["first", "poststop"]
    assert ocipy.left() == []
    wait_ended(pid)
    assert ocipy.fails("state", container) == f"container {container!r} does not exist"


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
@pytest.mark.parametrize("command", ["run", "run -d", "run --keep"])
def test_a_failure_in_start_undoes_run(ocipy, bundle, notes, command, kind):
    hooks = {kind: [hook("exit 1")], "poststop": [note(notes, "poststop")]}
    path = bundle_writing_to(bundle, notes, *FOREVER, **hooks)
    assert f"{kind} hook #0" in ocipy.refused(path, command=command)
    assert ocipy.left() == []
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


SCRIPTS = {
    "what it started": "sleep 1000 & echo $! $$ > NOTES/pids; wait",
    "its output closed": "exec >/dev/null 2>&1; sleep 1000 & echo $! $$ > NOTES/pids; wait",
    "SIGTERM ignored": "trap '' TERM HUP INT; sleep 1000 & echo $! $$ > NOTES/pids; wait",
    "another process group": "set -m; sleep 1000 & echo $! $$ > NOTES/pids; wait",
    "the state not read": "echo $$ > NOTES/pids; exec sleep 1000",
}


@pytest.mark.parametrize(
    ("kind", "script"),
    [*((kind, "what it started") for kind in KINDS), *itertools.product(("createRuntime", "createContainer"), SCRIPTS)],
)
def test_a_timeout(ocipy, bundle, notes, kind, script):
    """The whole session is killed, and nothing keeps the runtime waiting: the state is larger than a pipe."""

    def change(config):
        with_hooks(notes, **{kind: [hook(SCRIPTS[script].replace("NOTES", str(notes)), timeout=1)]})(config)
        config["annotations"] = {"key": "x" * 100_000}

    # Not a PID namespace of its own, so that the pids are the host's.
    path = bundle(*FOREVER, own_rootfs=True, change=together(change, set_namespaces(pid=None)))
    (path / "rootfs" / str(notes).lstrip("/")).mkdir(parents=True)
    expected = f"error running {kind} hook #0: /bin/sh still ran after 1 s and was killed"
    if kind == "poststop":
        container = ocipy.create(path)
        assert expected in ocipy("delete", container, status=0).stderr
    else:
        assert ocipy.refused(path, command="run") == expected
    for pid in map(int, (notes / "pids").read_text().split()):
        until(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    assert ocipy.left() == []


def test_a_timeout_in_a_pid_namespace(ocipy, bundle, notes):
    script = f"setsid sleep 1000 & echo $$ > {notes}/pid; wait"
    path = bundle_writing_to(bundle, notes, *FOREVER, startContainer=[hook(script, timeout=1)])
    expected = "error running startContainer hook #0: /bin/sh still ran after 1 s and was killed"
    assert ocipy.refused(path, command="run") == expected
    assert (notes / "pid").read_text() == "2\n"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_hook_leaves_behind_is_not_waited_for(ocipy, bundle, notes, kind):
    """A daemon that holds the pipe of the hook's output."""
    # A program of its own might be looked for when the container's root is half made.
    os.mkfifo(notes / "silent")
    script = f"read line < {notes}/silent & echo $! > {notes}/pid; echo done"
    path = bundle_writing_to(bundle, notes, *FOREVER, **{kind: [hook(script)]})
    use_host_pids(path)
    container = ocipy.create(path)
    ocipy("start", container, status=0)
    pid = (notes / "pid").exists() and int((notes / "pid").read_text())
    if kind != "poststop":
        assert not is_gone(pid)
    ocipy("delete", "--force", container, status=0)
    pid = int((notes / "pid").read_text())
    if kind in RUNTIME_KINDS:
        os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid), "its end")


def use_host_pids(path):
    config = read_config(path)
    set_namespaces(pid=None)(config)
    write_config(path, config)


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


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_hook_ended_by_a_signal(ocipy, bundle, kind):
    message = ocipy.refused(bundle(*FOREVER, change=with_hooks(**{kind: [hook("kill -9 $$")]})), command="run")
    assert message == f"error running {kind} hook #0: /bin/sh: signal 9"


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_the_error_has_the_end_of_what_it_said(ocipy, bundle, kind):
    script = "i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done; echo the reason >&2; exit 1"
    message = ocipy.refused(bundle(*FOREVER, change=with_hooks(**{kind: [hook(script)]})))
    assert message.endswith("line 8998; line 8999; the reason")
    assert "line 8900;" not in message


@pytest.mark.parametrize(
    ("member", "value", "pointer", "words"),
    [
        ("env", ["A=b", "novalue"], "/env/1", "expected NAME=value, got 'novalue'"),
        ("env", ["=x"], "/env/0", "expected NAME=value, got '=x'"),
        ("timeout", 0, "/timeout", "expected a whole number, 1 or more"),
        ("timeout", -1, "/timeout", "expected a whole number, 1 or more"),
        ("path", "sh", "/path", "expected an absolute path, got 'sh'"),
    ],
)
def test_refused_before_anything_is_made(ocipy, bundle, member, value, pointer, words):
    message = ocipy.refused(bundle(change=with_hooks(createRuntime=[hook("true") | {member: value}])))
    assert f"/hooks/createRuntime/0{pointer} (line 1" in message
    assert words in message
    assert ocipy.left() == []


def test_a_hook_that_reads_no_stdin_and_one_that_says_much(ocipy, bundle):
    """More output than a pipe holds, and a state that doesn't fit in one."""
    loud = hook(
        "exec <&-; i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done"
    )

    def change(config):
        with_hooks(**{kind: [loud] for kind in KINDS})(config)
        config["annotations"] = {f"key-{number}": "x" * 1000 for number in range(100)}

    ocipy.run(bundle("true", change=change), status=0)
