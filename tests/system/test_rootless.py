"""The life of an ordinary user's container: from create to delete, hooks, terminals, in the foreground and detached."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import mount_table, namespace_of, read_config, write_config
from tests.system.rootless import NOBODY
from tests.system.runtime import RUNTIME, change_at, until, wait_ended
from tests.system.terminals import receive

pytestmark = [pytest.mark.root, pytest.mark.rootless]

FOREVER = ("sleep", "1000")
OWN_NAMESPACES = ("ipc", "mount", "pid", "user", "uts")


def hook(script):
    return [{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}]


def test_a_container(as_user):
    script = "id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups; echo $$; hostname; cat /proc/self/mountinfo"
    said = as_user.inside(script)
    uid, gid, *mapping, setgroups, pid, host = said.split()[:8]
    assert (uid, gid, mapping, setgroups, pid, host) == ("0", "0", ["0", str(NOBODY), "1"], "deny", "1", "runc")
    table = mount_table("\n".join(said.splitlines()[6:]))
    assert {name: table[name].kind for name in ("/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue")} == {
        "/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue",
    }  # fmt: skip
    assert "ro" in table["/sys"].options
    assert "ro" in table["/"].options


def test_every_command(as_user):
    path = as_user.bundle(*FOREVER)
    as_user("create", "--bundle", path, "--pid-file", as_user.home / "pid", "c1", status=0)
    state = as_user.state("c1")
    assert (state["status"], state["owner"], state["bundle"]) == ("created", "nobody", str(path))
    assert (as_user.home / "pid").read_text() == str(state["pid"])
    as_user("start", "c1", status=0)
    assert Path(f"/proc/{state['pid']}/comm").read_text() == "sleep\n"
    assert Path(f"/proc/{state['pid']}").stat().st_uid == NOBODY
    for kind in OWN_NAMESPACES:
        assert namespace_of(state["pid"], kind) != namespace_of("self", kind)
    assert as_user.state("c1")["status"] == "running"
    (listed,) = json.loads(as_user("list", "--format", "json", status=0).stdout)
    assert (listed["id"], listed["pid"], listed["owner"]) == ("c1", state["pid"], "nobody")
    assert (
        as_user("delete", "c1", status=1).stderr == "ocipy: cannot delete container c1 that is not stopped: running\n"
    )
    as_user("kill", "c1", "KILL", status=0)
    as_user.wait_stopped("c1")
    assert as_user("delete", "c1", status=0).stderr == ""
    assert as_user.left() == []


def test_detached_and_deleted_by_force(as_user):
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    pid = as_user.state("c1")["pid"]
    as_user("delete", "--force", "c1", status=0)
    wait_ended(pid)


def test_a_created_container_is_deleted(as_user):
    as_user("create", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    as_user("delete", "c1", status=0)


def test_standard_streams_and_exit_status(as_user):
    hello = as_user.home / "hello"
    hello.write_text("hello\n")
    path = as_user.bundle("sh", "-c", "cat; echo error >&2; exit 7")
    with hello.open() as stdin:
        done = as_user("run", "--bundle", path, "c1", stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello\n", "error\n")


def test_a_signal_to_init(as_user):
    path = as_user.bundle("sh", "-c", "trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.01; done")
    done = as_user("run", "-d", "--bundle", path, "c1", status=0)
    until(lambda: done.output.read_text() == "ready\n")
    as_user("kill", "c1", "USR1", status=0)
    as_user.wait_stopped("c1")
    assert done.output.read_text() == "ready\ncaught\n"


def test_two_at_once_and_an_id_in_use(as_user):
    path = as_user.bundle(*FOREVER)
    for name in ("c1", "c2"):
        as_user("run", "-d", "--bundle", path, name, status=0)
    assert as_user("list", "-q", status=0).stdout.split() == ["c1", "c2"]
    done = as_user("create", "--bundle", path, "c1", status=1)
    assert done.stderr == "ocipy: container with id exists already: c1\n"


def test_another_user_sees_nothing(as_user):
    """Not even the ids: the root directory is the user's alone."""
    as_user("create", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    as_user.uid = NOBODY - 1
    done = as_user("--root", as_user.root, "state", "c1", status=1, cwd="/")
    assert done.stderr.startswith("ocipy: ")
    assert "c1" not in as_user("--root", as_user.root, "list", cwd="/").stdout
    as_user.uid = NOBODY


def test_hooks(as_user):
    """Those of the runtime run as the user, those of the container as its root; all have the state on stdin."""
    notes = as_user.home / "notes"
    as_user.execute("mkdir", notes, status=0)

    def change(config):
        script = "cat >> {0}/states; echo >> {0}/states; echo {1} $(id -u) >> {0}/log"
        config["hooks"] = {
            kind: hook(script.format(notes, kind))
            for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
        }
        config["mounts"].append({"destination": str(notes), "source": str(notes), "options": ["bind"]})

    path = as_user.bundle(change=change, own_rootfs=True)
    as_user("run", "--bundle", path, "c1", status=0)
    assert [line.split() for line in (notes / "log").read_text().splitlines()] == [
        ["prestart", str(NOBODY)], ["createRuntime", str(NOBODY)], ["createContainer", "0"], ["startContainer", "0"],
        ["poststart", str(NOBODY)], ["poststop", str(NOBODY)],
    ]  # fmt: skip
    states = [json.loads(line) for line in (notes / "states").read_text().splitlines()]
    assert {state["id"] for state in states} == {"c1"}
    assert (notes / "log").stat().st_uid == NOBODY


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_failing_hook(as_user, kind):
    path = as_user.bundle(*FOREVER, change=lambda config: config.update(hooks={kind: hook("exit 4")}))
    done = as_user("run", "-d", "--bundle", path, "c1", status=1)
    assert done.stderr.startswith(f"ocipy: error running {kind} hook #0")
    assert as_user.left() == []


def test_a_terminal_over_a_console_socket(as_user):
    """It is the container's own, of its devpts, and the user's on the host."""
    path = as_user.bundle("sh", "-c", "tty; stat -c %u /dev/console; read line; echo got $line",
                          change=change_at("process", "terminal", value=True))  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        name = as_user.home / "console.sock"
        listener.bind(str(name))
        listener.listen(1)
        os.chown(name, NOBODY, NOBODY)
        as_user("run", "-d", "--bundle", path, "--console-socket", name, "c1", status=0)
        master, _ = receive(listener)
    try:
        os.write(master, b"x y\n")
        output = b""
        while b"got x y" not in output:
            output += os.read(master, 4096)
    finally:
        os.close(master)
    assert {b"/dev/pts/0", b"0"} <= set(output.split())


def test_a_terminal_in_the_foreground(as_user):
    """``script`` gives the command a terminal; the default config of ``spec --rootless`` asks for one."""
    path = as_user.bundle("sh", "-c", "tty; test -t 0 && test -t 1 && echo both",
                          change=change_at("process", "terminal", value=True))  # fmt: skip
    done = as_user.execute("script", "-qec", f"{RUNTIME} run --bundle {path} c1", "/dev/null", status=0)
    said = done.stdout.replace("^@", "")  # what script(1) types at the end of its input, and the terminal echoes
    assert said == "/dev/pts/0\nboth\n"


def test_a_signal_to_the_foreground(as_user):
    """It goes on to the program, whose exit status is the command's."""
    path = as_user.bundle("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done")
    with as_user.start("run", "--bundle", path, "c1", stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait() == 5
    assert as_user.left() == []


def test_a_failure_leaves_nothing(as_user):
    """After the namespaces and mounts were made."""
    path = as_user.bundle("no-such-program")
    assert as_user.fails("run", "--bundle", path, "c1") == "exec no-such-program: executable file not found in $PATH"


def test_a_rootless_bundle_of_ocipy_bundle(as_user):
    as_user(
        "bundle", "b", "--busybox", "--rootless", "--", "sh", "-c", "id -u; touch /tmp/x && ls -ln /tmp/x", status=0
    )
    done = as_user("run", "--bundle", "b", "c1", status=0)
    assert (done.stdout.split()[0], done.stderr) == ("0", "")
    assert (as_user.home / "b/rootfs/tmp/x").stat().st_uid == NOBODY


def test_what_spec_writes_runs(as_user):
    """Only the arguments are another's; and the terminal, which a test has none of."""
    path = as_user.bundle("id", "-u", own_rootfs=True)
    (path / "config.json").unlink()
    as_user("spec", "--rootless", "--bundle", path, status=0)
    config = read_config(path)
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": NOBODY, "size": 1}]
    config["process"].update(args=["id", "-u"], terminal=False)
    write_config(path, config)
    assert as_user("validate", "--bundle", path, status=0).stdout.startswith(f"{path}/config.json: ok\n")
    assert as_user("run", "--bundle", path, "c1", status=0).stdout == "0\n"


def test_a_bundle_in_a_directory_of_the_user_alone(as_user):
    """The home directory is 0700: the container's root is its owner."""
    assert as_user.home.stat().st_mode & 0o777 == 0o700
    path = as_user.bundle("cat", "/etc/passwd", own_rootfs=True)
    assert as_user("run", "--bundle", path, "c1", status=0).stdout


def test_a_crash_of_the_runtime_takes_the_container_along(as_user):
    """What it had made so far is removed by ``delete --force``."""
    path = as_user.bundle(change=lambda config: config.update(hooks={"createRuntime": hook("sleep 1000")}))
    with as_user.start("run", "--bundle", path, "c1") as process:
        until((as_user.root / "c1/init.sock").exists)
        process.kill()
    as_user("delete", "--force", "c1", status=0)
    assert as_user.left() == []


@pytest.mark.skipif(not Path("/proc/self/timens_offsets").exists(), reason="no time namespaces in this kernel")
def test_clocks(as_user):
    """Its own user namespace gives it the right to set them."""

    def change(config):
        config["linux"]["namespaces"].append({"type": "time"})
        config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000}}

    path = as_user.bundle("cat", "/proc/self/timens_offsets", change=change)
    done = as_user("run", "--bundle", path, "c1", status=0)
    assert (done.stdout.split(), done.stderr) == (["monotonic", "0", "0", "boottime", "1000", "0"], "")


def test_a_source_out_of_the_user_s_reach(as_user, tmp_path):
    """No help comes from a runtime that may not reach it either."""
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "file").touch()
    mount = {"destination": "/tmp", "source": str(hidden / "file"), "options": ["bind"]}
    path = as_user.bundle(change=lambda config: config["mounts"].append(mount))
    line = as_user.fails("run", "--bundle", path, "c1")
    assert line.partition("(/tmp): ")[2] == f"open the source {hidden}/file: EACCES: permission denied"
