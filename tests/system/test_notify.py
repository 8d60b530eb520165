"""NOTIFY_SOCKET: what the program says there reaches the service manager that called the runtime (sd_notify(3))."""

import os
import socket
import subprocess
from array import array
from pathlib import Path

import pytest

from tests.system.looking import add_mounts, bind, in_user_namespace, together
from tests.system.runtime import DEADLINE, RUNTIME, until, wait_ended

pytestmark = pytest.mark.root

# busybox has nothing that sends a datagram to a socket of this kind: Python's, on the host's root filesystem.
SAYS = """
import os, socket, sys, time
channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
channel.connect(os.environ["NOTIFY_SOCKET"])
for word in sys.argv[1:]:
    if word == "barrier":
        reader, writer = os.pipe()
        socket.send_fds(channel, [b"BARRIER=1"], [writer])
        os.close(writer)
        os.read(reader, 1)
    elif word == "sleep":
        time.sleep(1000)
    elif word == "wait":
        open("/run/pipe").read()
    elif word == "stdin":
        sys.stdin.read(1)
    else:
        channel.send(word.encode().decode("unicode_escape").encode())
"""


class Manager:
    """A service manager: what it was told, in order."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(DEADLINE)
        self.socket.bind(address)

    def hear(self):
        """One message; a barrier's descriptor is closed, which lets the sender go."""
        data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(16))
        for _, _, rights in control:
            for fd in array("i", rights):
                os.close(fd)
        return data

    def hear_all(self):
        """What it is told of a program that is ready."""
        return [self.hear() for _ in range(3)]

    def silent(self):
        self.socket.setblocking(False)
        try:
            return self.hear() == b""
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(DEADLINE)


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    with manager.socket:
        yield manager


@pytest.fixture
def environment(tmp_path):
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PATH": os.environ["PATH"]}


def host_root(config):
    """The program is the host's Python; /run is a tmpfs, for the host's root isn't written to."""
    config["root"] = {"path": "/", "readonly": True}
    config["mounts"].append({"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]})


@pytest.fixture
def saying(bundle):
    """A bundle whose program says these words to its NOTIFY_SOCKET."""

    def make(*words, change=None):
        return bundle("/usr/bin/python3", "-I", "-c", SAYS, *words, change=together(host_root, change))

    return make


@pytest.fixture
def started(ocipy, environment, tmp_path):
    """Starts a command, for what it waits for to be done meanwhile; stderr is a file, which the container has too."""
    processes = []

    def start(*argv):
        command = [RUNTIME, "--root", str(ocipy.root), *map(str, argv)]
        with (tmp_path / f"errors-{len(processes)}").open("wb") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": errors}
            process = subprocess.Popen(command, env=environment, **pipes)
        process.said = Path(errors.name).read_text
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.stdin.close()
        process.wait()


def test_start_waits_until_the_program_is_ready(ocipy, saying, manager, environment, started):
    container = ocipy.create(saying("STATUS=soon", "READY=1\\nSTATUS=done", "sleep"), env=environment)
    process = started("start", container)
    pid = ocipy.pid(container)
    assert manager.hear() == b"READY=1\n"
    assert process.poll() is None
    assert manager.hear() == f"MAINPID={pid}\n".encode()
    assert process.poll() is None  # until the manager has taken notice
    assert manager.hear() == b"BARRIER=1"
    assert process.wait(DEADLINE) == 0
    assert manager.silent()
    assert ocipy.status(container) == "running"


def test_a_container_that_never_gets_ready(ocipy, saying, manager, environment):
    """start ends with it; nothing was told."""
    container = ocipy.create(saying("STATUS=no"), env=environment)
    pid = ocipy.pid(container)
    assert ocipy("start", container, env=environment, status=0).stderr == ""
    wait_ended(pid)
    assert manager.silent()


def test_a_container_that_ends_as_soon_as_it_is_ready(ocipy, saying, manager, environment, started):
    container = ocipy.create(saying("READY=1"), env=environment)
    process = started("start", container)
    assert manager.hear_all()[0] == b"READY=1\n"
    assert process.wait(DEADLINE) == 0


def test_run_detached(ocipy, saying, manager, started):
    container = ocipy.expect(ocipy.new_id())
    process = started("run", "-d", "-b", saying("READY=1", "sleep"), container)
    words = manager.hear_all()
    assert words == [b"READY=1\n", f"MAINPID={ocipy.pid(container)}\n".encode(), b"BARRIER=1"]
    assert process.wait(DEADLINE) == 0


def test_run_in_the_foreground_is_the_main_process_itself(ocipy, saying, manager, started):
    """Its end is the container's; and whatever else is said is taken, so that the program never waits for room."""
    more = ["STATUS=more"] * 100
    process = started("run", "-b", saying("READY=1", *more, "READY=1", "barrier", "stdin"), ocipy.new_id())
    words = manager.hear_all()
    assert words == [b"READY=1\n", f"MAINPID={process.pid}\n".encode(), b"BARRIER=1"]
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    assert manager.silent()


def test_signals_reach_a_program_that_is_not_ready_yet(ocipy, saying, manager, started):
    process = started("run", "-b", saying("STATUS=not yet", "sleep"), ocipy.new_id())
    (container,) = until(ocipy.left, "the container")
    until(lambda: ocipy.status(container) == "running", "its start")
    ocipy("kill", container, "KILL", status=0)
    assert process.wait(DEADLINE) == 137
    assert manager.silent()


def test_the_program_s_own_barrier_is_answered(ocipy, saying, manager, environment, started):
    container = ocipy.create(saying("barrier", "READY=1"), env=environment)
    process = started("start", container)
    assert manager.hear() == b"READY=1\n"
    assert [manager.hear() for _ in range(2)][1] == b"BARRIER=1"
    assert process.wait(DEADLINE) == 0


def test_an_abstract_socket(ocipy, saying, test_name, environment, started):
    environment["NOTIFY_SOCKET"] = f"@{test_name}"
    manager = Manager(f"\0{test_name}")
    with manager.socket:
        container = ocipy.create(saying("READY=1", "sleep"), env=environment)
        process = started("start", container)
        assert manager.hear_all()[0] == b"READY=1\n"
        assert process.wait(DEADLINE) == 0


def test_what_the_container_sees(ocipy, bundle, manager, environment):
    """A directory of its own, read-only, with the socket, which any user may write to."""
    change = together(host_root, lambda config: config["process"]["env"].append("NOTIFY_SOCKET=/other"))
    script = (
        "echo $NOTIFY_SOCKET; ls -A /run/notify; stat -c %a $NOTIFY_SOCKET; touch /run/notify/x 2>&1 | grep -o Read.*"
    )
    done = ocipy.run(bundle("/bin/sh", "-c", script, change=change), env=environment, status=0)
    assert done.stdout.splitlines() == ["/run/notify/notify.sock", "notify.sock", "777", "Read-only file system"]


def test_a_user_namespace(ocipy, saying, manager, environment, started):
    """The state directory is the host root's alone: the mount is all that leads to the socket."""

    def user(config):
        config["process"]["user"] = {"uid": 1000, "gid": 1000}

    container = ocipy.create(saying("READY=1", "sleep", change=together(in_user_namespace, user)), env=environment)
    process = started("start", container)
    assert manager.hear_all()[0] == b"READY=1\n"
    assert process.wait(DEADLINE) == 0


def test_without_a_socket_at_create_start_listens_for_nothing(ocipy, bundle, manager, environment):
    container = ocipy.create(bundle("sleep", "1000"))
    ocipy("start", container, env=environment, status=0)
    assert sorted(os.listdir(ocipy.root / container)) == ["config.json", "state.json"]


def test_without_a_socket_at_start_nobody_waits(ocipy, saying, environment):
    container = ocipy.create(saying("sleep"), env=environment)
    ocipy("start", container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert ocipy.left() == []


def test_a_service_manager_that_is_not_there(ocipy, saying, environment, tmp_path):
    """Said before anything is started: the container can still be, by who has a better one."""
    container = ocipy.create(saying("sleep"), env=environment)
    message = ocipy.fails("start", container, env=environment)
    assert message == f"connect to NOTIFY_SOCKET {tmp_path}/notify: ENOENT: no such file or directory"
    assert ocipy.status(container) == "created"
    ocipy("start", container, status=0)


def test_a_service_manager_that_goes_away(ocipy, saying, manager, environment, started, tmp_path):
    """The program runs all the same: that nobody heard of it is a warning."""
    os.mkfifo(tmp_path / "pipe")
    add = add_mounts(bind(tmp_path / "pipe", "/run/pipe"))
    container = ocipy.create(saying("wait", "READY=1", "sleep", change=add), env=environment)
    process = started("start", container)
    with (tmp_path / "pipe").open("w"):  # the program runs
        manager.socket.close()
    assert process.wait(DEADLINE) == 0
    assert "level=warning" in process.said()
    assert f"NOTIFY_SOCKET {tmp_path}/notify: " in process.said()


def test_two_starts_at_once_and_a_socket_left_by_a_crash(ocipy, saying, manager, environment, started):
    container = ocipy.create(saying("READY=1", "sleep"), env=environment)
    (ocipy.root / container / "notify/notify.sock").touch()
    processes = [started("start", container) for _ in range(2)]
    assert manager.hear_all()[0] == b"READY=1\n"
    assert sorted(process.wait(DEADLINE) for process in processes) == [0, 1]
    said = "".join(process.said() for process in processes)
    assert said == "ocipy: cannot start an already running container\n"
