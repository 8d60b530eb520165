"""Bundles with the host's own programs: bash, ps, ls, top and env find a system that works."""

import pytest

from tests.system.looking import read_config, write_config
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

PROGRAMS = ("bash", "ps", "ls", "top", "env", "id", "cat", "hostname", "mount")


@pytest.fixture(scope="module")
def host_bundle(tmp_path_factory):
    from ocipy.bundle.builder import make_bundle

    directory = tmp_path_factory.mktemp("host") / "bundle"
    make_bundle(directory, from_host=list(PROGRAMS))
    return directory


@pytest.fixture
def run(ocipy, host_bundle, test_name):
    """Runs a command in the bundle of host programs; its output."""

    def run(*args, **process):
        config = read_config(host_bundle)
        config["process"].update(terminal=False, args=list(args), **process)
        config["linux"]["cgroupsPath"] = f"/{test_name}/host"
        write_config(host_bundle, config)
        done = ocipy.run(host_bundle, status=0)
        assert done.stderr == ""
        return done.stdout

    return run


def test_bash(run):
    script = "echo $BASH_VERSION $$ $PPID; read -r line < /proc/sys/kernel/hostname; echo $line; echo {a,b}{1,2}"
    version, pid, parent, host, *braces = run("bash", "-c", script).split()
    assert int(version[0]) >= 4
    assert (pid, parent) == ("1", "0")
    assert host
    assert braces == ["a1", "a2", "b1", "b2"]


def test_ps(run):
    lines = run("ps", "-eo", "pid,ppid,user,comm").splitlines()
    assert [line.split() for line in lines] == [["PID", "PPID", "USER", "COMMAND"], ["1", "0", "root", "ps"]]
    said = run("bash", "-c", "(exec -a hidden cat /dev/zero > /dev/null) & ps ax; kill $!")
    assert "hidden /dev/zero" in said or "hidden" in said
    assert said.count("\n") == 4, "the header, bash, the job and ps: nothing of the host"


def test_ls(run):
    said = run("ls", "-la", "/").splitlines()
    assert {line.split()[8] for line in said[1:]} >= {"proc", "dev", "sys", "etc"}
    assert all(line.split()[2:4] == ["root", "root"] for line in said[1:] if not line.endswith(" ..")), "names, not ids"
    assert run("ls", "/proc/1/fd").split() == ["0", "1", "2", "3"]


def test_top(run):
    said = run("top", "-b", "-n1")
    assert "Tasks:   1 total,   1 running" in said
    assert said.splitlines()[-1].split()[-1] == "top"


def test_env(run):
    env = ["PATH=/usr/bin:/bin", "TERM=xterm", "A=b c"]
    assert run("env", env=env).splitlines() == ["HOME=/root", *env]


def test_id_and_names(run):
    assert run("id").strip() == "uid=0(root) gid=0(root) groups=0(root)"
    assert run("id", user={"uid": 1234, "gid": 5678}).strip() == "uid=1234 gid=5678 groups=5678"


def test_mount_shows_the_container_s_own(run):
    said = run("mount").splitlines()
    assert [line for line in said if " on / " in line]
    assert not [line for line in said if "/tmp/" in line.split(" type ")[0]]


def test_the_command_line(ocipy, tmp_path, test_name):
    """As the README has it: make a bundle of the host's programs and run it."""
    path = tmp_path / "b"
    made = ocipy.execute(
        RUNTIME, "bundle", path, "--from-host", "bash,ls", "--", "bash", "-c", "ls / > /dev/null && echo $0"
    )
    assert made.returncode == 0, made.stderr
    config = read_config(path)
    config["linux"]["cgroupsPath"] = f"/{test_name}/b"
    write_config(path, config)
    done = ocipy.run(path, status=0)
    assert done.stderr == ""
    assert done.stdout.split()[-1] == "bash"
