"""Errors in the words that engines act on: each engine's own test of a text, on what the command really says.

What is matched was read in containerd (pkg/process/utils.go, init.go), podman (libpod/oci_util.go,
oci_conmon_common.go, container_api.go), moby (daemon/errors.go) and CRI-O (internal/oci/runtime_oci.go);
docs/engine-texts.md lists it.
"""

import json
import re

import pytest

from tests.system.hooking import hook, with_hooks
from tests.system.looking import set_process
from tests.system.runtime import REPOSITORY, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
DOCUMENT = (REPOSITORY / "docs/engine-texts.md").read_text()


def containerd(text):
    """What its shim makes of an error of kill, and of delete."""
    if "os: process already finished" in text or "container not running" in text or "no such process" in text.lower():
        return "finished"
    return "no container" if "does not exist" in text else "unknown"


def crio(text):
    words = ("no such process", "container not running", "invalid process")
    return "not found" if any(word in text for word in words) else "unknown"


def podman_kill(text):
    words = ("container not running", "open pidfd: No such process", "kill container: No such process")
    return "ignored" if any(word in text for word in words) else "shown"


def podman_state(text):
    return "gone" if "does not exist" in text or "No such file" in text else "unknown"


def podman_start(text):
    """The exit status."""
    if re.search("(?i)permission denied|operation not permitted", text):
        return 126
    return 127 if re.search("(?i)executable file not found in|no such file or directory|open executable", text) else 125


def moby_start(text):
    """The exit status; the older and the newer rule in one: a text has to satisfy both."""
    text, status = text.lower(), 128
    missing = ("executable file not found", "no such file or directory", "system cannot find the file specified")
    if "/program" in text and any(words in text for words in missing):
        status = 127
    return 126 if "permission denied" in text else status


@pytest.fixture
def says(ocipy, tmp_path):
    """``says("kill", id)``: the one line of the error on stderr, which is also the last error in the log."""

    def run(*argv, status=1):
        log = tmp_path / "log.json"
        log.unlink(missing_ok=True)
        done = ocipy("--log", log, "--log-format", "json", *argv, status=status)
        assert done.stderr.startswith("ocipy: ")
        assert done.stderr.count("\n") == 1
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        said = done.stderr.removeprefix("ocipy: ").removesuffix("\n")
        assert [line["msg"] for line in lines if line["level"] == "error"] == [said]
        return said

    return run


@pytest.fixture
def stopped(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    pid = ocipy.pid(container)
    ocipy("kill", container, "KILL", status=0)
    wait_ended(pid)
    return container


@pytest.fixture
def programs(bundle):
    """``programs("missing")``: a bundle whose program is /program, which is missing, or can't be executed, …"""

    def make(kind):
        path = bundle("/program", own_rootfs=True)
        program = path / "rootfs/program"
        if kind == "directory":
            program.mkdir()
        elif kind != "missing":
            program.write_text("#!/no/interpreter\n" if kind == "no interpreter" else "")
            program.chmod(0o755 if kind == "no interpreter" else 0o644)
        return path

    return make


def documented(text):
    """The words stand in the document, so that it can't promise others."""
    assert f"`{text}`" in DOCUMENT, text


def test_kill_of_a_stopped_container(says, stopped):
    text = says("kill", stopped, "TERM")
    documented(text)
    assert (containerd(text), crio(text), podman_kill(text)) == ("finished", "not found", "ignored")


def test_kill_all_of_a_stopped_container(ocipy, stopped):
    """containerd does it after each end of a container's init, CRI-O of one in the host's PID namespace."""
    ocipy("kill", "-a", stopped, "9", status=0)
    ocipy("kill", "--all", stopped, "9", status=0)


@pytest.mark.parametrize("command", ["kill", "delete", "state", "start", "pause", "resume", "ps", "update"])
def test_an_unknown_container(says, command):
    text = says(command, "nobody")
    documented(text.replace("'nobody'", "'ID'"))
    assert (containerd(text), podman_state(text)) == ("no container", "gone")


@pytest.mark.parametrize(
    ("kind", "words", "status"),
    [
        ("missing", "exec /program: no such file or directory", 127),
        ("no interpreter", "exec /program: no such file or directory", 127),
        ("not executable", "exec /program: permission denied", 126),
        ("directory", "exec /program: permission denied", 126),
    ],
)
@pytest.mark.parametrize("command", ["create", "run", "exec"])
def test_a_program_that_cannot_be_run(ocipy, says, programs, kind, words, status, command):
    path = programs(kind)
    if command == "exec":
        config = json.loads((path / "config.json").read_text())
        config["process"]["args"] = list(FOREVER)
        (path / "config.json").write_text(json.dumps(config))
        text = says("exec", ocipy.start(path), "/program", status=status)
    elif kind == "no interpreter" and command == "create":
        text = says("start", ocipy.create(path))  # known at its execve
    else:
        text = says(command, "--bundle", path, ocipy.new_id())
    assert text.startswith(words)
    documented(words.replace("/program", "PATH"))
    assert (podman_start(text), moby_start(text)) == (status, status)


@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_program_that_no_directory_of_path_has(ocipy, says, bundle, command):
    if command == "exec":
        text = says("exec", ocipy.start(bundle(*FOREVER)), "no-program", status=127)
    else:
        text = says("create", "--bundle", bundle("no-program"), ocipy.new_id())
    assert text == "exec no-program: executable file not found in $PATH"
    documented(text.replace("no-program", "NAME"))
    assert (podman_start(text), moby_start(text.replace("no-program", "/program"))) == (127, 127)


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_failing_hook(says, bundle, kind):
    """Its own words are in it: they are what the engine's user has to read."""
    path = bundle(*FOREVER, change=with_hooks(**{kind: [hook("echo its own words >&2; exit 3")]}))
    text = says("run", "-d", "--bundle", path, "hooked")
    assert text.startswith(f"error running {kind} hook #0: ")
    documented("error running createRuntime hook #0: …")
    assert "its own words" in text
    assert "exit status 3" in text


def test_exec_where_it_cannot_be(ocipy, says, bundle, stopped):
    container = ocipy.start(bundle(*FOREVER))
    ocipy("pause", container, status=0)
    for each, state in ((container, "paused"), (stopped, "stopped")):
        assert says("exec", each, "true", status=255).startswith(f"cannot exec in a {state} container")
        documented(f"cannot exec in a {state} container")
    ocipy("resume", container, status=0)


def test_other_states(ocipy, says, bundle, stopped):
    container = ocipy.start(bundle(*FOREVER))
    found = [
        says("start", container),
        says("start", stopped),
        says("delete", container).replace(container, "ID"),
        says("create", "--bundle", bundle(), container).replace(container, "ID"),
        says("resume", container),
        says("pause", stopped),
    ]
    for text in found:
        documented(text)


def test_a_capability_that_cannot_be_ambient(ocipy, bundle, tmp_path):
    """A warning, in the log alone."""
    sets = {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"]}
    path, log = bundle("true", change=set_process(capabilities=sets)), tmp_path / "log.json"
    ocipy("--log", log, "--log-format", "json", "run", "--bundle", path, ocipy.new_id(), status=0)
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert line["level"] == "warning"
    assert line["msg"].startswith("can't raise ambient capability CAP_CHOWN: ")
    documented("can't raise ambient capability CAP_X: …")
