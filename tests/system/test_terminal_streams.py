"""Bytes between our streams and the container's terminal: all of them, both ways, whatever the streams are."""

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import threading

import pytest

from tests.system.looking import set_namespaces, together
from tests.system.runtime import DEADLINE, RUNTIME
from tests.system.terminals import plain, ten_at_once, with_terminal

pytestmark = pytest.mark.root

WITHOUT_PID_NAMESPACE = set_namespaces(pid=None)
BYTES = bytes(range(256)) * 16_384  # 4 MiB
SMALLEST = 4096  # bytes that a pipe can hold


@pytest.fixture
def run(ocipy, bundle):
    """Starts `ocipy run` of a shell script with a terminal; its streams are pipes unless given."""
    started = []

    def start(script, change=None, **streams):
        path = bundle("sh", "-c", script, change=together(with_terminal, change))
        command = [RUNTIME, "--root", str(ocipy.root), "run", "-b", str(path), ocipy.new_id()]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, start_new_session=True, **(pipes | streams)))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream and not stream.closed:
                stream.close()
        process.wait()


def read_slowly(stream):
    """All there is, in pieces smaller than a pipe, which is made as small as can be."""
    fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, SMALLEST)
    pieces = []
    while piece := os.read(stream.fileno(), 4000):
        pieces.append(piece)
    return b"".join(pieces)


def test_much_output(run):
    process = run("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    output, _ = process.communicate(timeout=DEADLINE)
    assert re.findall(rb"line (\d+)", output) == [str(number).encode() for number in range(20000)]


def test_a_burst_to_a_slow_reader(run):
    process = run("seq 1 600000")
    assert read_slowly(process.stdout) == b"".join(b"%d\n" % number for number in range(1, 600_001))
    assert process.wait(DEADLINE) == 0


def test_much_in_both_directions(run):
    """More than all buffers hold, to a program that sends it back, and a slow reader: nobody may block another."""
    process = run(f"stty raw -echo; echo ready; head -c {len(BYTES)}")
    assert process.stdout.readline() == b"ready\n"
    writer = threading.Thread(target=process.stdin.write, args=(BYTES,))
    writer.start()
    output = read_slowly(process.stdout)
    writer.join(DEADLINE)
    assert process.wait(DEADLINE) == 0
    assert hashlib.sha256(output).digest() == hashlib.sha256(BYTES).digest()


def test_the_last_bytes(run):
    """What a program writes just before it ends; more than once, for it would be a race."""
    for _ in range(5):
        process = run("stty raw; seq 1 1000 > /tmp/x 2>/dev/null; seq 1 1000; printf end")
        assert process.communicate(timeout=DEADLINE)[0].endswith(b"\n1000\nend")


def test_end_of_file_is_not_typed(run):
    """As with runc: an stdin at its end types nothing, ^D least of all."""
    process = run("trap 'exit 5' TERM; echo ready; exec 3<&0; cat <&3 & wait $!; exit 6", stdin=subprocess.DEVNULL)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 5


def test_a_file_as_stdin(run, tmp_path):
    (tmp_path / "input").write_bytes(b"one\ntwo\n")
    with (tmp_path / "input").open() as file:
        process = run("stty -echo; read a; read b; echo got $a $b", stdin=file)
    assert b"got one two\n" in process.communicate(timeout=DEADLINE)[0]


@pytest.mark.parametrize(
    ("closed", "printed"),
    [("<&-", b"got \n"), (">&-", b""), ("2>&-", b"got typed\n"), ("<&- >&- 2>&-", b"")],
)
def test_closed_streams(ocipy, bundle, closed, printed):
    """None of them becomes what we open next; the program has its terminal all the same."""
    script = 'stty -echo; read -t 1 x; echo "got $x"; test -t 0 -a -t 1 -a -t 2 && ! test -e /proc/self/fd/3 && exit 4'
    path = bundle("sh", "-c", script, change=with_terminal)
    command = [RUNTIME, "--root", str(ocipy.root), "run", "-b", str(path), ocipy.new_id()]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command], input=b"typed\n", capture_output=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert done.stdout.endswith(printed)


def test_streams_that_do_not_block(run):
    """O_NONBLOCK belongs to the open file, which others share with us: it is met, and left as it is."""
    (stdin, typed), (printed, stdout) = os.pipe(), os.pipe()
    os.set_blocking(stdin, False)
    os.set_blocking(stdout, False)
    process = run("stty -echo; echo ready; read x; seq 1 200000; echo $x", stdin=stdin, stdout=stdout)
    with open(printed, "rb") as reader:
        assert reader.readline() == b"ready\n"
        os.write(typed, b"the end\n")
        assert not os.get_blocking(stdout)
        assert not os.get_blocking(stdin)
        os.close(stdout)
        output = read_slowly(reader)
    assert output == b"".join(b"%d\n" % number for number in range(1, 200_001)) + b"the end\n"
    assert process.wait(DEADLINE) == 0
    for fd in (stdin, typed):
        os.close(fd)


def test_nobody_reads_what_is_printed(run):
    """As with runc: the container's terminal is hung up, and it is for the program to end."""
    process = run("trap 'exit 9' HUP; while :; do echo line; sleep 0.001; done")
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.wait(DEADLINE) == 9
    assert process.stderr.read() == b""


def test_a_terminal_closed_and_opened_again(run):
    """As an init does: nothing that is open in between keeps it, and much can be printed after."""
    process = run("echo first; exec </dev/null >/dev/null 2>&1; sleep 0.1; seq 1 30000 >/dev/console")
    output = process.communicate(timeout=DEADLINE)[0]
    assert output == b"first\n" + b"".join(b"%d\n" % number for number in range(1, 30_001))


def test_a_process_that_stays_with_the_terminal(run):
    """The program's end is the end, though another has the terminal open, and prints for as long as it can."""
    script = "trap '' HUP; (while :; do echo more; done) & echo first; exit 3"
    process = run(script, WITHOUT_PID_NAMESPACE)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 3
    assert b"first\n" in output


def test_waiting_costs_nothing(run):
    """Neither with an stdin at its end nor with a program that has closed its terminal."""
    process = run("exec sleep 0.5 </dev/null >/dev/null 2>&1", stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert usage.ru_utime + usage.ru_stime < 0.4


def test_ten_at_once(terminal, ocipy, bundle):
    """No byte lost, no session that hangs, nothing left."""

    def start(script):
        return terminal("run", "-b", bundle("sh", "-c", script, change=with_terminal), ocipy.new_id(), prepare=plain)

    ten_at_once(start)
    assert ocipy.left() == []
