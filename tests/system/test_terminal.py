"""`process.terminal`: in the foreground ours and the container's are joined; detached, the master goes to a socket."""

import pytest

from tests.system.terminals import set_size, with_terminal

pytestmark = pytest.mark.root


@pytest.fixture
def session(terminal, ocipy):
    """`ocipy run` of a bundle on a terminal of its own."""
    return lambda path, *options: terminal("run", *options, "-b", path, ocipy.new_id())


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


def test_console_size_from_the_config(ocipy, bundle):
    def change(config):
        with_terminal(config)
        config["process"]["consoleSize"] = {"height": 12, "width": 34}

    assert ocipy.run(bundle("stty", "size", change=change), status=0).stdout.strip() == "12 34"
