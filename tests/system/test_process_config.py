"""What config.md says of ``process`` and no other file here tests: its absence, the terminal's size, env, umask."""

import json
import os
from pathlib import Path

import pytest

from tests.system.looking import inside, set_process, set_user, status_field, together

pytestmark = pytest.mark.root


def without_process(config):
    del config["process"]


def test_without_a_process_a_container_is_created_and_not_started(ocipy, bundle, tmp_path):
    """config.md: required when start is called; runtime.md, Start: an error, and the container is as before."""

    def change(config):
        without_process(config)
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {tmp_path}/ran"]}
        config["hooks"] = {"poststart": [hook]}

    container = ocipy.create(bundle(change=change))
    assert ocipy.status(container) == "created"
    line = ocipy.fails("start", container)
    assert line == "cannot start a container without a process: config.json has none"
    assert ocipy.status(container) == "created"
    status = Path(f"/proc/{ocipy.pid(container)}/status").read_text()
    assert int(status_field(status, "CapEff"), 16) == 0, "what waits for nothing holds nothing"
    assert not (tmp_path / "ran").exists()
    ocipy("delete", container, status=0)


def test_run_without_a_process(ocipy, bundle):
    path = bundle(change=without_process)
    done = ocipy.run(path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == ("ocipy: cannot start a container without a process: config.json has none")
    assert "can't be started" in done.stderr.splitlines()[0], "the warning of create"
    assert ocipy.left() == []
    assert "execute" not in ocipy("plan", "--bundle", path, status=0).stdout


def test_a_variable_given_twice(ocipy, bundle):
    """The last counts, wherever it is looked for."""
    env = ["PATH=/nowhere", "A=1", "HOME=/a", "A=2", "PATH=/bin:/usr/bin", "HOME="]
    said = inside(ocipy, bundle, "env; echo $A", change=set_process(env=env)).split()
    found = sorted(line for line in said if line.startswith(("A=", "PATH=", "HOME=")))
    assert found == ["A=2", "HOME=/root", "PATH=/bin:/usr/bin"]
    assert said[-1] == "2"


def test_an_environment_of_nothing(ocipy, bundle):
    """``PATH`` for the look-up is execvp(3)'s then; HOME is the user's."""
    said = inside(ocipy, bundle, "cat /proc/self/environ", change=set_process(env=[]))
    assert "HOME=/root" in said.split("\0")


@pytest.mark.parametrize("variable", ["NAME", "=value", ""])
def test_what_is_no_variable(ocipy, bundle, variable):
    line = ocipy.refused(bundle(change=set_process(env=["A=1", variable])))
    assert "/process/env/1" in line
    assert "expected NAME=value" in line


@pytest.mark.parametrize("mask", [0, 0o27, 0o777])
def test_a_umask(ocipy, bundle, mask):
    said = inside(ocipy, bundle, "umask", change=set_user(umask=mask))
    assert int(said, 8) == mask


def test_the_umask_of_the_caller_is_not_the_container_s(ocipy, bundle):
    path = bundle("sh", "-c", "umask", change=lambda config: config["process"]["user"].pop("umask", None))
    before = os.umask(0o77)
    try:
        assert ocipy.run(path, status=0).stdout == "0022\n"
    finally:
        os.umask(before)


def test_groups(ocipy, bundle):
    change = set_user(uid=1000, gid=1001, additionalGids=[7, 2000000000, 7])
    groups = inside(ocipy, bundle, "grep Groups /proc/self/status", change=change).split()[1:]
    assert sorted(set(map(int, groups))) == [7, 2000000000]


def test_a_console_size_without_a_terminal_is_ignored(ocipy, bundle):
    """config.md: it MUST be; so is what no terminal could have."""
    change = together(set_process(terminal=False, consoleSize={"height": 2**33, "width": 3}))
    assert inside(ocipy, bundle, "echo ran", change=change) == "ran\n"


def test_a_console_size_no_terminal_can_have(ocipy, bundle):
    change = set_process(terminal=True, consoleSize={"height": 65536, "width": 3})
    line = ocipy.refused(bundle(change=change))
    assert "/process/consoleSize/height" in line
    assert "expected at most 65535, got 65536" in line


def test_the_command_line_of_windows_is_no_program(ocipy, bundle):
    def change(config):
        config["process"].pop("args")
        config["process"]["commandLine"] = "cmd /c ver"

    path = bundle(change=change)
    assert "commandLine" in json.loads((path / "config.json").read_text())["process"]
    assert "args must not be empty" in ocipy.refused(path)
