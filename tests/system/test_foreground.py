"""`ocipy run` in the foreground without a terminal: streams, signals, orphans, exit codes."""

import os
import signal
import subprocess

import pytest

from tests.system.hooking import hook, with_hooks
from tests.system.runtime import DEADLINE, RUNTIME, until, wait_ended

pytestmark = pytest.mark.root


@pytest.fixture
def foreground(ocipy):
    """Starts `ocipy run` with pipes for its streams; ended and waited for at the end of the test."""
    processes = []

    def start(path, *options, **keywords):
        command = [RUNTIME, "--root", str(ocipy.root), "run", *options, "-b", str(path), ocipy.new_id()]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, **(pipes | keywords)))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        process.wait()


def test_standard_streams(ocipy, bundle):
    done = ocipy.run(bundle("sh", "-c", "cat; echo err >&2"), stdin=None, input=b"from outside\n", status=0)
    assert done.stdout == "from outside\n"
    assert done.stderr == "err\n"


def test_much_output(ocipy, bundle):
    done = ocipy.run(bundle("sh", "-c", "dd if=/dev/zero bs=1k count=2048 2>/dev/null"), status=0)
    assert len(done.stdout) == 2 << 20


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_reach_the_program(foreground, bundle, name):
    script = f"trap 'echo got {name}; exit 4' {name}; echo ready; while :; do sleep 0.01; done"
    process = foreground(bundle("sh", "-c", script))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    assert process.communicate()[0] == f"got {name}\n".encode()
    assert process.returncode == 4


def test_a_resize_is_no_matter_of_a_container_without_a_terminal(foreground, bundle):
    script = "trap 'echo resized' WINCH; trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done"
    process = foreground(bundle("sh", "-c", script))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGWINCH)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == b""
    assert process.returncode == 4


def test_a_broken_pipe_of_the_command_s_own(ocipy, bundle):
    """A warning that can't be printed brings the command a SIGPIPE, which isn't for the program."""

    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]
        config["process"]["capabilities"]["ambient"] = ["CAP_KILL"]  # not inheritable, which is warned of

    reader, writer = os.pipe()
    os.close(reader)
    command = [RUNTIME, "--root", str(ocipy.root), "run", "-b", str(bundle("sleep", "0.1", change=change))]
    done = subprocess.run([*command, ocipy.new_id()], stderr=writer, check=False, timeout=DEADLINE)
    os.close(writer)
    assert done.returncode == 0


def test_a_signal_that_ends_the_program(foreground, bundle):
    """Init of a PID namespace doesn't die of its own signals, of those from outside it does if it has no say: KILL."""

    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]

    process = foreground(bundle("sh", "-c", "echo ready; exec sleep 1000", change=change))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_a_program_that_ends_at_once_is_never_missed(ocipy, bundle):
    path = bundle("true")
    for _ in range(10):
        ocipy.run(path, status=0)


def test_orphans_are_reaped(foreground, bundle):
    """Without a PID namespace they become children of the runtime, as subreaper."""

    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]

    script = "(sh -c 'echo $$; exec sleep 1000' &); read x; exit 5"
    process = foreground(bundle("sh", "-c", script, change=change))
    orphan = int(process.stdout.readline())
    assert until(lambda: parent(orphan) == process.pid, "adoption by the runtime")
    os.kill(orphan, signal.SIGKILL)
    until(lambda: parent(orphan) is None, "the orphan's reaping")
    process.communicate(b"\n")
    assert process.returncode == 5


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_orphans_without_subreaper(foreground, bundle):
    """They go to the next one up: this process."""

    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]

    script = "(sh -c 'echo $$; exec sleep 1000' &); read x"
    process = foreground(bundle("sh", "-c", script, change=change), "--no-subreaper")
    orphan = int(process.stdout.readline())
    assert until(lambda: parent(orphan) == os.getpid(), "adoption by this process")
    process.communicate(b"\n")
    wait_ended(orphan)


def test_processes_of_the_container_end_with_it(foreground, bundle):
    """The container's own PID namespace takes them along."""
    process = foreground(bundle("sh", "-c", "sleep 1000 & echo ready; read x; exit 3"))
    assert process.stdout.readline() == b"ready\n"
    process.communicate(b"\n")
    assert process.returncode == 3


def test_sigkill_of_the_runtime_leaves_a_container_that_can_be_deleted(foreground, ocipy, bundle):
    process = foreground(bundle("sh", "-c", "echo ready; exec sleep 1000"))
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait()
    (container,) = ocipy.left()
    assert ocipy.status(container) == "running"
    ocipy("delete", "--force", container, status=0)


def test_a_console_socket_is_for_detached_containers(ocipy, bundle):
    assert "--detach" in ocipy.fails("run", "--console-socket", "/x", "-b", bundle(), ocipy.new_id())


def test_a_container_killed_from_outside(foreground, ocipy, bundle):
    process = foreground(bundle("sh", "-c", "echo ready; exec sleep 1000"))
    assert process.stdout.readline() == b"ready\n"
    (container,) = ocipy.left()
    ocipy("kill", container, "KILL", status=0)
    process.communicate()
    assert process.returncode == 137


def test_a_container_deleted_from_outside(foreground, ocipy, bundle):
    """run finds it gone, which is what it was about to do."""
    process = foreground(bundle("sh", "-c", "echo ready; exec sleep 1000"))
    assert process.stdout.readline() == b"ready\n"
    (container,) = ocipy.left()
    ocipy("delete", "--force", container, status=0)
    _, said = process.communicate()
    assert said == b""
    assert process.returncode == 137


def test_children_that_the_caller_ignores(ocipy, bundle):
    """SIGCHLD ignored is handed down by execve(2), and would take the status of hooks and of the container."""
    path = bundle("sh", "-c", "exit 7", change=with_hooks(createRuntime=[hook("exit 0")]))
    command = (RUNTIME, "--root", str(ocipy.root), "run", "-b", str(path), ocipy.new_id())
    done = ocipy.execute("sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", *command, timeout=DEADLINE)
    assert done.returncode == 7, done.stderr
