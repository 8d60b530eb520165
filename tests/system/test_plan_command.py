"""``ocipy plan``: for anybody, and without a trace."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ocipy.plan.describe import sentence
from ocipy.plan.ops import KINDS, SetupOp
from tests.system.looking import bind, in_user_namespace, set_namespaces
from tests.system.runtime import RUNTIME, cgroup_mounts

pytestmark = pytest.mark.root
NOBODY = 65534


def everything(config):
    """A config that asks for a step of almost every kind."""
    in_user_namespace(config)
    set_namespaces(time="", cgroup="")(config)
    config.update(domainname="domain", hooks={
        kind: [{"path": f"/bin/{kind}", "timeout": 3}]
        for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    })  # fmt: skip
    config["mounts"] += [bind("/etc", "/mnt", "ro", "rro"), {"destination": "/x", "type": "tmpfs", "options": ["ro"]}]
    config["process"].update(terminal=True, oomScoreAdj=10, cwd="/work", consoleSize={"height": 1, "width": 2})
    config["linux"].update(
        sysctl={"net.core.somaxconn": "1"},
        rootfsPropagation="rshared",
        devices=[{"path": "/dev/fifo", "type": "p"}],
        seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]},
    )


def with_limits(config):
    everything(config)
    config["linux"]["resources"].update(memory={"limit": 1 << 30}, pids={"limit": 10})


@pytest.fixture
def plan(ocipy, bundle, tmp_path):
    """``ocipy plan`` for a user without privileges, with the changes that it made to anything."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.name.startswith(("pytest-", "test_")):
            directory.chmod(0o755)

    def run(path, *options, uid=NOBODY):
        before = world(tmp_path)
        command = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", RUNTIME, "plan", "--bundle", path)
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env={})
        assert world(tmp_path) == before
        assert done.returncode == 0, done.stderr
        run.warnings = done.stderr.splitlines()
        return done.stdout

    return run


def world(directory):
    """What a step might have changed."""
    files = sorted((str(path), path.lstat().st_mtime_ns) for path in directory.rglob("*") if "std" not in path.name)
    cgroups = sorted(
        str(below)
        for mount in cgroup_mounts()
        for below in mount.iterdir()
        if f"ocipy-test-{os.getpid()}" in below.name
    )
    return files, cgroups, Path("/proc/self/mountinfo").read_text(), sorted(os.listdir("/run"))


def no_ambient(config):
    config["process"]["capabilities"]["ambient"] = []


@pytest.mark.parametrize("change", [no_ambient, everything])
def test_it_needs_no_root_and_changes_nothing(plan, bundle, change):
    path = bundle("sh", change=change)
    text = plan(path)
    lines = text.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines)))
    assert {line.split()[1] for line in lines} == {"runtime", "init"}
    assert "pivot to the root filesystem" in text
    assert lines[-1].split()[2:4] == ["execute", "'sh'"]
    steps = json.loads(plan(path, "--format", "json"))
    assert len(steps) == len(lines)
    for line, step in zip(lines, steps, strict=True):
        assert step["description"] in line
        assert step["actor"] == line.split()[1]
        assert step["pointer"] == "" or step["pointer"].startswith("/")


def test_an_ordinary_user_is_shown_root_s_plan_of_a_container_that_only_root_can_make(plan, bundle):
    path = bundle("sh", change=no_ambient)
    for_root = plan(path, uid=0)
    assert plan.warnings == []
    assert plan(path) == for_root
    assert len(plan.warnings) == 1
    assert "the plan is root's" in plan.warnings[0]


def test_every_pointer_is_there_in_the_config(plan, bundle):
    path = bundle("sh", change=with_limits)
    config = json.loads((path / "config.json").read_text())
    for step in json.loads(plan(path, "-f", "json", uid=0)):
        found = config
        parts = step["pointer"].split("/")[1:]
        while parts and isinstance(found, (dict, list)):
            part = parts.pop(0).replace("~1", "/")
            found = found[int(part)] if isinstance(found, list) else found.get(part)
        assert not parts or found is None, step


def test_every_kind_of_step_has_a_sentence():
    samples = {"n": 1, "s": "text", "l": ["a", "b"], "b": bytes(8)}
    special = {
        "paths": {"cpu": "/cpu"}, "controllers": [], "new": ["pid"], "join": {"user": "/proc/1/ns/user"},
        "uid": [(0, 1, 2)], "gid": [(0, 1, 2)], "args": ["x"], "env": [], "soft": 1, "hard": 2, "tasks": [],
    }  # fmt: skip
    told = set()
    for kind in KINDS.values():
        values = {name: special.get(name, "text") if code == "-" else samples[code] for name, code in kind.fields}
        if kind.name == "device":
            values["mode"] = 0o020666
        if kind.name == "personality":
            values["domain"] = 8
        told.add(sentence(SetupOp(kind.name, "", **values)))
    assert len(told) == len(KINDS), "each has its own"
    assert all(told)


def test_a_bundle_that_cannot_be_read_or_is_wrong(ocipy, tmp_path, bundle):
    assert "no such file or directory" in ocipy.fails("plan", "--bundle", tmp_path / "missing")
    path = bundle(change=lambda config: config["process"].update(cwd="relative"))
    assert "/process/cwd" in ocipy.fails("plan", "--bundle", path)
    assert "text or json" in ocipy.fails("plan", "--bundle", path, "--format", "xml")


def test_of_exec(ocipy, bundle, tmp_path):
    """With what can't be known before there is a container: the pid of its init."""
    path = bundle("sleep", "1000")
    text = ocipy("plan", "--exec", "--bundle", path, "box", status=0).stdout
    assert "mount /proc/PID/ns/mnt" in text.splitlines()[0]
    assert text.splitlines()[-1].split()[2:5] == ["execute", "'sleep", "1000'"]
    (tmp_path / "process.json").write_text(json.dumps({"args": ["ls"], "cwd": "/", "terminal": True}))
    steps = json.loads(ocipy("plan", "-p", tmp_path / "process.json", "-f", "json", "-b", path, status=0).stdout)
    names = [step["step"] for step in steps]
    assert names[0] == "spawn"
    assert "console" in names
    assert steps[-1]["values"]["args"] == ["ls"]


def test_of_an_exec_is_what_is_done(ocipy, bundle):
    """The same steps, but for what is found of the container."""
    path = bundle("true")
    shown = ocipy("plan", "--exec", "--bundle", path, "box", status=0).stdout
    container = ocipy.start(bundle("sleep", "1000"))
    done = ocipy("--debug", "exec", container, "true", status=0).stderr
    told = [line.partition(": ")[2].rstrip('"') for line in done.splitlines() if "step " in line]
    assert len(told) == len(shown.splitlines())
    assert told[4:]
    assert all(step.replace("\\", "") in shown for step in told if "/proc/" not in step and "_ses" not in step)
