"""What engines do again, too late, or after a reboot: no strange error, and nothing left."""

import json
import os
import socket
import subprocess

import pytest

from ocipy.init_process import open_pidfd
from ocipy.state import process_stat
from tests.system.hooking import bundle_writing_to, lines, note
from tests.system.runtime import RUNTIME, cgroups_of, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


def with_terminal(config):
    config["process"]["terminal"] = True


def state_of(ocipy, container):
    return json.loads((ocipy.root / container / "state.json").read_text())


def end(ocipy, container):
    """Kill it; its pid, which is free by then."""
    pid = ocipy.pid(container)
    ocipy("kill", container, "KILL", status=0)
    wait_ended(pid)
    return pid


def test_delete_of_what_is_not_there(ocipy):
    """Neither the root directory nor the container; and nothing is made."""
    for _ in range(2):
        done = ocipy("delete", "--force", "nobody", status=0)
        assert (done.stdout, done.stderr) == ("", "")
    assert not ocipy.root.exists()


def test_delete_by_force_without_the_global_options_of_create(ocipy, bundle):
    """podman gives create and start its --runtime-flag, and delete none."""
    container = ocipy.new_id()
    ocipy("--debug", "--log", "/dev/null", "create", "--bundle", bundle(*FOREVER), container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert ocipy.left() == []


@pytest.mark.parametrize("started", [True, False])
def test_an_empty_environment(ocipy, bundle, notes, started):
    """podman's cleanup has neither PATH nor HOME; the hooks have an environment of their own."""
    path = bundle_writing_to(bundle, notes, *FOREVER, poststop=[note(notes, "gone")])
    container = (ocipy.start if started else ocipy.create)(path)
    done = ocipy("delete", "--force", container, env={}, status=0)
    assert (done.stdout, done.stderr) == ("", "")
    assert lines(notes) == ["gone"]
    assert ocipy.left() == []


def test_commands_on_what_has_ended(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    end(ocipy, container)
    for _ in range(2):
        assert ocipy.fails("kill", container, "15") == "container not running"
        for option in ("--all", "-a"):
            assert ocipy("kill", option, container, "9", status=0).stderr == ""
    assert ocipy("ps", "--format", "json", container, status=0).stdout == "null\n"
    done = ocipy("update", "--resources", "-", container, stdin=None, input=b"{}", status=1)
    assert done.stderr == "ocipy: container not running\n"
    assert ocipy.state(container)["pid"] == 0
    ocipy("delete", container, status=0)
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize("command", ["create", "run -d"])
def test_a_terminal_without_a_console_socket(ocipy, bundle, command):
    message = ocipy.refused(bundle(*FOREVER, change=with_terminal), command=command)
    assert message.startswith("cannot allocate tty if ocipy will detach without setting console socket")
    assert ocipy.left() == []


@pytest.mark.parametrize("command", ["create", "run -d", "run"])
def test_a_console_socket_without_a_terminal(ocipy, bundle, command):
    assert "cannot use console socket" in ocipy.fails(
        *command.split(), "--console-socket", "/x", "-b", bundle(), ocipy.new_id()
    )
    assert ocipy.left() == []


def reboot(ocipy, container, test_name, **changes):
    """As if the machine had been started anew: no process and no cgroup, but the state directory lay on a disk."""
    found = state_of(ocipy, container)
    for directory in reversed(cgroups_of(test_name)):
        directory.rmdir()
    (ocipy.root / container / "state.json").write_text(json.dumps(found | changes))


@pytest.mark.parametrize("started", [True, False])
def test_a_state_directory_from_before_a_reboot(ocipy, bundle, test_name, started):
    container = (ocipy.start if started else ocipy.create)(bundle(*FOREVER))
    end(ocipy, container)
    reboot(ocipy, container, test_name)
    assert ocipy.status(container) == "stopped"
    assert ocipy.fails("start", container) == "cannot start a container that has stopped"
    assert ocipy.fails("kill", container) == "container not running"
    ocipy("kill", "--all", container, "9", status=0)
    assert ocipy("ps", "-f", "json", container, status=0).stdout == "null\n"
    assert [each["status"] for each in json.loads(ocipy("list", "-f", "json", status=0).stdout)] == ["stopped"]
    assert "stopped" in ocipy.fails("exec", container, "true", status=255)
    ocipy("delete", container, status=0)
    assert ocipy.left() == []


@pytest.mark.parametrize("started", [True, False])
def test_another_process_has_the_pid_after_a_reboot(ocipy, bundle, test_name, started):
    """It started at another time, is in other cgroups and namespaces; nothing of ours touches it."""
    container = (ocipy.start if started else ocipy.create)(bundle(*FOREVER))
    end(ocipy, container)
    with subprocess.Popen(["sleep", "1000"]) as other:
        reboot(ocipy, container, test_name, init_process_pid=other.pid)
        assert process_stat(other.pid).start_time != state_of(ocipy, container)["init_process_start"]
        try:
            assert ocipy.status(container) == "stopped"
            assert ocipy.fails("kill", container, "KILL") == "container not running"
            ocipy("kill", "--all", container, "KILL", status=0)
            assert "stopped" in ocipy.fails("exec", container, "true", status=255)
            assert ocipy.fails("start", container) == "cannot start a container that has stopped"
            ocipy("delete", "--force", container, status=0)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_cgroup_that_somebody_removed(ocipy, bundle, test_name):
    """systemd does, when the last process of a scope has ended."""
    container = ocipy.start(bundle(*FOREVER))
    end(ocipy, container)
    for directory in reversed(cgroups_of(test_name)):
        directory.rmdir()
    assert ocipy("kill", "--all", container, "9", status=0).stderr == ""
    assert ocipy("delete", container, status=0).stderr == ""


def test_a_start_that_comes_after_the_end_of_init(ocipy, bundle):
    """The socket is there, and nobody listens."""
    container = ocipy.create(bundle(*FOREVER))
    end(ocipy, container)
    assert (ocipy.root / container / "init.sock").is_socket()
    for _ in range(2):
        assert ocipy.fails("start", container) == "cannot start a container that has stopped"
    ocipy("delete", container, status=0)


def test_delete_while_start_waits_for_the_program_to_be_ready(ocipy, bundle, tmp_path):
    """start holds no lock then, and ends with the container."""
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environment["NOTIFY_SOCKET"])
        path = bundle(*FOREVER, own_rootfs=True)
        (path / "rootfs/run/notify").mkdir(parents=True)
        container = ocipy.create(path, env=environment)
        pidfd = open_pidfd(ocipy.pid(container))
        with subprocess.Popen([RUNTIME, "--root", str(ocipy.root), "start", container], env=environment) as process:
            while ocipy.status(container) != "running":
                assert process.poll() is None
            assert process.poll() is None
            ocipy("delete", "--force", container, status=0)
            assert process.wait(10) == 0
        os.close(pidfd)
    assert ocipy.left() == []


def test_global_options_come_before_the_command(ocipy, bundle, tmp_path):
    """As with runc: after it they are the command's, which has none of that name."""
    log = tmp_path / "log"
    container = ocipy.create(bundle(*FOREVER))
    ocipy("--log-format=json", "--debug", "--log", log, "--systemd-cgroup=false", "state", container, status=0)
    for option in ("--log", "--root"):
        assert ocipy.fails("state", option, tmp_path / "x", container) == f"unknown option {option}"
    assert not (tmp_path / "x").exists()
