"""``--console-socket``: where the terminal of a detached container, or process, goes to."""

import json
import os
import select
import socket
from contextlib import contextmanager

import pytest

from tests.system.runtime import DEADLINE
from tests.system.terminals import receive, with_terminal

pytestmark = pytest.mark.root


@contextmanager
def listening(path):
    """A stream socket bound to a path of any length, with room for one connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        short = f"{os.path.dirname(path)}/s"
        listener.bind(short)
        os.rename(short, path)
        listener.listen(0)
        listener.settimeout(DEADLINE)
        yield listener


def read_until(master, wanted):
    output = b""
    while wanted not in output:
        assert select.select([master], [], [], DEADLINE)[0], output
        output += os.read(master, 4096)
    return output


def test_it_takes_the_master(ocipy, bundle, tmp_path):
    """The text is what runc sends; newlines are translated, as its owner may rely on."""
    path = str(tmp_path / "console")
    with listening(path) as listener:
        script = "stty -echo; read line; echo got $line"
        container = ocipy.create(bundle("sh", "-c", script, change=with_terminal), "--console-socket", path)
        master, text = receive(listener)
    assert text == b"/dev/ptmx"
    assert os.isatty(master)
    os.write(master, b"hello\n")
    ocipy("start", container, status=0)
    read_until(master, b"got hello\r\n")
    os.close(master)


def test_run_and_detach(ocipy, bundle, tmp_path):
    path = str(tmp_path / "console")
    with listening(path) as listener:
        ocipy.start(bundle("sh", "-c", "tty; sleep 1000", change=with_terminal), "--console-socket", path)
        master, _ = receive(listener)
    read_until(master, b"/dev/pts/0\r\n")
    os.close(master)


@pytest.mark.parametrize("length", [107, 108, 300])
def test_paths_of_any_length(ocipy, bundle, tmp_path, length):
    """The name of a socket holds 107 bytes (unix(7)); its last part alone may be longer."""
    left = length - len(str(tmp_path)) - 1
    path = str(tmp_path / ("x" * left))
    assert len(path) == length
    with listening(path) as listener:
        ocipy.create(bundle(change=with_terminal), "--console-socket", path)
        os.close(receive(listener)[0])


def test_hanging_up(ocipy, bundle, tmp_path):
    path = str(tmp_path / "console")
    with listening(path) as listener:
        script = "trap 'exit 4' HUP; echo ready; while :; do sleep 0.01; done"
        container = ocipy.start(bundle("sh", "-c", script, change=with_terminal), "--console-socket", path)
        master, _ = receive(listener)
    read_until(master, b"ready")
    pid = ocipy.pid(container)
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4


def no_socket(path):
    path.write_text("")


def nobody(path):
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "ENOENT: no such file or directory (nobody listens there)"),
        (no_socket, "ECONNREFUSED: connection refused (it is no socket)"),
        (lambda path: path.mkdir(), "ECONNREFUSED: connection refused (it is no socket)"),
        (nobody, "ECONNREFUSED: connection refused (nobody listens there)"),
        (lambda path: path.symlink_to(path), "ELOOP: too many levels of symbolic links"),
    ],
    ids=["nothing", "file", "directory", "nobody", "link"],
)
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_what_is_no_socket(ocipy, bundle, tmp_path, make, reason, long):
    """One line with the path, in the log as well, and nothing is left."""
    path = tmp_path / ("x" * 120 if long else "console")
    if long and make is nobody:
        with listening(str(path)):
            pass
    else:
        make(path)
    log = tmp_path / "log"
    options = ("--log", log, "--log-format", "json")
    message = ocipy.fails(
        *options, "create", "--console-socket", path, "-b", bundle(change=with_terminal), ocipy.new_id()
    )
    assert message == f"connect to the console socket {path}: {reason}"
    (line,) = log.read_text().splitlines()
    assert json.loads(line) | {"time": ""} == {"level": "error", "msg": message, "time": ""}
    assert ocipy.left() == []


def test_a_socket_of_another_type(ocipy, bundle, tmp_path):
    path = tmp_path / "console"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        message = ocipy.fails("create", "--console-socket", path, "-b", bundle(change=with_terminal), ocipy.new_id())
    assert message.endswith("EPROTOTYPE: protocol wrong type for socket (it is no stream socket)")


def test_nobody_has_time(ocipy, bundle, tmp_path):
    """A queue that is full: an error, not a wait that may have no end."""
    path = str(tmp_path / "console")
    with listening(path), socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(path)
        message = ocipy.fails("create", "--console-socket", path, "-b", bundle(change=with_terminal), ocipy.new_id())
    assert "EAGAIN" in message
    assert "connections waiting" in message


ALLOCATE = "cannot allocate tty if ocipy will detach without setting console socket (--console-socket PATH is missing)"
USE = "cannot use console socket if ocipy will not detach or allocate tty"


@pytest.mark.parametrize("command", [["create"], ["run", "-d"]])
def test_a_terminal_that_has_nowhere_to_go(ocipy, bundle, command):
    """In runc's words."""
    assert ocipy.fails(*command, "-b", bundle(change=with_terminal), ocipy.new_id()) == ALLOCATE


@pytest.mark.parametrize("command", [["create"], ["run", "-d"]])
def test_a_socket_without_a_terminal(ocipy, bundle, command):
    line = ocipy.fails(*command, "--console-socket", "/no/such", "-b", bundle(), ocipy.new_id())
    assert line == f"{USE} (no terminal is asked for)"


def test_a_socket_in_the_foreground(ocipy, bundle):
    path = bundle(change=with_terminal)
    assert ocipy.fails("run", "--console-socket", "/no/such", "-b", path, ocipy.new_id()) == (
        f"{USE} (--detach is missing)"
    )
