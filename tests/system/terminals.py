"""The command on a terminal of its own, of which a test holds the other end."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from concurrent.futures import ThreadPoolExecutor

from tests.system.runtime import DEADLINE, change_at, until

with_terminal = change_at("process", "terminal", value=True)


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


def is_raw(fd):
    return not termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


class Session:
    """A command as the leader of a session on a terminal; streams are the terminal's unless given.

    ``prepare`` is called with the terminal before.
    """

    def __init__(self, command, prepare=None, **streams):
        self.master, self.slave = pty.openpty()
        set_size(self.master, 33, 101)
        if prepare:
            prepare(self.slave)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        usual = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        self.process = subprocess.Popen(
            [str(word) for word in command],
            **(usual | streams),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # a fork and an ioctl
        )

    def type(self, text):
        os.write(self.master, text)

    def signal(self, number):
        self.process.send_signal(number)

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

    def is_put_back(self):
        return termios.tcgetattr(self.slave) == self.before

    def wait_raw(self):
        until(lambda: is_raw(self.slave), "raw mode")

    def hang_up(self):
        """As a window is closed, or a line drops."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)


def receive(listener):
    """The descriptor that comes over the console socket, and the text with it; nothing comes after."""
    connection, _ = listener.accept()
    with connection:
        text, fds, _, _ = socket.recv_fds(connection, 4096, 10)
        assert connection.recv(1) == b""
    (master,) = fds
    return master, text


TEN = 10
EACH = 200_000  # bytes


def plain(fd):
    """Make it a terminal that makes no lines of newlines."""
    attributes = termios.tcgetattr(fd)
    attributes[1] &= ~termios.ONLCR
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def converse(running, number):
    """Type EACH bytes and take as many back, then resize: whether they are the same, the status, the last words."""
    end = time.monotonic() + 6 * DEADLINE
    running.read_until(b"ready\n")
    typed = to_type = bytes((number + 3 * place) % 251 for place in range(EACH))
    os.set_blocking(running.master, False)
    echoed = b""
    while len(echoed) < EACH:
        assert time.monotonic() < end, f"session {number}: {len(echoed)} of {EACH} bytes"
        readable, writable, _ = select.select([running.master], [running.master] if to_type else [], [], 1)
        if readable:
            echoed += os.read(running.master, 1 << 16)
        if writable:
            to_type = to_type[os.write(running.master, to_type[:4096]) :]
    running.output = b""
    set_size(running.master, 100 + number, 200 + number)
    status, output = running.finish()
    assert running.is_put_back()
    return hashlib.sha256(typed).digest() == hashlib.sha256(echoed).digest(), status, output


def ten_at_once(start):
    """Sessions that ``start(script)`` makes, on terminals that are ``plain``, each with a size of its own."""
    script = f"""
        trap 'stty size; seq 1 2000; exit 5' WINCH
        stty raw -echo; echo ready; head -c {EACH}; while :; do sleep 0.01; done
    """
    with ThreadPoolExecutor(TEN) as pool:
        results = list(pool.map(converse, [start(script) for _ in range(TEN)], range(TEN)))
    numbers = b"".join(b"%d\n" % number for number in range(1, 2001))
    assert results == [(True, 5, b"%d %d\n" % (100 + number, 200 + number) + numbers) for number in range(TEN)]


def are_put_back(sessions):
    """Finish those that still run; each terminal has to be as it was."""
    for each in sessions:
        if each.slave >= 0:
            each.finish()
            assert each.is_put_back()
