"""``exec --tty``: a terminal of the container's own devpts, for one process of it; ours is put back in the end."""

import os
import signal
import socket
import termios
from pathlib import Path

import pytest

from tests.system.looking import SHOW_MOUNTS, in_user_namespace, set_capabilities, together
from tests.system.runtime import DEADLINE, until
from tests.system.terminals import are_put_back, is_raw, plain, set_size, ten_at_once, with_terminal

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


@pytest.fixture
def container(ocipy, bundle):
    """A container that runs, without a terminal."""
    return ocipy.start(bundle(*FOREVER))


@pytest.fixture
def session(terminal, container):
    """`ocipy exec --tty` of a shell script, on a terminal that has to be as it was in the end."""
    sessions = []

    def start(script, *options, **streams):
        sessions.append(terminal("exec", "--tty", *options, container, "sh", "-c", script, **streams))
        return sessions[-1]

    yield start
    are_put_back(sessions)


def test_what_the_program_sees(session):
    script = """
        for fd in 0 1 2; do test -t $fd && readlink /proc/self/fd/$fd; done; test -e /proc/self/fd/3 || echo alone
        tty; echo x > /dev/tty && echo controlling; stat -c %u:%g:%a /dev/pts/0; ls /dev/console; echo /dev/pts/*
        awk '{print $5 == $6, $8 == $5}' /proc/self/stat; stty size; exit 7
    """
    status, output = session(script).finish()
    lines = output.decode().splitlines()
    assert status == 7
    assert lines[:3] == ["/dev/pts/0"] * 3
    assert lines[3:8] == ["alone", "/dev/pts/0", "x", "controlling", "0:5:620"]
    assert lines[8] == "ls: /dev/console: No such file or directory"
    assert lines[9] == "/dev/pts/0 /dev/pts/ptmx"
    assert lines[10:] == ["1 1", "33 101"], "it leads its group, which is in the foreground"


def test_its_owner(session):
    output = session("stat -c %u:%g /dev/pts/0; echo mine > /dev/tty", "--user", "1000:1000").finish()[1]
    assert output == b"1000:5\r\nmine\r\n"


def test_the_console_stays_init_s(ocipy, bundle, tmp_path, terminal):
    """Nothing is mounted, and /dev/console is what it was."""
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        container = ocipy.start(bundle(*FOREVER, change=with_terminal), "--console-socket", path)
        connection, _ = listener.accept()  # with the terminal in it
    mounts = Path(f"/proc/{ocipy.pid(container)}/mountinfo")
    before = mounts.read_text()
    running = terminal("exec", "-t", container, "sh", "-c", f"tty; stat -c %t:%T /dev/console; {SHOW_MOUNTS}")
    status, output = running.finish()
    assert status == 0
    assert output.decode().replace("\r\n", "\n") == f"/dev/pts/1\n88:0\n{before}"
    connection.close()


def test_in_a_user_namespace(ocipy, bundle, terminal):
    container = ocipy.start(bundle(*FOREVER, change=in_user_namespace))
    output = terminal("exec", "-t", container, "sh", "-c", "tty; stat -c %u:%g /dev/pts/0").finish()[1]
    assert output == b"/dev/pts/0\r\n0:5\r\n"


def test_the_size_of_a_process_document(ocipy, container, tmp_path):
    """`consoleSize`, where our own streams have no size to tell."""
    process = tmp_path / "process.json"
    process.write_text(
        '{"args": ["stty", "size"], "cwd": "/", "terminal": true, "env": ["PATH=/bin"],'
        ' "consoleSize": {"height": 12, "width": 34}}'
    )
    assert ocipy("exec", "--process", process, container, status=0).stdout == "12 34\n"


def test_size_and_resize(session):
    running = session("trap 'stty size' WINCH; stty size; while :; do read -t 1 x && exit 0; done")
    running.read_until(b"33 101")
    set_size(running.master, 40, 77)
    running.read_until(b"40 77")
    running.type(b"\r")
    assert running.finish()[0] == 0


def test_control_c(session):
    running = session("trap 'exit 6' INT; echo ready; while :; do sleep 0.01; done")
    running.read_until(b"ready")
    running.type(b"\x03")
    assert running.finish()[0] == 6


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "TSTP"])
def test_after_a_signal(session, name):
    running = session(f"trap 'exit 6' {name}; echo ready; while :; do sleep 0.01; done")
    running.read_until(b"ready")
    assert is_raw(running.slave)
    running.signal(getattr(signal, f"SIG{name}"))
    assert running.finish()[0] == 6


def test_a_signal_that_ends_the_program(session):
    running = session("echo ready; exec sleep 1000")
    running.read_until(b"ready")
    running.signal(signal.SIGTERM)
    assert running.finish()[0] == 128 + signal.SIGTERM


def test_after_the_end_of_the_container(session, ocipy, container):
    running = session("echo ready; exec sleep 1000")
    running.read_until(b"ready")
    ocipy("kill", container, "KILL", status=0)
    assert running.finish()[0] == 137


def test_after_a_program_that_is_missing(terminal, container):
    running = terminal("exec", "-t", container, "/no/such")
    assert running.finish() == (127, b"ocipy: exec /no/such: no such file or directory\r\n")
    assert running.is_put_back()


def test_our_terminal_hangs_up(session):
    running = session("trap 'exit 3' HUP; echo ready; while :; do sleep 0.01; done")
    running.read_until(b"ready")
    running.hang_up()
    assert running.process.wait(DEADLINE) == 3


def test_a_process_that_stays_with_the_terminal(session, ocipy, container):
    """The end of the program is the end of exec; what it leaves behind lives on, without a terminal."""
    script = "trap '' HUP; (while :; do echo more; sleep 0.01; done) >/dev/tty 2>/dev/null & echo first; exit 3"
    status, output = session(script).finish()
    assert status == 3
    assert b"first" in output
    assert "sleep" in ocipy("exec", container, "ps", status=0).stdout


def test_streams_that_are_no_terminal(ocipy, container):
    script = "stty raw -echo; echo ready; head -c 6; seq 1 100000"
    done = ocipy("exec", "-t", container, "sh", "-c", script, stdin=None, input=b"typed\n", status=0)
    assert done.stdout.replace("typed\n", "", 1).startswith("ready\ntyped\n" if "typed\nready" in done.stdout else "")
    assert done.stdout.endswith("\n".join(map(str, range(1, 100_001))) + "\n")


def test_a_console_socket(ocipy, container, tmp_path):
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        pid_file = tmp_path / "pid"
        script = "stty -echo; echo ready; read x; echo got $x; exit 5"
        options = ("--tty", "--detach", "--console-socket", path, "--pid-file", pid_file)
        ocipy("exec", *options, container, "sh", "-c", script, status=0)
        connection, _ = listener.accept()
        with connection:
            text, (master,), _, _ = socket.recv_fds(connection, 4096, 4)
            assert connection.recv(1) == b""
    assert text == b"/dev/ptmx"
    output = b""
    while b"ready" not in output:
        output += os.read(master, 100)
    os.write(master, b"typed\n")
    while b"got typed" not in output:
        output += os.read(master, 100)
    assert termios.tcgetattr(master)[1] & termios.ONLCR, "its owner may not translate newlines"
    assert os.waitstatus_to_exitcode(os.waitpid(int(pid_file.read_text()), 0)[1]) == 5
    os.close(master)


def test_a_receiver_that_hangs_up(ocipy, container, tmp_path):
    """The process gets SIGHUP, as whose terminal is gone does."""
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        pid_file = tmp_path / "pid"
        options = ("-t", "-d", "--console-socket", path, "--pid-file", pid_file)
        ocipy("exec", *options, container, *FOREVER, status=0)
    assert os.waitstatus_to_exitcode(os.waitpid(int(pid_file.read_text()), 0)[1]) == -signal.SIGHUP


@pytest.mark.parametrize(
    "script",
    [
        "mount -t tmpfs tmpfs /dev/pts; mkfifo /dev/pts/ptmx",
        "mount -t tmpfs tmpfs /dev/pts; ln -s ../null /dev/pts/ptmx",
        "mount -t tmpfs tmpfs /dev/pts; mknod /dev/pts/ptmx c 5 2",
        "mount --bind /dev/null /dev/pts/ptmx",
        "mount --bind /dev/pts/ptmx /dev/zero; umount /dev/pts; ln -s zero /dev/pts/ptmx",
    ],
)
def test_a_container_that_lies(ocipy, bundle, script):
    """What isn't devpts' multiplexer is opened by nobody."""
    rights = set_capabilities("CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_OVERRIDE")
    path = bundle("sh", "-c", f"{script}; touch /dev/shm/done; sleep 1000", change=rights)
    container = ocipy.start(path)
    done = Path(f"/proc/{ocipy.pid(container)}/root/dev/shm/done")
    until(done.exists)
    line = ocipy.fails("exec", "-t", container, "true", status=255)
    assert line.startswith("process.terminal: ")
    assert "/dev/pts/ptmx" in line


def test_the_host_s_terminals_are_not_touched(ocipy, bundle):
    """A link in /dev leads to the container's own, wherever it points."""
    rights = set_capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    script = (
        "umount /dev/pts; rmdir /dev/pts; ln -s /proc/1/root/../../dev/pts /dev/pts; touch /dev/shm/done; sleep 1000"
    )
    container = ocipy.start(bundle("sh", "-c", script, change=rights))
    until(Path(f"/proc/{ocipy.pid(container)}/root/dev/shm/done").exists)
    before = sorted(os.listdir("/dev/pts"))
    assert "/dev/pts/ptmx" in ocipy.fails("exec", "-t", container, "true", status=255)
    assert sorted(os.listdir("/dev/pts")) == before


def test_ten_at_once(terminal, ocipy, bundle):
    """No byte lost, no session that hangs, nothing left: in one container."""
    container = ocipy.start(bundle(*FOREVER, change=together(set_capabilities())))
    ten_at_once(lambda script: terminal("exec", "-t", container, "sh", "-c", script, prepare=plain))
    until(lambda: ocipy("exec", container, "ls", "/dev/pts", status=0).stdout == "ptmx\n")
