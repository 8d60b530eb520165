"""SCMP_ACT_NOTIFY: the listener reaches the agent, with the container process state, and the agent decides."""

import errno
import json
import os
import socket

import pyseccomp
import pytest

from tests.system.looking import in_user_namespace, set_linux, set_process, set_user, together
from tests.system.runtime import until
from tests.system.seccomp_agent import LET_THROUGH, Agent, deny, pretend
from tests.system.test_process_scheduling import REAL_TIME_SHARES, allowed

pytestmark = pytest.mark.root

NOTIFY = "SCMP_ACT_NOTIFY"
BOTH = pytest.mark.parametrize("no_new_privileges", [True, False])


def native(name):
    return pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)


MKDIR = (native("mkdir"), native("mkdirat"))


def asking(path, *names, default="SCMP_ACT_ALLOW", more=(), **members):
    """A profile that asks the agent on ``path`` about the system calls ``names``."""
    rules = [{"names": list(names), "action": NOTIFY}] if names else []
    profile = {"defaultAction": default, "listenerPath": str(path), "syscalls": [*rules, *more]}
    return set_linux(seccomp=profile | members)


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "agent.sock")


@BOTH
def test_the_state(ocipy, bundle, place, no_new_privileges):
    """One connection; the filter comes with create, or with start as the last thing before the program."""

    def change(config):
        config["annotations"] = {"key": 'ünïcode "value"'}
        asking(place, "mkdir", "mkdirat", listenerMetadata="to: the agent")(config)
        set_process(noNewPrivileges=no_new_privileges)(config)

    with Agent(place) as agent:
        path = bundle("sleep", "1000", change=change)
        container = ocipy.create(path)
        if not no_new_privileges:
            until(lambda: agent.states)
        assert len(agent.states) == (0 if no_new_privileges else 1)
        ocipy("start", container, status=0)
        (state,) = until(lambda: agent.states)
        pid = ocipy.pid(container)
    version = json.loads((path / "config.json").read_text())["ociVersion"]
    assert state == {
        "ociVersion": version,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": "to: the agent",
        "state": {
            "ociVersion": version,
            "id": container,
            "status": "created" if no_new_privileges else "creating",
            "pid": pid,
            "bundle": str(path),
            "annotations": {"key": 'ünïcode "value"'},
        },
    }
    assert agent.messages == [1]
    assert os.listdir(f"/proc/{pid}/task") == [str(pid)]
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


@BOTH
@pytest.mark.parametrize("uid", [0, 1000])
def test_the_agent_decides(ocipy, bundle, place, no_new_privileges, uid):
    answers = iter([deny(errno.EXDEV), pretend(0), LET_THROUGH])

    def decide(number, arguments):
        assert number in MKDIR
        return next(answers)

    change = together(asking(place, "mkdir", "mkdirat"), set_process(noNewPrivileges=no_new_privileges),
                      set_user(uid=uid, gid=uid))  # fmt: skip
    script = "cd /dev/shm; for d in a b c; do mkdir $d && echo made; done; ls"
    with Agent(place, decide) as agent:
        done = ocipy.run(bundle("sh", "-c", script, change=change), status=0)
    assert done.stderr == "mkdir: can't create directory 'a': Invalid cross-device link\n"
    assert done.stdout.split() == ["made", "made", "c"]
    assert len(agent.states) == 1
    assert "metadata" not in agent.states[0]


@BOTH
def test_what_the_runtime_itself_calls(ocipy, bundle, place, no_new_privileges):
    """The hand-over needs no system call under the filter; what init does afterwards, the agent may let through."""
    names = ("write", "writev", "sendmsg", "sendto", "recvmsg", "recvfrom", "read", "close", "accept4", "execve",
             "exit_group", "exit", "futex", "clone", "mmap", "sched_yield", "prctl", "capset", "setresuid")  # fmt: skip
    change = together(asking(place, *names), set_process(noNewPrivileges=no_new_privileges))
    with Agent(place) as agent:
        done = ocipy.run(bundle("sh", "-c", "echo runs; exit 7", change=change), status=7)
    assert done.stdout == "runs\n"
    assert native("execve") in agent.seen
    assert (native("capset") in agent.seen) == (not no_new_privileges)
    assert native("sendmsg") not in agent.seen


@BOTH
def test_every_call_is_asked_about(ocipy, bundle, place, no_new_privileges):
    """config-linux.md: the default action may be any."""
    change = together(asking(place, default=NOTIFY), set_process(noNewPrivileges=no_new_privileges))
    with Agent(place) as agent:
        done = ocipy.run(bundle("sh", "-c", "echo runs", change=change), status=0)
    assert done.stdout == "runs\n"
    first = native("execve") if no_new_privileges else native("prctl")
    assert agent.seen[0] == first


def test_a_filter_that_denies_what_the_hand_over_does(ocipy, bundle, place):
    denied = {"names": ["sendmsg", "recvmsg", "close", "futex", "sched_yield", "exit", "mmap"],
              "action": "SCMP_ACT_KILL_PROCESS"}  # fmt: skip
    change = together(asking(place, "execve", more=[denied]), set_process(noNewPrivileges=True, args=["nonesuch"]))

    def decide(number, arguments):
        return deny(errno.EDOM)

    with Agent(place, decide) as agent:
        message = ocipy.refused(bundle(change=change, own_rootfs=True), command="run")
    assert "nonesuch" in message
    assert agent.states == []
    change = together(asking(place + "2", "execve", more=[denied]), set_process(noNewPrivileges=True))
    with Agent(place + "2", decide) as agent:
        message = ocipy.refused(bundle(change=change), command="run")
    assert message == "process.args: exec /bin/true: EDOM: numerical argument out of domain"
    assert len(agent.states) == 1


@BOTH
@pytest.mark.parametrize("there", ["nothing", "no directory", "a file", "nobody listens"])
@pytest.mark.parametrize("command", ["create", "run", "run -d"])
def test_no_agent(ocipy, bundle, place, tmp_path, no_new_privileges, there, command):
    reason = "ECONNREFUSED: connection refused (the seccomp agent doesn't listen there any more)"
    if there == "a file":
        open(place, "w").close()
    elif there == "nobody listens":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(place)
    else:
        hint = "the seccomp agent has to listen there before the container is made"
        reason = f"ENOENT: no such file or directory ({hint})"
        if there == "no directory":
            place = place.replace("agent", "no/agent")
    change = together(asking(place, "mkdir"), set_process(noNewPrivileges=no_new_privileges))
    expected = f"linux.seccomp.listenerPath ({place}): connect to the seccomp agent: {reason}"
    if command == "create" and no_new_privileges:
        container = ocipy.create(bundle("sleep", "1000", change=change))
        assert ocipy.fails("start", container) == expected
        assert ocipy.status(container) == "stopped"
    else:
        assert ocipy.refused(bundle("sleep", "1000", change=change), command=command) == expected
        assert ocipy.left() == []


@BOTH
def test_a_state_larger_than_the_socket_s_buffer(ocipy, bundle, place, no_new_privileges):
    metadata = "0123456789" * 200_000
    change = together(asking(place, "mkdir", listenerMetadata=metadata), set_process(noNewPrivileges=no_new_privileges))
    with Agent(place) as agent:
        ocipy.run(bundle("true", change=change), status=0)
    assert agent.states[0]["metadata"] == metadata
    assert agent.messages[0] == 1
    assert set(agent.messages[1:]) == {0}


@BOTH
def test_an_agent_that_hangs_up(ocipy, bundle, place, no_new_privileges):
    """The state is too large for the socket to take, so that it has to be read."""
    change = together(asking(place, "mkdir", listenerMetadata="x" * 2_000_000),
                      set_process(noNewPrivileges=no_new_privileges))  # fmt: skip
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen()
        child = os.fork()
        if child == 0:
            connection, _ = server.accept()
            connection.recv(1000)
            os._exit(0)
        message = ocipy.refused(bundle("sleep", "1000", change=change), command="run")
        os.waitpid(child, 0)
    assert message == (
        f"linux.seccomp.listenerPath ({place}): send the container process state to the seccomp agent:"
        " EPIPE: broken pipe"
    )
    assert ocipy.left() == []


def test_a_path_longer_than_an_address(ocipy, bundle, tmp_path):
    directory = tmp_path / ("x" * 120)
    directory.mkdir()
    place = str(directory / "agent.sock")
    with Agent(place) as agent:
        ocipy.run(bundle("true", change=asking(place, "mkdir")), status=0)
    assert len(agent.states) == 1


@BOTH
@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"],
                                   ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]])  # fmt: skip
def test_flags(ocipy, bundle, place, no_new_privileges, flags):
    change = together(asking(place, "mkdir", "mkdirat", flags=flags), set_process(noNewPrivileges=no_new_privileges))
    with Agent(place, lambda *_: deny(errno.EXDEV)):
        done = ocipy.run(bundle("mkdir", "/dev/shm/a", change=change), status=1)
    assert done.stderr == "mkdir: can't create directory '/dev/shm/a': Invalid cross-device link\n"


@BOTH
def test_in_a_user_namespace(ocipy, bundle, place, no_new_privileges):
    asks = asking(place, "mkdir", "mkdirat")
    change = together(in_user_namespace, asks, set_process(noNewPrivileges=no_new_privileges))
    with Agent(place, lambda *_: deny(errno.EXDEV)) as agent:
        done = ocipy.run(bundle("mkdir", "/dev/shm/a", change=change), status=1)
    assert "Invalid cross-device link" in done.stderr
    assert len(agent.states) == 1


def test_a_real_time_process_on_one_cpu(ocipy, bundle, place):
    """It waits for the agent's messenger without system calls, and mustn't keep the CPU from it."""
    if not allowed("--fifo", "10"):
        pytest.skip("no real-time scheduling here")

    def change(config):
        asking(place, "mkdir")(config)
        config["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 10}
        config["linux"]["resources"]["cpu"] = {"cpus": str(min(os.sched_getaffinity(0)))}
        if REAL_TIME_SHARES.exists():
            config["linux"]["cgroupsPath"] = f"/{bundle.cgroup}"
            config["linux"]["resources"]["cpu"] |= {"realtimeRuntime": 50_000, "realtimePeriod": 1_000_000}

    with Agent(place) as agent:
        ocipy.run(bundle("true", change=change), status=0)
    assert len(agent.states) == 1


def test_two_containers_of_one_profile(ocipy, bundle, place):
    """The compiled filter is taken from the cache; path and metadata are the container's own."""
    paths = [place, place + "2"]
    for number, path in enumerate(paths):
        with Agent(path) as agent:
            ocipy.run(bundle("true", change=asking(path, "mkdir", listenerMetadata=str(number))), status=0)
        assert [state["metadata"] for state in agent.states] == [str(number)]
    assert len(list((ocipy.root / "@seccomp").iterdir())) == 1


def test_the_path_is_ignored_when_nothing_is_asked(ocipy, bundle, place):
    ocipy.run(bundle("true", change=asking(place, listenerMetadata="x")), status=0)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"listenerPath": ""}, "/linux/seccomp/syscalls/0/action: SCMP_ACT_NOTIFY needs a listenerPath"),
        ({"listenerPath": None, "listenerMetadata": "x", "syscalls": []}, "/linux/seccomp/listenerMetadata: "),
        (
            {"listenerPath": "", "syscalls": [], "defaultAction": NOTIFY},
            "/linux/seccomp/defaultAction: SCMP_",
        ),
    ],
)
def test_refused_before_anything_is_made(ocipy, bundle, place, members, message):
    line = ocipy.refused(bundle(change=asking(place, "mkdir", **members)))
    assert message in line
    assert ocipy.left() == []
