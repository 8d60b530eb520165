"""exec: what the process is and may do, by its options, a document, or the container's config; and what can't be."""

import json
import os
from pathlib import Path

import pytest

from tests.system.looking import in_user_namespace, set_process
from tests.system.runtime import RUNTIME, children, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


@pytest.fixture
def container(ocipy, bundle):
    """A container that runs, and does nothing."""
    return ocipy.start(bundle(*FOREVER))


def show(ocipy, container, script, *options):
    """What a shell script prints that exec runs."""
    done = ocipy("exec", *options, container, "sh", "-c", script, status=0)
    assert not done.stderr, done.stderr
    return done.stdout


def test_user_groups_directory_and_environment(ocipy, container):
    options = ("--user", "5:6", "-g", "7", "--additional-gids", "8", "--cwd", "/tmp", "-e", "A=b", "--env", "A=c d")
    assert show(ocipy, container, 'id; pwd; echo "$A $TERM"', *options) == "uid=5 gid=6 groups=7,8\n/tmp\nc d xterm\n"


def test_home(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER, own_rootfs=True))
    assert show(ocipy, container, "echo $HOME") == "/root\n"
    assert show(ocipy, container, "echo $HOME", "-u", "77") == "/\n"
    assert show(ocipy, container, "echo $HOME", "-e", "HOME=/x") == "/x\n"


def test_the_container_s_own_process_is_the_pattern(ocipy, bundle):
    def change(config):
        config["process"].update(cwd="/tmp", user={"uid": 9, "gid": 8, "umask": 0o27}, env=["PATH=/bin", "X=y"])
        config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]

    container = ocipy.start(bundle(*FOREVER, change=change))
    script = "id -u; id -g; umask; pwd; echo $X; ulimit -Sn; ulimit -Hn"
    assert show(ocipy, container, script).split() == ["9", "8", "0027", "/tmp", "y", "100", "200"]


def test_what_became_of_the_bundle_is_no_matter(ocipy, bundle):
    """Neither its seccomp filter nor its capabilities can be changed for a container that is there."""
    path = bundle(*FOREVER)
    container = ocipy.start(path)
    before = show(ocipy, container, "grep -e Cap -e Seccomp: /proc/self/status")
    (path / "config.json").unlink()
    assert show(ocipy, container, "grep -e Cap -e Seccomp: /proc/self/status") == before


def status_of(ocipy, container, *options):
    text = show(ocipy, container, "cat /proc/self/status", *options)
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_capabilities(ocipy, container):
    names = ("CapBnd", "CapPrm", "CapEff")
    own = {name: int(status_of(ocipy, container)[name], 16) for name in names}
    more = status_of(ocipy, container, "--cap", "CAP_CHOWN", "-c", "CAP_FOWNER")
    assert {name: int(more[name], 16) for name in names} == {name: own[name] | 1 | 1 << 3 for name in names}
    init = Path(f"/proc/{ocipy.pid(container)}/status").read_text()
    assert f"CapEff:\t{own['CapEff']:016x}" in init


def test_no_new_privileges(ocipy, bundle):
    with_it, without = (
        ocipy.start(bundle(*FOREVER, change=set_process(noNewPrivileges=value))) for value in (True, False)
    )
    assert status_of(ocipy, with_it)["NoNewPrivs"] == "1"
    assert status_of(ocipy, with_it, "--no-new-privs=false")["NoNewPrivs"] == "0"
    assert status_of(ocipy, without)["NoNewPrivs"] == "0"
    assert status_of(ocipy, without, "--no-new-privs")["NoNewPrivs"] == "1"


@pytest.mark.parametrize("privileges", [True, False])
def test_seccomp(ocipy, bundle, privileges):
    def change(config):
        config["process"]["noNewPrivileges"] = privileges
        rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 37}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    container = ocipy.start(bundle(*FOREVER, change=change))
    done = ocipy("exec", container, "mkdir", "/tmp/x", status=1)
    assert "No locks available" in done.stderr
    assert status_of(ocipy, container)["Seccomp"] == "2"


def test_personality_scheduler_and_priority(ocipy, bundle):
    def change(config):
        config["process"].update(scheduler={"policy": "SCHED_BATCH", "nice": 3})
        config["linux"]["personality"] = {"domain": "LINUX32"}

    container = ocipy.start(bundle(*FOREVER, change=change))
    shown = show(ocipy, container, "cat /proc/self/personality; cut -d' ' -f19,41 /proc/self/stat")
    assert shown.split() == ["00000008", "3", "3"]


def test_oom_score(ocipy, bundle, tmp_path):
    container = ocipy.start(bundle(*FOREVER, change=set_process(oomScoreAdj=300)))
    assert show(ocipy, container, "cat /proc/self/oom_score_adj") == "300\n"
    process = {"args": ["cat", "/proc/self/oom_score_adj"], "cwd": "/", "env": ["PATH=/bin"], "oomScoreAdj": 400}
    (tmp_path / "process.json").write_text(json.dumps(process))
    assert ocipy("exec", "-p", tmp_path / "process.json", container, status=0).stdout == "400\n"


@pytest.mark.parametrize(
    ("affinity", "shown"),
    [
        # Of what was set before a process came into another cpuset, kernels before Linux 6.2 know nothing there.
        ({"initial": "0"}, ("0", "0-1")),
        ({"final": "1"}, ("1",)),
        ({"initial": "0", "final": "0-1"}, ("0-1",)),
    ],
)
def test_affinity(ocipy, bundle, affinity, shown):
    if os.sched_getaffinity(0) != {0, 1}:
        pytest.skip("needs two CPUs")
    container = ocipy.start(bundle(*FOREVER, change=set_process(execCPUAffinity=affinity)))
    assert status_of(ocipy, container)["Cpus_allowed_list"] in shown
    assert os.sched_getaffinity(ocipy.pid(container)) == os.sched_getaffinity(0)


def test_a_cpu_that_is_not_there(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER, change=set_process(execCPUAffinity={"final": "8191"})))
    message = ocipy.fails("exec", container, "true", status=255)
    assert message.startswith("process.execCPUAffinity.final: sched_setaffinity to 8191: EINVAL")


def test_no_descriptor_of_ours(ocipy, container, tmp_path):
    """Nor one of the caller's beyond those it preserves."""
    file = tmp_path / "file"
    file.write_text("text")
    fd = os.open(file, os.O_RDONLY)
    high = os.dup2(fd, 77)
    try:
        ocipy("exec", "-d", "--pid-file", tmp_path / "pid", container, "sleep", "999", status=0, pass_fds=[high])
    finally:
        os.close(fd)
        os.close(high)
    pid = int((tmp_path / "pid").read_text())
    assert set(os.listdir(f"/proc/{pid}/fd")) == {"0", "1", "2"}
    os.kill(pid, 9)
    wait_ended(pid)


def test_preserved_descriptors(ocipy, container, tmp_path):
    file = tmp_path / "file"
    file.write_text("text\n")
    with file.open() as source:
        command = ["sh", "-c", 'exec 3<"$0"; exec "$@"', file, RUNTIME, "--root", ocipy.root]
        command = [*map(str, command), "exec", "--preserve-fds", "1", container, "sh", "-c", "cat <&3"]
        assert ocipy.execute(*command, status=0, stdin=source).stdout == "text\n"
    message = ocipy.fails("exec", "--preserve-fds", "4", container, "true", status=255)
    assert message.startswith("--preserve-fds 4: file descriptor ")


def test_the_error_as_json_in_the_log(ocipy, container, tmp_path):
    file = tmp_path / "log.json"
    ocipy("--log", file, "--log-format", "json", "exec", container, "nosuch", status=127)
    entry = json.loads(file.read_text().splitlines()[-1])
    assert (entry["level"], entry["msg"]) == ("error", "exec nosuch: executable file not found in $PATH")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "1abc", "C", "true"], "--user '1abc': expected UID or UID:GID, in numbers"),
        (["--user", "root", "C", "true"], "--user 'root': expected UID or UID:GID, in numbers"),
        (["-g", "1a", "C", "true"], "--additional-gids '1a': expected a number"),
        (["--cwd", "/none", "C", "true"], "process.cwd (/none): chdir to /none: ENOENT: no such file or directory"),
        (["--cwd", "tmp", "C", "true"], '--cwd: expected an absolute path such as "/", got \'tmp\''),
        (["--cap", "KILL", "C", "true"], "--cap: unknown capability 'KILL' (expected one such as CAP_KILL)"),
        (["-e", "A", "C", "true"], "--env: expected NAME=value, got 'A'"),
        (["C"], 'the program: args must not be empty: expected the program to run, such as ["sh"]'),
        (["-d", "-t", "C", "true"],
         "cannot allocate tty if ocipy will detach without setting console socket (--console-socket PATH is missing)"),
        (["-d", "--console-socket", "/x", "C", "true"],
         "cannot use console socket if ocipy will not detach or allocate tty (no terminal is asked for)"),
        (["-d", "-t", "--console-socket", "/x", "C", "true"],
         "connect to the console socket /x: ENOENT: no such file or directory (nobody listens there)"),
        (["-t", "--console-socket", "/x", "C", "true"],
         "cannot use console socket if ocipy will not detach or allocate tty (--detach is missing)"),
        (["--pidfd-socket", "/x", "C", "true"],
         "connect to the pidfd socket /x: ENOENT: no such file or directory (nobody listens there)"),
        (["--pid-file", "/no/pid", "C", "true"], "write the pid file /no/pid: ENOENT: no such file or directory"),
        (["--process", "/no/file", "C"], "/no/file: no such file or directory"),
        (["--cgroup", "none", "C", "true"], None),
    ],
)  # fmt: skip
def test_errors(ocipy, container, arguments, message):
    line = ocipy.fails("exec", *(container if each == "C" else each for each in arguments), status=255)
    assert line == message if message else "ENOENT" in line
    assert children() == [ocipy.pid(container)]


def test_a_user_that_is_not_mapped(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER, change=lambda config: in_user_namespace(config, size=10)))
    assert "the id isn't mapped" in ocipy.fails("exec", "-u", "10", container, "true", status=255)
    assert show(ocipy, container, "id -u", "-u", "9") == "9\n"
