"""``Container.exec``: processes for a container, from one thread and from many."""

import fcntl
import json
import os
import select
import socket
import struct
import termios
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocipy import ConfigError, Console, Container, Process, StateError, StepError, UsageError
from tests.system.looking import set_process
from tests.system.runtime import children

pytestmark = pytest.mark.root


@pytest.fixture
def container(ocipy, bundle):
    return Container(ocipy.start(bundle("sleep", "1000")), str(ocipy.root))


def output_of(container, *args, **options):
    """What a process prints, and its status."""
    reader, writer = os.pipe()
    process = container.exec(args, stdout=writer, **options)
    os.close(writer)
    with open(reader) as output:
        return output.read(), process.wait()


def test_a_process(container):
    process = container.exec(["sleep", "1000"])
    assert isinstance(process, Process)
    assert process.pid in container.processes()
    assert not select.select([process.pidfd], [], [], 0)[0]
    process.kill()
    assert process.wait() == process.wait() == 128 + 15
    assert process.pidfd == -1
    process.kill("KILL")  # it has ended: nothing happens


def test_a_status(container):
    assert container.exec(["sh", "-c", "exit 9"]).wait() == 9


def test_standard_streams(container):
    """Any of them may take the place of any other."""
    inside, outside = zip(*(socket.socketpair() for _ in range(3)), strict=True)
    outside[0].send(b"input\n")
    script = "read line; echo $line; echo err >&2"
    streams = dict(zip(("stdin", "stdout", "stderr"), (each.fileno() for each in inside), strict=True))
    assert container.exec(["sh", "-c", script], **streams).wait() == 0
    assert (outside[1].recv(100), outside[2].recv(100)) == (b"input\n", b"err\n")
    for each in (*inside, *outside):
        each.close()


def test_a_stream_that_is_another_one_of_ours(container):
    """What lies at 0, 1 and 2 of ours may be told to change places."""
    reader, writer = os.pipe()
    saved = os.dup(1)
    os.dup2(writer, 1)
    try:
        status = container.exec(["sh", "-c", "echo out; echo err >&2"], stdout=2, stderr=1).wait()
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writer)
    with open(reader) as output:
        assert (status, output.read()) == (0, "err\n")


def test_options(container):
    options = {"user": "5:6", "cwd": "/tmp", "env": ["A=b"], "additional_gids": [7]}
    printed = output_of(container, "sh", "-c", "id; pwd; echo $A", **options)
    assert printed == ("uid=5 gid=6 groups=7\n/tmp\nb\n", 0)


def test_a_process_document(container):
    process = {"args": ["pwd"], "cwd": "/dev", "env": ["PATH=/bin"]}
    assert output_of(container, process=process) == ("/dev\n", 0)
    assert process == {"args": ["pwd"], "cwd": "/dev", "env": ["PATH=/bin"]}
    with pytest.raises(ConfigError, match="/cwd"):
        container.exec(process={"args": ["pwd"], "cwd": "dev"})


def test_a_terminal(container):
    with Console() as console:
        process = container.exec(["tty"], tty=True, console=console)
        master = console.receive()
    assert os.read(master, 100) == b"/dev/pts/0\n"
    assert process.wait() == 0
    os.close(master)


def test_a_terminal_of_that_size(ocipy, bundle):
    change = set_process(consoleSize={"width": 77, "height": 11})
    container = Container(ocipy.start(bundle("sleep", "1000", change=change)), str(ocipy.root))
    with Console() as console:
        process = container.exec(["stty", "size"], tty=True, console=console)
        master = console.receive()
    assert os.read(master, 100) == b"11 77\n"
    process.wait()
    os.close(master)


@pytest.mark.parametrize("size", [(40, 0), (65535, 65535)])
def test_a_terminal_of_a_size_of_the_caller_s(container, size):
    with Console() as console:
        process = container.exec(["true"], tty=True, console=console, console_size=size)
        master = console.receive()
    assert struct.unpack("4H", fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8))) == (*size, 0, 0)
    assert process.wait() == 0
    os.close(master)


def test_a_size_that_no_terminal_has(container):
    with Console() as console, pytest.raises(UsageError, match="console_size"):
        container.exec(["true"], tty=True, console=console, console_size=(65536, 1))


def test_a_pidfd_for_a_socket(container, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "pidfd.sock"))
        server.listen()
        process = container.exec(["sleep", "1000"], pidfd_socket=str(tmp_path / "pidfd.sock"))
        with server.accept()[0] as connection:
            data, (pidfd,), _, _ = socket.recv_fds(connection, 100, 1)
    assert data == b"setns"
    assert f"Pid:\t{process.pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)
    process.kill("KILL")
    process.wait()


def test_errors(container):
    with pytest.raises(StepError, match="^exec nosuch: executable file not found"):
        container.exec(["nosuch"])
    with pytest.raises(UsageError, match="--user"):
        container.exec(["true"], user="root")
    with pytest.raises(UsageError, match="cannot allocate tty"):
        container.exec(["true"], tty=True)
    container.kill("KILL")
    container.wait()
    with pytest.raises(StateError, match="^cannot exec in a stopped container$"):
        container.exec(["true"])


def test_closing_before_the_end(container):
    process = container.exec(["true"])
    process.close()
    assert os.waitpid(process.pid, 0) == (process.pid, 0)


def test_many_threads_wait_for_one_process(container):
    process = container.exec(["sh", "-c", "read line; exit 4"], stdin=(pipe := os.pipe())[0])
    os.close(pipe[0])
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(process.wait) for _ in range(8)]
        os.write(pipe[1], b"go\n")
        assert [each.result() for each in waiting] == [4] * 8
    os.close(pipe[1])
    assert process.wait() == 4
    assert repr(process) == f"Process(pid={process.pid})"


def test_waiting_after_closing(container):
    process = container.exec(["true"])
    process.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        process.wait()
    os.waitpid(process.pid, 0)


def test_many_threads(ocipy, container):
    """One service, one container; none sees another's streams or affinity."""
    before, threads = sorted(os.listdir("/proc/self/fd")), 8

    def one(number):
        return [output_of(container, "sh", "-c", f"echo {number}.{i}; exit {number}") for i in range(5)]

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(one, range(threads)))
    assert found == [[(f"{number}.{i}\n", number) for i in range(5)] for number in range(threads)]
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert children() == [container.pid]


def test_a_thread_that_ends_leaves_its_process(container):
    """A parent-death signal comes when the thread ends that forked."""
    made = []
    thread = threading.Thread(target=lambda: made.append(container.exec(["sleep", "1000"])))
    thread.start()
    thread.join()
    (process,) = made
    assert not select.select([process.pidfd], [], [], 0.05)[0]
    process.kill("KILL")
    assert process.wait() == 137


def test_the_affinity_of_the_caller_stays(ocipy, bundle):
    change = set_process(execCPUAffinity={"initial": "0"})
    container = Container(ocipy.start(bundle("sleep", "1000", change=change)), str(ocipy.root))
    before = os.sched_getaffinity(0)
    assert container.exec(["true"]).wait() == 0
    assert os.sched_getaffinity(0) == before


def test_the_state_stays_as_it_is(ocipy, container):
    path = ocipy.root / container.id / "state.json"
    before = path.read_bytes()
    assert container.exec(["true"]).wait() == 0
    assert path.read_bytes() == before
    assert json.loads(before)["id"] == container.id
