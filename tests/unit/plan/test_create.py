"""The whole plan: as text, and what must come before what."""

import os
from pathlib import Path

import pytest

from ocipy.errors import StepError
from ocipy.plan import describe, process
from ocipy.seccomp import Filter
from ocipy.spec import CAPABILITY_SETS

DATA = Path(__file__).resolve().parents[2] / "data"
FILTER = Filter(b"\x06\0\0\0\0\0\xff\x7f", 0, ())
HOOK = [{"path": "/bin/hook"}]


def everything(config):
    """A config that asks for a step of nearly every kind."""
    config["hostname"], config["domainname"] = "box", "example.org"
    config["root"]["readonly"] = True
    config["process"].update(cwd="/work", oomScoreAdj=100, terminal=True, user={"uid": 7, "gid": 8, "umask": 0o77})
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"):
        config.setdefault("hooks", {})[kind] = HOOK
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 5, "size": 99}]
    config["linux"]["resources"] = {"memory": {"limit": 1 << 20}, "pids": {"limit": 5}, "cpu": {"shares": 512}}
    config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    config["linux"]["rootfsPropagation"] = "shared"


@pytest.mark.parametrize("host", ["hybrid", "unified"])
def test_the_default_plan(make_plan, host):
    """The golden text: a change of it is a change of what every container goes through.

    When it is meant: ``RENEW=1 .venv/bin/python -m pytest tests/unit/plan/test_create.py``, and read the diff.
    """
    text = "\n".join(describe.lines(make_plan(host=host))) + "\n"
    if os.environ.get("RENEW"):
        (DATA / f"plan-{host}.txt").write_text(text)
    assert text == (DATA / f"plan-{host}.txt").read_text()


BEFORE = [
    ("cgroup-create", "cgroup-write"),
    ("cgroup-write", "spawn"),  # limits are in force before the first instruction of the container's process
    ("spawn", "id-map"),
    ("oom-score", "id-map"),
    ("id-map", "session"),
    ("spawn", "cgroup-namespace"),  # its root is the cgroup the process is in then
    ("cgroup-namespace", "mount"),
    ("propagation", "root"),
    ("root", "mount"),
    ("mount", "device"),
    ("device", "run-hook"),
    ("run-hook", "hook"),
    ("hook", "pivot-root"),
    ("console", "pivot-root"),
    ("sysctl", "readonly-path"),
    ("mount", "readonly-path"),
    ("mount", "mask"),
    ("mask", "pivot-root"),
    ("readonly-path", "pivot-root"),
    ("symlink", "readonly-root"),
    ("directory", "readonly-root"),
    ("readonly-root", "pivot-root"),
    ("pivot-root", "root-propagation"),
    ("pivot-root", "cwd"),
    ("hostname", "user"),
    ("domainname", "user"),
    ("keyring", "user"),
    ("rlimit", "user"),
    ("pivot-root", "null-streams"),
    ("null-streams", "rlimit"),  # which may leave no descriptor to open
    ("null-streams", "capabilities"),  # a device of its own takes CAP_MKNOD
    ("stdio-owner", "user"),
    ("no-new-privileges", "created"),
    ("bounding-set", "user"),  # dropping from it takes CAP_SETPCAP
    ("umask", "created"),
    ("user", "capabilities"),  # a change of user clears them
    ("capabilities", "find-program"),  # what may be run is asked as that user
    ("find-program", "close-on-exec"),
    ("close-on-exec", "created"),
    ("created", "wait-start"),
    ("wait-start", "seccomp"),
    ("seccomp", "exec"),
]


@pytest.mark.parametrize(("first", "second"), BEFORE)
def test_order(make_plan, names, first, second):
    found = names(make_plan(everything, seccomp=FILTER))
    if (first, second) == ("hook", "pivot-root"):  # the one of startContainer comes after the start
        assert found.index("hook") < found.index("pivot-root")
        return
    last = max(index for index, name in enumerate(found) if name == first)
    assert last < found.index(second)


def test_the_ends(make_plan, names):
    found = names(make_plan(everything, seccomp=FILTER))
    assert found[0] == "cgroup-create"
    assert found[-1] == "exec"
    assert found[found.index("wait-start") :] == ["wait-start", "hook", "seccomp", "exec"]


def test_seccomp_without_no_new_privileges_is_loaded_while_capabilities_are_held(make_plan, names):
    def change(config):
        config["process"]["noNewPrivileges"] = False

    found = names(make_plan(change, seccomp=FILTER))
    assert "no-new-privileges" not in found
    assert found.index("seccomp") < found.index("bounding-set") < found.index("user")
    assert found.count("seccomp") == 1


def test_the_tail_is_that_of_process(make_plan):
    """create and exec end alike: in the lists of plan/process.py."""
    plan = make_plan(seccomp=FILTER)
    complete = plan.ops[-1].values
    tail = [op.name for op in plan.ops][-2:]
    assert tail == ["seccomp", "exec"]
    assert complete == {"args": ["sh"], "env": [f"PATH={DEFAULT_PATH}", "TERM=xterm"]}


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def a_process(**changes):
    empty = {name: [] for name in CAPABILITY_SETS}
    user = {"uid": 0, "gid": 0, "additionalGids": []}
    base = {"args": ["sh"], "env": [], "cwd": "/", "user": user, "noNewPrivileges": False, "capabilities": empty}
    return base | changes


def step(steps, name):
    (found,) = [op.values for op in steps if op.name == name]
    return found


@pytest.mark.parametrize(
    ("environment", "looked_up", "passed"),
    [
        (["HOME=/h"], False, ["HOME=/h"]),
        ([], True, []),
        (["HOME="], True, []),  # an empty one counts as none, as runc has it
        (["HOME=", "HOME=/h"], False, ["HOME=/h"]),
    ],
)
def test_home(environment, looked_up, passed):
    described = a_process(env=environment)
    found = list(process.credentials(described, None, 0))
    assert ("home" in [op.name for op in found]) is looked_up
    assert step(process.program(described, None), "exec")["env"] == passed


@pytest.mark.parametrize(
    ("environment", "directories"),
    [(["PATH=/a", "PATH=/b"], "/b"), (["PATH="], ""), (["NOPATH=/x"], "/bin:/usr/bin")],
)
def test_where_programs_are_looked_for(environment, directories):
    found = process.credentials(a_process(env=environment), None, 0)
    assert step(found, "find-program") == {"name": "sh", "directories": directories}


def test_users_and_descriptors():
    user = {"uid": 4, "gid": 5, "additionalGids": [6, 4000000000], "umask": 0}
    found = list(process.credentials(a_process(user=user), None, 2))
    groups = b"\x06\0\0\0" + (4000000000).to_bytes(4, "little")
    assert step(found, "user") == {"uid": 4, "gid": 5, "groups": groups}
    assert step(found, "umask") == {"mask": 0}
    assert step(found, "stdio-owner") == {"uid": 4}
    assert step(found, "close-on-exec") == {"first": 5}


def test_the_umask_is_022_unless_said(make_plan, only):
    assert only(make_plan(), "umask").values == {"mask": 0o022}


def test_capability_masks():
    sets = a_process()["capabilities"] | {"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"]}
    found = list(process.credentials(a_process(capabilities=sets), None, 0))
    assert step(found, "bounding-set") == {"keep": 1 << 0 | 1 << 5}
    assert step(found, "capabilities") == {"effective": 1 << 5, "permitted": 0, "inheritable": 0, "ambient": 0}


def test_without_a_mount_namespace_the_root_is_changed_by_chroot(make_plan, names):
    def change(config):
        config["linux"]["namespaces"] = [{"type": "pid"}]

    found = names(make_plan(change))
    assert "chroot" in found
    assert not {"pivot-root", "move-root", "propagation"} & set(found)


def test_options_of_the_caller(make_plan, names, only):
    found = names(make_plan(no_pivot=True, no_new_keyring=True))
    assert "move-root" in found
    assert not {"pivot-root", "keyring"} & set(found)
    assert only(make_plan(), "keyring").values == {"name": "_ses.box"}


def limit_memory(config):
    config["linux"]["resources"] = {"memory": {"limit": 1 << 20}}


def test_without_a_delegated_cgroup_there_is_none(make_plan, names):
    plan = make_plan(rootless=True, host="rootless")
    assert plan.cgroup_paths == {}
    assert not {"cgroup-create", "cgroup-write", "device-filter"} & set(names(plan))


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("none", "this host has no cgroups mounted"),
        ("rootless", "no cgroup with its controller is delegated to this user"),
    ],
)
def test_limits_without_a_cgroup_are_refused(make_plan, host, words):
    with pytest.raises(StepError, match=rf"^linux.resources.memory.limit: {words} \(.*drop the limit\)$"):
        make_plan(limit_memory, host=host, rootless=host == "rootless")


def test_the_state_of_hooks_has_the_annotations(make_plan, only):
    def change(config):
        config["hooks"] = {"createContainer": HOOK}
        config["annotations"] = {"a": "b"}

    values = only(make_plan(change), "hook").values
    assert values["before_pid"] == (
        '{"ociVersion":"1.3.0","id":"box","bundle":"/bundle","annotations":{"a":"b"},"status":"creating","pid":'
    )
    assert values["after_pid"] == "}"
