"""The plan in words."""

import json

import pytest

from ocipy.plan import describe
from ocipy.plan.ops import INIT, KINDS, SetupOp

SAMPLES = {"n": 1, "s": "/word", "l": ["a", "b"], "b": b"\x05\0\0\0\0\0\0\0", "-": "/kept"}
SPECIAL = {
    "cgroup-create": {"paths": {"memory": "/m"}},
    "systemd-scope": {"unit": "a-b.scope", "user": True, "properties": [], "path": "/c", "controllers": []},
    "systemd-attach": {"unit": "a-b.scope", "below": "/below"},
    "cgroup-enter": {"paths": {"memory": "/m"}},
    "cgroup-owner": {"path": "/c", "uid": 5},
    "cgroup-write": {"path": "/m/memory.max", "value": "5"},
    "device-filter": {"path": "/u", "program": b"12345678"},
    "id-map": {"uid": [(0, 1000, 1)], "gid": [(0, 1000, 1)], "deny_setgroups": True, "helped": []},
    "idmap-tree": {
        "source": "/s",
        "recursive": True,
        "map_all": True,
        "uid": [(0, 5, 1)],
        "gid": [(0, 6, 1)],
    },
    "spawn": {
        "new": ["pid"],
        "join": {"network": "/n"},
        "tasks": ["/m/tasks"],
        "unified": "",
        "time_offsets": "",
        "oom_score": "",
    },
    "initial-affinity": {"cpus": "0-3"},
    "final-affinity": {"cpus": "0-3"},
    "oom-score": {"value": -5},
    "net-device": {"name": "eth1", "inside": "eth0"},
    "run-hook": {"hook": "prestart", "path": "/h"},
    "rlimit": {"name": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
    "created": {},
    "personality": {"domain": 8},
    "resctrl-group": {"path": "/r/x", "create": True, "named": True, "equal": [], "schemata": ["L3:0=f\nMB:0=10"]},
    "resctrl-monitor": {"path": "/r/x/mon_groups/y"},
    "resctrl-join": {"paths": ["/r/x"]},
    "device": {"path": "/dev/x", "mode": 0o020666, "major": 1, "minor": 3, "uid": 0, "gid": 0, "bind": 0},
}


def sample(name):
    kind = KINDS[name]
    values = {field: SAMPLES[type_] for field, type_ in kind.fields} if kind.actor == INIT else {}
    return SetupOp(name, "/x", **values | SPECIAL.get(name, {}))


@pytest.mark.parametrize("name", KINDS)
def test_every_step_has_a_sentence(name):
    text = describe.sentence(sample(name))
    assert text
    assert text[0].islower()
    assert "{" not in text
    assert "\n" not in text


def filesystem(**values):
    return {"data": [], "superblock": 0, "set": 0, "propagation": 0, "flags": 0} | values


def change(**values):
    unset = dict.fromkeys(("superblock", "superblock_clear", "clear", "recursive_set", "recursive_clear"), 0)
    return filesystem(**(unset | values))


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("spawn", {"new": ["time"], "join": {}, "tasks": [], "unified": "", "oom_score": "",
                   "time_offsets": "monotonic 1 2\nboottime -5 0\n"},
         "start ocipy-init in new time namespaces; clocks moved by monotonic 1 2, boottime -5 0"),
        ("mount", filesystem(type="proc", destination="/p"), "mount proc on /p"),
        (
            "mount",
            filesystem(type="tmpfs", destination="/t", data=["size=1m"], set=0x1 | 0x10, propagation=1 << 19, flags=8),
            "mount tmpfs on /t (ro,noatime, size=1m, slave), content copied up",
        ),
        (
            "mount",
            filesystem(type="ext4", destination="/", superblock=1 | 1 << 25, flags=2),
            "mount ext4 on / (filesystem ro,lazytime), as the new root",
        ),
        (
            "remount",
            change(destination="/x", set=1, clear=8, recursive_set=2, superblock_clear=1 | 16, data=["a", "b=c"]),
            "remount /x (ro,not noexec, below: nosuid, a,b=c, filesystem not ro,not sync)",
        ),
        ("device", {"path": "/dev/x", "mode": 0o010600, "major": 0, "minor": 0, "uid": 1, "gid": 2, "bind": 0},
         "make /dev/x (p, mode 0600 owned by 1:2)"),
        ("id-map", {"uid": [(0, 5, 9)], "gid": [(0, 6, 9)], "deny_setgroups": False, "helped": ["gid", "uid"]},
         "map user ids 0→5*9, group ids 0→6*9, by newgidmap, by newuidmap"),
        ("user", {"uid": 1, "gid": 2, "groups": b"\3\0\0\0\4\0\0\0"}, "become user 1, group 2 (groups 3 4)"),
        ("idmap-tree", SPECIAL["idmap-tree"],
         "prepare a mount of /s with ids mapped and below: users 0→5*1, groups 0→6*1"),
        ("idmap-tree", SPECIAL["idmap-tree"] | {"uid": [], "gid": [], "map_all": False},
         "prepare a mount of /s with ids mapped: as the container's user namespace does"),
        ("rlimit", {"name": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1}, "set RLIMIT_CORE to 0, hard unlimited"),
        ("seccomp", {"filter": bytes(24)}, "load the seccomp filter (3 instructions)"),
        ("exec", {"args": ["a", "b c"]}, "execute 'a b c'"),
        ("scheduler", {"policy": 3, "flags": 5, "nice": 2**32 - 7, "priority": 0, "runtime": 0, "deadline": 0,
                       "period": 0},
         "be scheduled by SCHED_BATCH (nice -7, SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_DL_OVERRUN)"),
        ("scheduler", {"policy": 6, "flags": 0, "nice": 0, "priority": 0, "runtime": 1, "deadline": 2, "period": 3},
         "be scheduled by SCHED_DEADLINE (runtime 1, deadline 2, period 3)"),
        ("io-priority", {"class": 2, "priority": 4}, "set the I/O priority to IOPRIO_CLASS_BE, 4"),
        ("memory-policy", {"mode": 2 | 1 << 15, "nodes": b"\5\0\0\0\0\0\0\0"},
         "set the memory policy to MPOL_BIND (nodes 0 2, MPOL_F_STATIC_NODES)"),
        ("memory-policy", {"mode": 4, "nodes": b""}, "set the memory policy to MPOL_LOCAL"),
        ("personality", {"domain": 8}, "take the personality LINUX32"),
    ],
)  # fmt: skip
def test_sentences(name, values, text):
    assert describe.sentence(SetupOp(name, "", **values)) == text


def test_lines_say_number_actor_and_pointer(make_plan):
    lines = describe.lines(make_plan())
    assert lines[0].split()[:2] == ["0", "runtime"]
    assert lines[0].endswith("linux.cgroupsPath")
    assert any(line.split()[1] == "init" and line.endswith("mounts[3]") for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_documents_are_json(make_plan):
    plan = make_plan(host="unified")
    documents = json.loads(json.dumps(describe.documents(plan)))
    assert [document["index"] for document in documents] == list(range(len(plan.ops)))
    assert {document["actor"] for document in documents} == {"runtime", "init"}
    filter_ = next(document for document in documents if document["step"] == "device-filter")
    assert filter_["values"]["program"].endswith(" bytes")
    assert filter_["pointer"] == "/linux/resources/devices"
