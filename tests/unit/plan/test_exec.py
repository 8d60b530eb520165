"""The plan of exec: it ends as create's does, by the same lists."""

import json
import os
from pathlib import Path

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.host import HostInfo
from ocipy.plan import describe, process
from ocipy.plan.encode import barriers
from ocipy.plan.exec import exec_
from ocipy.plan.options import Running
from ocipy.seccomp import Filter
from ocipy.spec.load import parse_config

DATA = Path(__file__).resolve().parents[2] / "data"
FILTER = Filter(b"\x06\0\0\0\0\0\xff\x7f", 0, [])
NAMESPACES = {kind: f"/proc/7/ns/{kind}" for kind in ("mount", "pid", "uts")}
PATHS = {"cpu": "/sys/fs/cgroup/cpu/ocipy/box", "": "/sys/fs/cgroup/unified/ocipy/box"}


def completed(change=None):
    config = default_config()
    config["process"]["terminal"] = False
    if change:
        change(config)
    return parse_config(json.dumps(config).encode(), "config.json")


def plan_of(change=None, running=None, seccomp=FILTER, listen_fds=0, preserve_fds=0):
    config = completed(change)
    running = running or Running("box", NAMESPACES, PATHS)
    host = HostInfo()
    host.modules = ("apparmor", "selinux")
    return exec_(config, config["process"], host, running, seccomp, (listen_fds, preserve_fds))


def everything(config):
    config["process"].update(
        scheduler={"policy": "SCHED_BATCH"},
        ioPriority={"class": "IOPRIO_CLASS_IDLE"},
        apparmorProfile="profile",
        selinuxLabel="label",
        cwd="/work",
        user={"uid": 3, "gid": 4, "additionalGids": [5]},
    )
    config["linux"]["personality"] = {"domain": "LINUX32"}


def nothing(config):
    del config["process"]["rlimits"], config["process"]["capabilities"]


@pytest.mark.parametrize("privileges", [True, False])
@pytest.mark.parametrize("change", [everything, nothing])
def test_the_tail_is_the_one_of_create(make_plan, change, privileges):
    """From the keyring to the program both have the same steps, in the same order, with the same values."""

    def changed(config):
        change(config)
        config["process"]["noNewPrivileges"] = privileges
        config["process"]["terminal"] = False

    host = HostInfo()
    host.modules = ("apparmor", "selinux")
    created = make_plan(changed, host=host, seccomp=FILTER, preserve_fds=2).ops
    executed = plan_of(changed, preserve_fds=2).ops
    names = [op.name for op in executed]
    first = executed[names.index("session") + 1]
    start = created.index(first)
    length = names.index("outlive") - names.index("session") - 1
    assert length > 8
    assert created[start : start + length] == executed[names.index("session") + 1 : names.index("outlive")]
    ends = [op.name for op in created].index("wait-start")
    assert created[ends + 1 :] == executed[names.index("outlive") + 1 :]


def test_the_default_plan():
    """The golden text, as test_create.py has it; renewed by RENEW=1, and read."""
    text = "\n".join(describe.lines(plan_of())) + "\n"
    if os.environ.get("RENEW"):
        (DATA / "plan-exec.txt").write_text(text)
    assert text == (DATA / "plan-exec.txt").read_text()


def test_no_step_makes_anything_of_the_container_s():
    assert [op.name for op in plan_of(nothing).ops][:4] == ["spawn", "session", "null-streams", "keyring"]


def test_the_process_is_made_in_the_cgroups_and_joins():
    spawn = plan_of().ops[0].values
    assert (spawn["new"], spawn["join"]) == ([], NAMESPACES)
    assert (spawn["tasks"], spawn["unified"]) == ([f"{PATHS['cpu']}/tasks"], PATHS[""])
    assert (spawn["fork_again"], spawn["become_root"]) == (True, False)


@pytest.mark.parametrize(
    ("kinds", "again", "root"),
    [(["uts"], False, False), (["time"], True, False), (["user", "mount"], False, True)],
)
def test_when_it_clones_again_and_becomes_root(kinds, again, root):
    running = Running("box", {kind: f"/proc/7/ns/{kind}" for kind in kinds}, {}, root="/r")
    spawn = plan_of(running=running).ops[0].values
    assert (spawn["fork_again"], spawn["become_root"]) == (again, root)


def test_affinity_around_the_spawn():
    def change(config):
        config["process"]["execCPUAffinity"] = {"initial": "0", "final": "0-1"}

    plan = plan_of(change)
    assert [op.name for op in plan.ops[:4]] == ["initial-affinity", "spawn", "session", "final-affinity"]
    assert barriers(plan) >= {3}  # it still waits then: what has ended has no affinity


def test_the_oom_score_is_the_process_s_own_to_set(make_plan, only):
    """As the runtime's step it could come late, for nothing waits for it."""

    def change(config):
        config["process"]["oomScoreAdj"] = -7

    assert only(plan_of(change), "spawn").values["oom_score"] == "-7"
    assert only(make_plan(change), "spawn").values["oom_score"] == ""


def test_a_root_to_change_to(names):
    running = Running("box", {}, {}, root="/bundle/rootfs")
    found = names(plan_of(running=running))
    assert found.index("root") < found.index("chroot") < found.index("cwd")


def test_the_terminal_is_not_bound_on_dev_console(only, names):
    def change(config):
        config["process"].update(terminal=True, consoleSize={"width": 80, "height": 25})

    plan = plan_of(change)
    assert plan.console
    assert only(plan, "console").values == {"columns": 80, "rows": 25, "bind": 0, "onlcr": 0}
    assert names(plan).index("root") < names(plan).index("console")


def test_the_keyring_of_a_container_that_kept_the_caller_s(names):
    running = Running("box", NAMESPACES, PATHS, no_new_keyring=True)
    assert "keyring" not in names(plan_of(running=running))


def test_create_and_exec_use_one_list(monkeypatch, make_plan):
    """Not two that happen to be equal."""
    monkeypatch.setattr(process, "setup", lambda *_: iter(()))
    monkeypatch.setattr(process, "program", lambda *_: iter(()))
    alone = {"bounding-set", "user", "capabilities", "cwd", "close-on-exec", "exec", "keyring", "rlimit", "seccomp"}
    assert not alone & {op.name for op in plan_of().ops}
    assert not alone & {op.name for op in make_plan(seccomp=FILTER).ops}


def test_sockets_that_are_listened_to():
    plan = plan_of(listen_fds=2, preserve_fds=1)
    steps = {op.name: op.values for op in plan.ops}
    names = list(steps)
    assert names.index("close-on-exec") + 1 == names.index("listen-pid")
    assert steps["close-on-exec"] == {"first": 6}
    assert "LISTEN_FDS=2" in steps["exec"]["env"]
    assert "listen-pid" not in [op.name for op in plan_of(preserve_fds=1).ops]


def test_where_systemd_puts_the_process():
    """It waits meanwhile, as its user's still: before it becomes the root of a user namespace."""
    namespaces = NAMESPACES | {"user": "/proc/7/ns/user"}
    plan = plan_of(running=Running("box", namespaces, {"": "/sys/fs/cgroup/box"}, unit=("box.scope", "/below")))
    spawn, attach = plan.ops[:2]
    assert (spawn.values["unified"], spawn.values["wait_maps"]) == ("", True)
    assert (attach.name, attach.values) == ("systemd-attach", {"unit": "box.scope", "below": "/below"})
    assert 1 not in barriers(plan)
