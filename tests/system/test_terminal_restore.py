"""Our own terminal, on every way a foreground container can end: put back as it was."""

import os
import select
import signal
import sys
import termios

import pytest

from tests.system.hooking import hook, with_hooks
from tests.system.looking import together
from tests.system.runtime import DEADLINE, until
from tests.system.terminals import are_put_back, is_raw, set_size, with_terminal

pytestmark = pytest.mark.root

VMIN, VTIME = termios.VMIN, termios.VTIME


@pytest.fixture
def session(terminal, ocipy, bundle):
    """`ocipy run` of a shell script on a terminal; it has to put that back when it ends."""
    sessions = []

    def start(script, change=None, *options, **streams):
        path = bundle("sh", "-c", script, change=together(with_terminal, change))
        sessions.append(terminal("run", *options, "-b", path, ocipy.new_id(), **streams))
        return sessions[-1]

    yield start
    are_put_back(sessions)


def test_raw_meanwhile(session):
    """Every byte goes through as it is typed; our terminal still makes lines of what is printed, as with runc."""
    running = session("echo ready; read x")
    running.read_until(b"ready\r\n")
    iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(running.slave)
    assert not iflag & (termios.ICRNL | termios.IXON)
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    assert oflag & termios.OPOST
    assert cflag & termios.CS8
    assert characters[VMIN] in (1, b"\x01")
    assert characters[VTIME] in (0, b"\x00")
    running.type(b"\r")


@pytest.mark.parametrize("status", [0, 7])
def test_after_the_program(session, status):
    assert session(f"echo ready; exit {status}").finish()[0] == status


def test_after_a_kill_from_outside(session, ocipy):
    running = session("echo ready; exec sleep 1000")
    running.read_until(b"ready")
    ocipy("kill", ocipy.left()[0], "KILL", status=0)
    assert running.finish()[0] == 137


def test_after_a_delete_from_outside(session, ocipy):
    running = session("echo ready; exec sleep 1000")
    running.read_until(b"ready")
    ocipy("delete", "--force", ocipy.left()[0], status=0)
    assert running.finish()[0] == 137


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_after_a_signal(session, name):
    running = session(f"trap 'exit 6' {name}; echo ready; while :; do sleep 0.01; done")
    running.read_until(b"ready")
    assert is_raw(running.slave)
    running.signal(getattr(signal, f"SIG{name}"))
    assert running.finish()[0] == 6


@pytest.mark.parametrize("kind", ["createRuntime", "startContainer", "poststart"])
def test_after_a_hook_that_fails(session, kind):
    failing = with_hooks(**{kind: [{"path": "/bin/false"}]})
    status, output = session("echo ready; exec sleep 1000", failing).finish()
    assert status == 1
    assert f"{kind} hook #0".encode() in output


def test_after_a_program_that_is_missing(terminal, ocipy, bundle):
    running = terminal("run", "-b", bundle("/no/such", change=with_terminal), ocipy.new_id())
    status, output = running.finish()
    assert (status, output) == (1, b"ocipy: exec /no/such: no such file or directory\r\n")
    assert running.is_put_back()


def test_before_the_poststop_hooks(session, notes):
    """What they print, and the error of a container that fails, comes out on a terminal as it was."""
    show = with_hooks(poststop=[hook(f"stty -a -F $(cat {notes}/tty) > {notes}/stty")])
    running = session("echo ready; read x; exit 3", show)
    (notes / "tty").write_text(os.ttyname(running.slave))
    running.read_until(b"ready")
    running.type(b"\r")
    assert running.finish()[0] == 3
    assert " icanon" in (notes / "stty").read_text()


def test_other_modes(session):
    """A terminal that was left in a mode where reads don't wait: not for us, and as it was afterwards."""

    def without_waiting(fd):
        attributes = termios.tcgetattr(fd)
        attributes[3] &= ~termios.ICANON
        attributes[6][VMIN], attributes[6][VTIME] = 0, 0
        termios.tcsetattr(fd, termios.TCSANOW, attributes)

    running = session("echo ready; read x; echo got $x", prepare=without_waiting)
    assert running.before[6][VMIN] in (0, b"\x00")
    running.read_until(b"ready")
    running.type(b"typed\r")
    running.read_until(b"got typed")


def test_a_terminal_that_is_not_stdin(session):
    """^C there stays a signal, for its bytes don't come to us."""
    reader, writer = os.pipe()
    running = session("echo ready; read x; echo got $x", stdin=reader)
    os.close(reader)
    running.read_until(b"ready")
    running.signal(signal.SIGCONT)
    os.write(writer, b"piped\n")
    running.read_until(b"got piped")
    assert running.is_put_back()
    os.close(writer)


def fill(pipe):
    while select.select([], [pipe], [], 0)[1]:
        os.write(pipe, bytes(4096))


def test_a_reader_that_never_reads(session, ocipy):
    """Our stdout is full: the program gets its signals all the same, another one ends us, and the terminal is fine."""
    reader, writer = os.pipe()
    fill(writer)
    running = session("trap 'exit 9' USR1; echo stuck; while :; do sleep 0.01; done", stdout=writer)
    os.close(writer)
    running.wait_raw()
    (container,) = ocipy.left()
    until(lambda: running.signal(signal.SIGUSR1) or ocipy.status(container) == "stopped", "the end of the program")
    until(running.is_put_back, "the terminal as it was")
    assert running.process.poll() is None, "there are bytes to be printed"
    running.signal(signal.SIGINT)
    assert running.process.wait(DEADLINE) == 9
    assert ocipy.left() == []
    os.close(reader)


def test_stopped_and_continued(session):
    """The shell takes its terminal back while we are stopped; when we go on, it is raw and its size known again."""
    running = session("echo ready; trap 'stty size; exit 5' WINCH; while :; do sleep 0.01; done")
    running.read_until(b"ready")
    running.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, running.process.pid, os.WSTOPPED | os.WNOWAIT)
    termios.tcsetattr(running.slave, termios.TCSANOW, running.before)
    running.signal(signal.SIGCONT)
    running.wait_raw()
    set_size(running.master, 44, 111)
    running.read_until(b"44 111")
    assert running.finish()[0] == 5


BACKGROUND = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
stopped = os.waitid(os.P_PID, child, os.WSTOPPED | os.WEXITED)
assert (stopped.si_code, stopped.si_status) == (os.CLD_STOPPED, signal.SIGTTOU), stopped
assert termios.tcgetattr(0)[3] & termios.ICANON, "the terminal is the shell's"
os.tcsetpgrp(0, child)
os.kill(child, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_in_the_background(ocipy, bundle, terminal):
    """Where a shell has put us behind, we wait for our turn: its terminal isn't made raw."""
    path = bundle("sh", "-c", "echo ready; read x; exit 8", change=with_terminal)
    running = terminal("run", "-b", path, ocipy.new_id(), prefix=(sys.executable, "-c", BACKGROUND))
    running.read_until(b"ready")
    running.type(b"\r")
    assert running.finish()[0] == 8
    assert running.is_put_back()


def test_our_terminal_hangs_up(session, ocipy):
    """Then so does the container's: a shell ends, though as init it ignores SIGHUP."""
    running = session("echo ready; while read line; do :; done; exit 3")
    running.read_until(b"ready")
    running.hang_up()
    assert running.process.wait(DEADLINE) == 3
    assert ocipy.left() == []


def test_killed(terminal, ocipy, bundle):
    """SIGKILL leaves nobody to put it back; the container hangs up, and can be deleted."""
    running = terminal("run", "-b", bundle("sh", "-c", "echo ready; cat", change=with_terminal), ocipy.new_id())
    running.read_until(b"ready")
    (container,) = ocipy.left()
    running.process.kill()
    running.process.wait()
    until(lambda: ocipy.status(container) == "stopped", "the end of a program without a terminal")
    ocipy("delete", container, status=0)
