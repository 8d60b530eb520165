"""exec: one more process in a container that runs."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.looking import resources, set_capabilities, set_namespaces, together, writable_cgroups
from tests.system.runtime import RUNTIME, children, until, wait_ended

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
    ("program", "message", "status"),
    [
        ("nosuch", "exec nosuch: executable file not found in $PATH", 127),
        ("/no/such", "exec /no/such: no such file or directory", 127),
        ("/etc", "exec /etc: permission denied", 126),
        ("/etc/passwd/a", "process.args[0] (/etc/passwd/a): exec /etc/passwd/a: ENOTDIR: not a directory", 126),
    ],
)
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_program_that_cannot_be_run(ocipy, container, program, message, status, detach, tmp_path):
    file = tmp_path / "pid"
    assert ocipy.fails("exec", *detach, "--pid-file", file, container, program, status=status) == message
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


def test_in_a_cgroup_below(ocipy, container):
    paths = saved(ocipy, container)["cgroup_paths"]
    name = next(name for name in ("pids", "") if name in paths)
    below = Path(paths[name]) / "below"
    below.mkdir()
    try:
        where = f"{name}:below" if name else "below"
        shown = ocipy("exec", "--cgroup", where, container, "cat", "/proc/self/cgroup", status=0).stdout
        assert [line for line in shown.splitlines() if line.endswith("/below")] == [
            line for line in shown.splitlines() if line.split(":")[1] == name
        ]
    finally:
        below.rmdir()


@pytest.mark.usefixtures("unified_alone")
def test_where_the_container_hands_controllers_down(ocipy, bundle, tmp_path):
    """As systemd in it does; its own cgroup takes no process then: cgroup-v2.rst, No Internal Process Constraint."""
    script = (
        "cd /sys/fs/cgroup && mkdir init && echo $$ >init/cgroup.procs && read -r first rest <cgroup.controllers && "
        'echo "+$first" >cgroup.subtree_control; sleep 1000'
    )
    change = together(set_namespaces(cgroup=""), writable_cgroups, set_capabilities("CAP_SYS_ADMIN"))
    container = ocipy.start(bundle("sh", "-c", script, change=change))
    mount = ["unshare", "-m", "sh", "-c", 'mount -t cgroup2 none /mnt && exec "$@"', "sh"]

    def look(name):
        path = "/mnt" + saved(ocipy, container)["cgroup_paths"][""].removeprefix("/sys/fs/cgroup") + name
        return subprocess.run([*mount, "cat", path], check=False, capture_output=True, text=True).stdout

    if not look("/cgroup.controllers"):
        pytest.skip("the unified hierarchy has no controller to hand down")
    until(lambda: look("/cgroup.subtree_control").strip())
    shown = ocipy("exec", container, "cat", "/proc/self/cgroup", status=0).stdout
    assert "0::/init\n" in shown
    message = ocipy.fails("exec", "--cgroup", "/", container, "true", status=255)
    assert "EBUSY" in message


def saved(ocipy, container):
    return json.loads((ocipy.root / container / "state.json").read_text())


def test_in_the_cgroups_from_the_first_instruction(ocipy, bundle):
    """No more processes than the limit ever are: the clone itself is refused, or the move of the one that is new."""
    change = resources(pids={"limit": 1})
    container = ocipy.start(bundle(*FOREVER, change=change))
    message = ocipy.fails("exec", container, "true", status=255)
    assert message.startswith("spawn: ")
    assert "EAGAIN" in message


def test_without_a_mount_namespace(ocipy, bundle):
    def change(config):
        set_namespaces(mount=None)(config)
        config["linux"].update(maskedPaths=[], readonlyPaths=[])
        config["mounts"] = []
        config["root"]["readonly"] = False

    container = ocipy.start(bundle(*FOREVER, own_rootfs=True, change=change))
    done = ocipy("exec", container, "ls", "/", status=0)
    assert "linuxrc" in done.stdout.split()


def test_namespaces_that_are_the_host_s(ocipy, bundle):
    def change(config):
        set_namespaces(pid=None, uts=None)(config)
        del config["hostname"]

    container = ocipy.start(bundle(*FOREVER, change=change))
    shown = ocipy("exec", container, "sh", "-c", "echo $$; readlink /proc/$$/ns/uts", status=0).stdout.split()
    assert int(shown[0]) > ocipy.pid(container)
    assert shown[1] == os.readlink("/proc/self/ns/uts")


def test_a_pid_that_is_another_s_now(ocipy, container):
    """Its namespaces are not the container's: who has the number is known by when it began."""
    path = ocipy.root / container / "state.json"
    text = path.read_text()
    changed = json.loads(text) | {"init_process_pid": os.getpid()}
    path.write_text(json.dumps(changed))
    try:
        assert ocipy.fails("exec", container, "true", status=255) == "cannot exec in a stopped container"
    finally:
        path.write_text(text)


def test_a_paused_container_waits(ocipy, container, tmp_path):
    ocipy("pause", container, status=0)
    command = [RUNTIME, "--root", str(ocipy.root), "exec", "--ignore-paused", container, "echo", "there"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        until(lambda: len(children()) == 2 and is_in_cgroup(ocipy, container, 2))
        assert process.poll() is None
        ocipy("resume", container, status=0)
        assert process.stdout.read() == "there\n"
    assert process.returncode == 0


@pytest.mark.parametrize("options", [[], ["--detach"]], ids=["foreground", "detached"])
def test_a_signal_ends_the_wait_for_a_paused_container(ocipy, container, options, tmp_path):
    ocipy("pause", container, status=0)
    command = [RUNTIME, "--root", str(ocipy.root), "exec", *options, "--ignore-paused", container, "touch", "/tmp/ran"]
    with (tmp_path / "stderr").open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        until(lambda: is_in_cgroup(ocipy, container, 2))
        process.send_signal(signal.SIGINT)
    assert process.returncode in (130, -signal.SIGINT)
    if not options:
        message = (tmp_path / "stderr").read_text().splitlines()[-1]
        assert message == "ocipy: exec: signal 2 came before the program ran"
    ocipy("resume", container, status=0)
    until(lambda: is_in_cgroup(ocipy, container, 1))
    ocipy("exec", container, "test", "-e", "/tmp/ran", status=1)


def is_in_cgroup(ocipy, container, count):
    return len(json.loads(ocipy("ps", "-f", "json", container, status=0).stdout)) == count


def test_signals_are_passed_on(ocipy, container):
    command = [RUNTIME, "--root", str(ocipy.root), "exec", container, "sh", "-c"]
    script = "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.01; done"
    with subprocess.Popen([*command, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "got it\n"
    assert process.returncode == 5


def test_it_outlives_the_command(ocipy, container, tmp_path):
    file = tmp_path / "pid"
    command = [RUNTIME, "--root", str(ocipy.root), "exec", "--pid-file", str(file), container, "sleep", "998"]
    with subprocess.Popen(command) as process:
        pid = int(until(lambda: file.exists() and file.read_text()))
        process.kill()
    assert Path(f"/proc/{pid}/stat").read_text().split()[2] in "RS"
    os.kill(pid, 9)
    wait_ended(pid)


def test_it_ends_with_the_container(ocipy, container):
    command = [RUNTIME, "--root", str(ocipy.root), "exec", container, "sleep", "997"]
    with subprocess.Popen(command) as process:
        until(lambda: is_in_cgroup(ocipy, container, 2))
        ocipy("kill", container, "KILL", status=0)
    assert process.returncode == 137


@pytest.mark.parametrize("end", ["KILL", "exit"])
def test_a_container_that_ends_meanwhile(ocipy, bundle, end):
    """Whichever step that meets, the answer is one of two."""
    answers = {(255, "ocipy: cannot exec in a stopped container\n"), (137, ""), (0, "")}
    script = "trap 'exit 0' TERM; while :; do sleep 0.001; done"
    for _ in range(3):
        container = ocipy.start(bundle("sh", "-c", script))
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(ocipy, "exec", container, "true") for _ in range(4)]
            ocipy("kill", container, "KILL" if end == "KILL" else "TERM")
        done = [each.result() for each in running]
        assert {(each.returncode, each.stderr) for each in done} <= answers
        until(lambda: not children())


def test_twenty_at_once(ocipy, container):
    """No byte is lost, no status mistaken, nothing left."""

    def one(number):
        script = f"i=0; while [ $i -lt 200 ]; do echo {number} $i; i=$((i+1)); done; exit {number}"
        return ocipy("exec", container, "sh", "-c", script)

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(one, range(20)))
    assert [each.returncode for each in done] == list(range(20))
    assert all(each.stdout == "".join(f"{n} {i}\n" for i in range(200)) for n, each in enumerate(done))
    assert {each.stderr for each in done} == {""}
    assert children() == [ocipy.pid(container)]
