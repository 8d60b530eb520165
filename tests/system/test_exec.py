"""exec: one more process in a container that runs."""

import json
import os
from pathlib import Path

import pytest

from tests.system.runtime import children, until, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


@pytest.fixture
def container(ocipy, bundle):
    """A container that runs, and does nothing."""
    return ocipy.start(bundle(*FOREVER))


def test_output_and_status(ocipy, container):
    done = ocipy("exec", container, "sh", "-c", "echo out; echo err >&2; exit 7", status=7)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_signal_that_ended_it(ocipy, container):
    assert ocipy("exec", container, "sh", "-c", "kill -9 $$").returncode == 137


def test_standard_input(ocipy, container):
    reader, writer = os.pipe()
    os.write(writer, b"some text\n")
    os.close(writer)
    done = ocipy("exec", container, "cat", status=0, stdin=reader)
    os.close(reader)
    assert done.stdout == "some text\n"


def test_the_options_of_the_program_are_its_own(ocipy, container):
    assert ocipy("exec", container, "echo", "-n", "--cwd", "-t", status=0).stdout == "--cwd -t"


def test_all_namespaces_are_the_container_s(ocipy, bundle):
    def change(config):
        config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}, {"type": "time"}]
        for name in ("uidMappings", "gidMappings"):
            config["linux"][name] = [{"containerID": 0, "hostID": 200000, "size": 1000}]

    container = ocipy.start(bundle(*FOREVER, change=change))
    script = "cd /proc/$0/ns; for each in user mnt pid net ipc uts cgroup time; do readlink $each; done"
    own = ocipy("exec", container, "sh", "-c", script, "self", status=0).stdout
    assert own == ocipy("exec", container, "sh", "-c", script, "1", status=0).stdout
    assert own.split()[0] != os.readlink("/proc/self/ns/user")


def test_its_cgroups_are_the_container_s(ocipy, container):
    own = ocipy("exec", container, "cat", "/proc/self/cgroup", status=0).stdout
    assert own == Path(f"/proc/{ocipy.pid(container)}/cgroup").read_text()


def test_detached_with_a_pid_file(ocipy, container, tmp_path):
    file = tmp_path / "pid"
    ocipy("exec", "--detach", "--pid-file", file, container, "sleep", "999", status=0)
    pid = int(file.read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00999\x00"
    assert pid in json.loads(ocipy("ps", "-f", "json", container, status=0).stdout)
    os.kill(pid, 9)
    wait_ended(pid)  # as who detached it has to: a PID namespace ends with the last of its processes


def test_a_process_document(ocipy, container, tmp_path):
    file, output = tmp_path / "process.json", tmp_path / "output"
    process = {"args": ["sh", "-c", "id; pwd; echo $A"], "cwd": "/tmp", "env": ["A=b", "PATH=/bin"]}
    process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
    file.write_text(json.dumps(process))
    with output.open("w") as stdout:
        ocipy("exec", "-d", "--process", file, container, status=0, stdout=stdout)
    until(lambda: children() == [ocipy.pid(container)])
    assert output.read_text() == "uid=5 gid=6 groups=7\n/tmp\nb\n"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("nosuch", "exec nosuch: executable file not found in $PATH"),
        ("/no/such", "exec /no/such: no such file or directory"),
        ("/etc", "exec /etc: permission denied"),
    ],
)
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_program_that_cannot_be_run(ocipy, container, program, message, detach, tmp_path):
    file = tmp_path / "pid"
    assert ocipy.fails("exec", *detach, "--pid-file", file, container, program, status=255) == message
    assert not file.exists()


def test_a_stopped_and_an_unknown_container(ocipy, bundle):
    container = ocipy.start(bundle("true"))
    until(lambda: ocipy.status(container) == "stopped")
    assert ocipy.fails("exec", container, "true", status=255) == "cannot exec in a stopped container"
    assert ocipy.fails("exec", "nobody", "true", status=255) == "container 'nobody' does not exist"


def test_a_paused_container(ocipy, container):
    ocipy("pause", container, status=0)
    message = ocipy.fails("exec", container, "true", status=255)
    assert message.startswith("cannot exec in a paused container (")
    ocipy("resume", container, status=0)
    ocipy("exec", container, "true", status=0)


def test_a_created_container(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    assert ocipy("exec", container, "hostname", status=0).stdout == "runc\n"
    ocipy("start", container, status=0)
