"""What a caller hands over and gets: descriptors (--preserve-fds, LISTEN_FDS), the pid file, the pidfd; and no more."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
from array import array
from pathlib import Path

import pytest

from ocipy.container import Container
from tests.system.hooking import KINDS, RUNTIME_KINDS, bundle_writing_to, hook, with_hooks
from tests.system.looking import add_mounts, together
from tests.system.runtime import RUNTIME, until, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
OPEN = "for i in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$i ] && echo $i; done; true"


@pytest.fixture
def numbered(tmp_path):
    """Redirections for a shell: 3 to 6, each a file with its number in it."""
    for number in range(3, 7):
        (tmp_path / str(number)).write_text(f"file {number}\n")
    return " ".join(f"{number}<{tmp_path}/{number}" for number in range(3, 7))


def by_shell(ocipy, before, command, redirections, **keywords):
    """A command of ocipy's, as a shell with these descriptors executes it."""
    script = f"{before}; exec {RUNTIME} --root {ocipy.root} {command} {redirections}"
    return ocipy.execute("/bin/sh", "-c", script, **keywords)


def variables(done):
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def show(*fds):
    """A program that prints its environment, what these descriptors read, and which are open."""
    return "sh", "-c", f"env; {'; '.join(f'cat <&{fd}' for fd in fds)}; {OPEN}"


def test_listen_fds(ocipy, bundle, numbered):
    path = bundle(*show(3, 4))
    before = "export LISTEN_FDS=2 LISTEN_PID=$$"
    done = by_shell(ocipy, before, f"run -b {path} {ocipy.new_id()}", numbered, status=0)
    assert (variables(done)["LISTEN_FDS"], variables(done)["LISTEN_PID"]) == ("2", "1")
    assert done.stdout.splitlines()[-4:] == ["file 3", "file 4", "3", "4"]


def test_listen_fds_come_before_those_of_preserve_fds(ocipy, bundle, numbered):
    path = bundle(*show(3, 4, 5))
    before = "export LISTEN_FDS=2 LISTEN_PID=$$"
    done = by_shell(ocipy, before, f"run --preserve-fds 1 -b {path} {ocipy.new_id()}", numbered, status=0)
    assert variables(done)["LISTEN_FDS"] == "2"
    assert done.stdout.splitlines()[-6:] == ["file 3", "file 4", "file 5", "3", "4", "5"]


def test_listen_fds_of_a_created_container(ocipy, bundle, numbered):
    """start, another process, adds nothing to it and takes nothing of it."""
    path, container = bundle(*show(3)), ocipy.expect(ocipy.new_id())
    before = "export LISTEN_FDS=1 LISTEN_PID=$$"
    done = by_shell(ocipy, before, f"create -b {path} {container}", numbered, status=0)
    pid = ocipy.pid(container)
    by_shell(ocipy, "export LISTEN_FDS=3 LISTEN_PID=$$", f"start {container}", numbered, status=0)
    wait_ended(pid)
    assert done.output.read_text().splitlines()[-2:] == ["file 3", "3"]
    assert "LISTEN_FDS=1\n" in done.output.read_text()


def test_listen_fds_take_the_place_of_the_config_s(ocipy, bundle, numbered):
    def change(config):
        config["process"]["env"] += ["LISTEN_PID=77", "LISTEN_FDS=9"]

    path = bundle("env", change=change)
    before = "export LISTEN_FDS=2 LISTEN_PID=$$"
    done = by_shell(ocipy, before, f"run -b {path} {ocipy.new_id()}", numbered, status=0)
    said = sorted(line for line in done.stdout.splitlines() if line.startswith("LISTEN"))
    assert said == ["LISTEN_FDS=2", "LISTEN_PID=1"]


def test_listen_pid_is_the_pid_that_the_program_knows(ocipy, bundle, numbered):
    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]

    path = bundle("sh", "-c", "echo $LISTEN_PID $$", change=change)
    done = by_shell(ocipy, "export LISTEN_FDS=1 LISTEN_PID=$$", f"run -b {path} {ocipy.new_id()}", numbered, status=0)
    told, own = done.stdout.split()
    assert told == own != "1"


@pytest.mark.parametrize("before", ["export LISTEN_FDS=2 LISTEN_PID=1", "export LISTEN_FDS=2", "export LISTEN_PID=$$"])
def test_listen_fds_of_another_process(ocipy, bundle, numbered, before):
    """sd_listen_fds(3): they are for the process of that pid."""
    path = bundle("sh", "-c", f"env; {OPEN}")
    done = by_shell(ocipy, before, f"run -b {path} {ocipy.new_id()}", numbered, status=0)
    assert "LISTEN" not in done.stdout
    assert "=" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("count", "said"),
    [("5", "LISTEN_FDS=5: file descriptor 7 is not open"), ("x", "LISTEN_FDS in the environment is no count: 'x'")],
)
def test_listen_fds_that_are_none(ocipy, bundle, numbered, count, said):
    before = f"export LISTEN_FDS={count} LISTEN_PID=$$"
    done = by_shell(ocipy, before, f"run -b {bundle()} {ocipy.new_id()}", numbered, status=1)
    assert done.stderr.startswith(f"ocipy: {said}")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def odd_descriptors():
    """Of files, sockets and pipes, low and high, with and without close-on-exec."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open("/etc/passwd"))
        sockets = [stack.enter_context(each) for each in socket.socketpair()]
        fds = [*os.pipe(), os.dup2(file.fileno(), 777), os.dup2(file.fileno(), 778, inheritable=False)]
        for fd in fds:
            stack.callback(os.close, fd)
        for fd in (file.fileno(), sockets[0].fileno(), fds[0], 777):
            os.set_inheritable(fd, True)
        yield


@pytest.mark.usefixtures("odd_descriptors")
@pytest.mark.parametrize("way", ["command", "library"])
def test_no_descriptor_of_the_caller_s_reaches_container_or_hooks(ocipy, bundle, notes, way):
    """The library's caller has more of them open: those with close-on-exec, too."""
    hooks = {kind: [hook(f"ls /proc/self/fd > {notes}/{kind}")] for kind in RUNTIME_KINDS}
    mount = {"destination": "/mnt", "type": "bind", "source": str(notes), "options": ["bind"]}
    change = together(with_hooks(**hooks), add_mounts(mount))
    path = bundle("sh", "-c", "ls /proc/self/fd > /mnt/program", change=change)
    if way == "command":
        ocipy.run(path, close_fds=False, status=0)
    else:
        assert Container.run(ocipy.new_id(), str(path), root=str(ocipy.root)) == 0
    for name in (*RUNTIME_KINDS, "program"):
        assert (notes / name).read_text().split() == ["0", "1", "2", "3"], name  # 3 is what ls lists by


def test_preserved_descriptors_are_not_for_hooks(ocipy, bundle, notes, numbered):
    """Of none of the six kinds; nor are those that ocipy-init has."""
    hooks = {kind: [hook(f"({OPEN}) > {notes}/{kind}")] for kind in KINDS}
    path = bundle_writing_to(bundle, notes, "sh", "-c", OPEN, **hooks)
    done = by_shell(ocipy, ":", f"run --preserve-fds 2 -b {path} {ocipy.new_id()}", numbered, status=0)
    assert done.stdout.split() == ["3", "4"]
    assert {kind: (notes / kind).read_text() for kind in KINDS} == dict.fromkeys(KINDS, "")


@contextlib.contextmanager
def listening(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.settimeout(10)
        listener.bind(str(path))
        if kind == socket.SOCK_STREAM:
            listener.listen(1)
        yield listener


def received(listener):
    """(data, descriptors) of the one message over the one connection, after which it is closed."""
    connection, _ = listener.accept()
    with connection:
        data, control, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4 * 4))
        assert connection.recv(1) == b""
    return data, [fd for _, _, rights in control for fd in array("i", rights)]


@pytest.mark.parametrize("command", [("create",), ("run", "-d")])
def test_pidfd_socket(ocipy, bundle, tmp_path, command):
    container = ocipy.expect(ocipy.new_id())
    with listening(tmp_path / "pidfd") as listener:
        ocipy(*command, "--pidfd-socket", tmp_path / "pidfd", "-b", bundle(*FOREVER), container, status=0)
        data, (pidfd,) = received(listener)
    try:
        assert data == b"standard"
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        assert f"Pid:\t{ocipy.pid(container)}\n" in info
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        until(lambda: ocipy.status(container) == "stopped", "its end")
    finally:
        os.close(pidfd)


def test_a_pidfd_socket_of_run_in_the_foreground(ocipy, bundle, tmp_path):
    with listening(tmp_path / "pidfd") as listener:
        ocipy.run(bundle("sh", "-c", "exit 3"), "--pidfd-socket", tmp_path / "pidfd", status=3)
        data, (pidfd,) = received(listener)
    os.close(pidfd)
    assert data == b"standard"


def test_pidfd_sockets_that_are_none(ocipy, bundle, tmp_path):
    (tmp_path / "file").touch()
    with listening(tmp_path / "dgram", socket.SOCK_DGRAM), listening(tmp_path / "gone"):
        pass
    for name, number in (("nowhere", errno.ENOENT), ("file", errno.ECONNREFUSED), ("gone", errno.ECONNREFUSED)):
        message = ocipy.fails("create", "--pidfd-socket", tmp_path / name, "-b", bundle(), ocipy.new_id())
        assert message.startswith(f"connect to the pidfd socket {tmp_path / name}: {errno.errorcode[number]}: ")
    assert ocipy.left() == []


def test_a_receiver_of_the_pidfd_that_hangs_up(ocipy, bundle, tmp_path):
    """Who asked for it can't do without: nothing is left of the container."""
    with listening(tmp_path / "pidfd") as listener:
        listener.listen(0)
        command = [RUNTIME, "--root", str(ocipy.root), "create", "--pidfd-socket", str(tmp_path / "pidfd")]
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        path = bundle(*FOREVER, change=with_hooks(createRuntime=[hook(f"cat {pipe} >/dev/null")]))
        with subprocess.Popen(
            [*command, "-b", str(path), ocipy.new_id()], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as process:
            listener.accept()[0].close()
            pipe.write_text("")
            _, said = process.communicate()
    assert process.returncode == 1
    assert said == f"ocipy: created: send the pidfd to {tmp_path}/pidfd: EPIPE: broken pipe\n"
    assert ocipy.left() == []


def test_a_pid_file_is_whole_whenever_it_is_there(ocipy, bundle, tmp_path):
    """Put there by rename, before create returns: who watches the directory sees no other state of it."""
    file = tmp_path / "pids/pid"
    file.parent.mkdir()
    seen, container = set(), ocipy.expect(ocipy.new_id())
    command = [RUNTIME, "--root", str(ocipy.root), "create", "--pid-file", str(file), "-b", str(bundle(*FOREVER))]
    with subprocess.Popen([*command, container], stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                seen.add(file.read_text())
    assert process.returncode == 0
    assert seen <= {str(ocipy.pid(container))}
    assert file.read_text() == str(ocipy.pid(container))
    assert os.listdir(file.parent) == ["pid"]


def test_listen_fds_of_exec(ocipy, bundle, numbered):
    """LISTEN_PID is the pid that the process has in the container, which isn't 1."""
    container = ocipy.start(bundle(*FOREVER))
    before = "export LISTEN_FDS=1 LISTEN_PID=$$"
    script = f"echo $LISTEN_FDS $LISTEN_PID $$; cat <&3; cat <&4; {OPEN}"
    done = by_shell(ocipy, before, f"exec --preserve-fds 1 {container} sh -c '{script}'", numbered, status=0)
    told, *rest = done.stdout.splitlines()
    count, listen_pid, pid = told.split()
    assert (count, listen_pid) == ("1", pid)
    assert pid != "1"
    assert rest == ["file 3", "file 4", "3", "4"]


def test_descriptors_that_exec_cannot_pass(ocipy, bundle, numbered):
    container = ocipy.start(bundle(*FOREVER))
    for before, option, said in (
        ("export LISTEN_FDS=5 LISTEN_PID=$$", "", "LISTEN_FDS=5: file descriptor 7 is not open"),
        (":", "--preserve-fds 5", "--preserve-fds 5: file descriptor 7 is not open"),
    ):
        done = by_shell(ocipy, before, f"exec {option} {container} true", numbered, status=255)
        assert done.stderr.startswith(f"ocipy: {said}")
        assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("odd_descriptors")
@pytest.mark.parametrize("way", ["command", "library"])
def test_no_descriptor_of_the_caller_s_reaches_a_process_of_exec(ocipy, bundle, notes, way):
    mount = {"destination": "/mnt", "type": "bind", "source": str(notes), "options": ["bind"]}
    container = ocipy.start(bundle(*FOREVER, change=add_mounts(mount)))
    program = ["sh", "-c", "ls /proc/self/fd > /mnt/program"]
    if way == "command":
        ocipy("exec", container, *program, close_fds=False, status=0)
    else:
        assert Container(container, str(ocipy.root)).exec(program).wait() == 0
    assert (notes / "program").read_text().split() == ["0", "1", "2", "3"]


def test_pidfd_socket_of_exec(ocipy, bundle, tmp_path):
    container = ocipy.start(bundle(*FOREVER))
    with listening(tmp_path / "pidfd") as listener:
        options = ("--pidfd-socket", tmp_path / "pidfd", "--pid-file", tmp_path / "pid")
        ocipy("exec", "-d", *options, container, "sleep", "1000", status=0)
        data, (pidfd,) = received(listener)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert data == b"setns"
        assert f"Pid:\t{pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        wait_ended(pid)
    finally:
        os.close(pidfd)


@pytest.mark.parametrize("command", [("create",), ("run", "-d")])
def test_standard_streams_are_the_caller_s_own(ocipy, bundle, tmp_path, command):
    """The same open files: an appending file, one end of a socket, a pipe that does not block; none in between."""
    container, (ours, theirs), (reader, writer) = ocipy.expect(ocipy.new_id()), socket.socketpair(), os.pipe()
    os.set_blocking(writer, False)
    with ours, theirs, (tmp_path / "log").open("ab") as log:
        streams = {"stdin": theirs, "stdout": log, "stderr": writer}
        ocipy(*command, "-b", bundle(*FOREVER), container, status=0, **streams)
        pid = ocipy.pid(container)
        for number, stream in enumerate((theirs.fileno(), log.fileno(), writer)):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == os.readlink(f"/proc/self/fd/{stream}")
            assert flags(pid, number) == flags("self", stream)
    os.close(reader)
    os.close(writer)


def flags(pid, fd):
    """Those of the open file, without close-on-exec, which is the descriptor's."""
    (line,) = [line for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines() if line.startswith("flags:")]
    return int(line.split()[1], 8) & ~os.O_CLOEXEC
