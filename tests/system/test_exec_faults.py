"""A failure at every step of exec's plan: the message names the step, and of the process nothing is left."""

import errno
import json
import os
import socket
from pathlib import Path

import pytest

from ocipy import execution
from ocipy.errors import StepError, describe_errno
from ocipy.exec_options import ExecOptions
from ocipy.pointers import dotted
from ocipy.state import StateDir
from tests.system.looking import in_user_namespace, set_namespaces, without_tty_group
from tests.system.runtime import children, until
from tests.system.seccomp_agent import Agent
from tests.system.test_faults import open_fds, wait_for

pytestmark = pytest.mark.root

AGENT = f"/tmp/ocipy-test-{os.getpid()}-exec-agent.sock"
KINDS = {
    "initial-affinity", "spawn", "session", "final-affinity", "root", "console", "keyring", "rlimit", "scheduler",
    "io-priority", "memory-policy", "personality", "stdio-owner", "no-new-privileges", "seccomp", "seccomp-notify",
    "bounding-set", "umask", "cwd", "user", "capabilities", "home", "find-program", "close-on-exec", "outlive", "exec",
    "chroot", "null-streams",
}  # fmt: skip


def everything(config):
    config["process"].update(
        noNewPrivileges=False,
        oomScoreAdj=500,
        scheduler={"policy": "SCHED_BATCH"},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 5},
        execCPUAffinity={"initial": "0", "final": "0"},
    )
    linux = config["linux"]
    linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT"}
    linux["personality"] = {"domain": "LINUX"}
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}


def user_namespace(config):
    in_user_namespace(config)
    without_tty_group(config)
    config["process"]["noNewPrivileges"] = True


def agent(config):
    rule = {"names": ["acct"], "action": "SCMP_ACT_NOTIFY"}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": AGENT, "syscalls": [rule]}


def no_mount_namespace(config):
    set_namespaces(mount=None)(config)
    config["linux"].update(maskedPaths=[], readonlyPaths=[])
    config["mounts"] = []
    config["root"]["readonly"] = False


VARIANTS = {
    "everything": (everything, {"tty": True}),
    "user namespace": (user_namespace, {}),
    "agent": (agent, {}),
    "chroot": (no_mount_namespace, {}),
}


@pytest.fixture
def console():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs.fileno()


@pytest.fixture
def plans(monkeypatch):
    """The plans that exec compiles."""
    compiled, compile_plan = [], execution.exec_

    def noting(*arguments):
        compiled.append(compile_plan(*arguments))
        return compiled[-1]

    monkeypatch.setattr(execution, "exec_", noting)
    return compiled


@pytest.fixture
def an_agent():
    with Agent(AGENT) as agent:
        yield agent
    os.unlink(AGENT)


MET = set()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_fault_at_every_step(ocipy, bundle, plans, console, an_agent, name):
    change, values = VARIANTS[name]
    path = bundle("sleep", "1000", change=change, own_rootfs=name == "chroot")
    container = ocipy.start(path)
    if "listenerPath" in json.loads((path / "config.json").read_text())["linux"].get("seccomp", {}):
        until(lambda: an_agent.states, "the listener of init's filter, which stays")
    directory, init = StateDir(str(ocipy.root), container), ocipy.pid(container)
    fds = cpus = None
    index = 0
    while not plans or index < len(plans[0].ops):
        with pytest.raises(StepError) as raised:
            execution.execute(directory, ExecOptions(["true"], console=console, **values), (index, errno.EDOM))
        op = plans[0].ops[index]
        MET.add(op.name)
        text = str(raised.value)
        assert "\n" not in text
        assert (raised.value.index, raised.value.pointer) == (index, op.pointer), text
        if op.name not in ("find-program", "exec"):
            assert text.startswith(dotted(op.pointer) or op.name), text
            assert describe_errno(errno.EDOM) in text
        assert children() == [init]
        fds, cpus = fds or open_fds(), cpus or os.sched_getaffinity(0)
        assert os.sched_getaffinity(0) == cpus, op
        wait_for(fds)
        index += 1
    assert os.sched_getaffinity(init) == cpus
    assert ocipy.status(container) == "running"


def test_every_kind_of_step_has_failed():
    """Of the rest, labels are those of kernels that few have (test_labels.py), resctrl of processors that few have."""
    if MET:
        assert MET == KINDS


def test_the_container_ends_while_a_process_is_made(ocipy, bundle, monkeypatch):
    container = ocipy.start(bundle("sleep", "1000"))
    init = ocipy.pid(container)
    verify = execution._verify

    def kill_first(found):
        os.kill(init, 9)
        until(lambda: Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
        verify(found)

    monkeypatch.setattr(execution, "_verify", kill_first)
    with pytest.raises(execution.StateError, match="^cannot exec in a stopped container$"):
        execution.execute(StateDir(str(ocipy.root), container), ExecOptions(["true"]))
    assert json.loads(ocipy("ps", "-f", "json", container, status=0).stdout) in (None, [])
