"""A service's own hands on a container's terminal: ``Console``."""

import os
import select
import termios
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocipy import Console, Container, OcipyError, StepError, UsageError
from tests.system.runtime import DEADLINE
from tests.system.terminals import set_size, with_terminal

pytestmark = pytest.mark.root


def read_to_end(master):
    """What comes from a terminal until all who had it open are gone."""
    output = b""
    while True:
        assert select.select([master], [], [], DEADLINE)[0], output
        try:
            output += os.read(master, 1 << 16)
        except OSError:  # EIO
            return output


@pytest.fixture
def create(ocipy, bundle):
    """Creates a container of a shell script with a terminal: (container, master)."""

    def create(script):
        container_id = ocipy.expect(ocipy.new_id())
        path = bundle("sh", "-c", script, change=with_terminal)
        with Console() as console:
            container = Container.create(container_id, str(path), root=str(ocipy.root), console=console)
            return container, console.receive()

    return create


def test_a_conversation(create):
    container, master = create("stty -echo; stty size; read line; echo got $line; exit 3")
    set_size(master, 20, 30)
    container.start()
    assert os.read(master, 100) == b"20 30\n"
    os.write(master, b"hello\n")
    assert read_to_end(master) == b"got hello\n"
    assert container.wait() == 3
    os.close(master)


def test_before_start_nothing_runs(create):
    _, master = create("echo started")
    assert not select.select([master], [], [], 0)[0]
    assert not os.get_inheritable(master)
    assert not termios.tcgetattr(master)[1] & termios.ONLCR, "as runc has it"
    os.close(master)


def test_hanging_up(create):
    container, master = create("trap 'exit 4' HUP; echo ready; while :; do sleep 0.01; done")
    container.start()
    assert os.read(master, 100) == b"ready\n"
    os.close(master)
    assert container.wait() == 4


def test_in_many_threads(create):
    def talk(number):
        container, master = create(f"stty -echo; echo; read line; echo $line; seq 1 {number + 1000}; exit {number}")
        container.start()
        assert os.read(master, 1) == b"\n"
        os.write(master, b"hello %d\n" % number)
        output = read_to_end(master)
        os.close(master)
        return container.wait(), output.splitlines()[0], len(output.splitlines())

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(talk, range(10))) == [(each, b"hello %d" % each, each + 1001) for each in range(10)]


def test_without_a_terminal(ocipy, bundle):
    with Console() as console:
        container = Container.create(ocipy.new_id(), str(bundle("true")), root=str(ocipy.root), console=console)
        with pytest.raises(OcipyError, match="no terminal was sent"):
            console.receive()
    container.delete(force=True)


def test_nobody_to_take_it(ocipy, bundle):
    """The other end was closed: no container, and one line that says why."""
    path = str(bundle(change=with_terminal))
    with Console() as console:
        console._ours.close()
        with pytest.raises(StepError) as raised:
            Container.create(ocipy.new_id(), path, root=str(ocipy.root), console=console)
    assert str(raised.value) == (
        "process.terminal: send the terminal over the console socket: EPIPE: broken pipe "
        "(who listened there has closed the connection)"
    )
    with pytest.raises(UsageError, match="console"):
        Container.create(ocipy.new_id(), path, root=str(ocipy.root))
    assert ocipy.left() == []
