"""`process.terminal`: in the foreground ours and the container's are joined; detached, the master goes to a socket."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from tests.system.runtime import DEADLINE, RUNTIME, change_at

pytestmark = pytest.mark.root

with_terminal = change_at("process", "terminal", value=True)


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


class Session:
    """`ocipy run` on a terminal of its own, of which we hold the other end."""

    def __init__(self, ocipy, path, *options):
        self.master, self.slave = pty.openpty()
        set_size(self.master, 33, 101)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        command = [RUNTIME, "--root", str(ocipy.root), "run", *options, "-b", str(path), ocipy.new_id()]
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no threads here
        )  # fmt: skip

    def type(self, text):
        os.write(self.master, text)

    def read_until(self, wanted):
        """Read output until it contains ``wanted``; all of it so far."""
        end = time.monotonic() + DEADLINE
        while wanted not in self.output:
            left = end - time.monotonic()
            ready = left > 0 and select.select([self.master], [], [], left)[0]
            assert ready, f"no {wanted} in {self.output[-2000:]}"
            self.output += os.read(self.master, 1 << 16)
        return self.output

    def finish(self):
        """The exit status, and all that was printed."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.02)[0]:
                self.output += os.read(self.master, 1 << 16)
            assert time.monotonic() < end, self.output[-2000:]
        return self.process.returncode, self.output

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def session(ocipy):
    sessions = []

    def start(path, *options):
        sessions.append(Session(ocipy, path, *options))
        return sessions[-1]

    yield start
    for each in sessions:
        each.close()


def test_a_terminal_of_its_own(session, bundle):
    script = "tty; test -t 0 -a -t 1 -a -t 2 && echo all; ls -l /dev/console | cut -c1; exit 5"
    status, output = session(bundle("sh", "-c", script, change=with_terminal)).finish()
    assert (status, output) == (5, b"/dev/pts/0\r\nall\r\nc\r\n"), "lines are our terminal's to make, as with runc"


def test_typing(session, bundle):
    script = "stty -echo; echo ready; read line; echo got $line"
    running = session(bundle("sh", "-c", script, change=with_terminal))
    running.read_until(b"ready")
    running.type(b"hello\n")
    status, output = running.finish()
    assert status == 0
    assert b"got hello" in output


def test_the_echo_is_the_containers(session, bundle):
    """Ours is raw: what is typed comes back once, not twice."""
    running = session(bundle("sh", "-c", "echo ready; read line", change=with_terminal))
    running.read_until(b"ready")
    running.type(b"typed\r")
    status, output = running.finish()
    assert status == 0
    assert output.count(b"typed") == 1


def test_control_c_goes_to_the_program(session, bundle):
    script = "trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.01; done"
    running = session(bundle("sh", "-c", script, change=with_terminal))
    running.read_until(b"ready")
    running.type(b"\x03")
    status, output = running.finish()
    assert status == 6
    assert b"interrupted" in output


def test_end_of_file_by_control_d(session, bundle):
    running = session(bundle("sh", "-c", "echo ready; cat; exit 7", change=with_terminal))
    running.read_until(b"ready")
    running.type(b"\x04")
    assert running.finish()[0] == 7


def test_size_and_resize(session, bundle):
    script = "trap 'stty size' WINCH; stty size; while :; do read -t 1 x && exit 0; done"
    running = session(bundle("sh", "-c", script, change=with_terminal))
    running.read_until(b"33 101")
    set_size(running.master, 40, 77)
    running.read_until(b"40 77")
    running.type(b"\n")
    assert running.finish()[0] == 0


def test_our_terminal_is_put_back(session, bundle):
    running = session(bundle("sh", "-c", "echo ready; read x", change=with_terminal))
    running.read_until(b"ready")
    assert not termios.tcgetattr(running.slave)[3] & termios.ICANON
    running.type(b"\n")
    assert running.finish()[0] == 0
    assert termios.tcgetattr(running.slave) == running.before


def test_our_terminal_is_put_back_after_a_failure(session, bundle):
    def change(config):
        with_terminal(config)
        config["hooks"] = {"startContainer": [{"path": "/bin/false"}]}

    running = session(bundle("true", change=change))
    status, output = running.finish()
    assert status == 1
    assert b"startContainer hook #0" in output
    assert termios.tcgetattr(running.slave) == running.before


def test_much_output_is_not_lost(session, bundle):
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    status, output = session(bundle("sh", "-c", script, change=with_terminal)).finish()
    assert status == 0
    assert re.findall(rb"line (\d+)", output) == [str(number).encode() for number in range(20000)]


def test_much_in_both_directions(ocipy, bundle):
    """More than the terminal's buffers hold, to a program that sends it back: neither side may block the other."""
    script = "stty raw -echo; echo ready; head -c 1000000"
    path = bundle("sh", "-c", script, change=with_terminal)
    command = [RUNTIME, "--root", str(ocipy.root), "run", "-b", str(path), ocipy.new_id()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline().strip() == b"ready"
            output, _ = process.communicate(b"0123456789" * 100_000, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.terminate()
            raise
    assert process.returncode == 0
    assert output == b"0123456789" * 100_000


def test_stdin_without_a_terminal_of_ours(ocipy, bundle):
    """Streams that are no terminal are joined to the container's all the same."""
    path = bundle("sh", "-c", "read line; echo got $line", change=with_terminal)
    done = ocipy.run(path, stdin=None, input=b"piped\n", status=0)
    assert "got piped" in done.stdout


def test_console_size_from_the_config(ocipy, bundle):
    def change(config):
        with_terminal(config)
        config["process"]["consoleSize"] = {"height": 12, "width": 34}

    assert ocipy.run(bundle("stty", "size", change=change), status=0).stdout.strip() == "12 34"


def receive(listener):
    """The descriptor that comes over the console socket, and the text with it."""
    connection, _ = listener.accept()
    with connection:
        text, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    return fds[0], text


def test_a_console_socket_takes_the_master(ocipy, bundle, tmp_path):
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(DEADLINE)
        script = "stty -echo; read line; echo got $line"
        container = ocipy.create(bundle("sh", "-c", script, change=with_terminal), "--console-socket", path)
        master, text = receive(listener)
    try:
        assert text == b"/dev/ptmx"
        assert os.isatty(master)
        os.write(master, b"hello\n")
        ocipy("start", container, status=0)
        output = b""
        while b"got hello" not in output:
            assert select.select([master], [], [], DEADLINE)[0], output
            output += os.read(master, 4096)
    finally:
        os.close(master)


def test_a_long_console_socket_path(ocipy, bundle, tmp_path):
    """The name of a socket holds 107 bytes; the error says so."""
    path = tmp_path / ("x" * 120)
    message = ocipy.fails("create", "--console-socket", path, "-b", bundle(change=with_terminal), ocipy.new_id())
    assert "console socket" in message
