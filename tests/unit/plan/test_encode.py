"""The encoded plan, read back the way cffi_build/read.c and init.c read it."""

import struct
from struct import calcsize, error, unpack_from

import pytest

from ocipy.plan.encode import FLAG_FAULT, MAGIC, VERSION, encode, enters
from ocipy.plan.ops import INIT, KINDS, Plan, SetupOp

BY_CODE = {kind.code: kind for kind in KINDS.values() if kind.actor == INIT}


class Reader:
    """cffi_build/read.c in Python; an assertion in place of ``bad``."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, format_):
        values = unpack_from(format_, self.data, self.at)
        self.at += calcsize(format_)
        return values if len(values) > 1 else values[0]

    def read_bytes(self):
        length = self.take("<I")
        assert self.at + length <= len(self.data)
        self.at += length
        return self.data[self.at - length : self.at]

    def read_string(self):
        data = self.read_bytes()
        assert data[-1:] == b"\0"
        assert b"\0" not in data[:-1]
        return data[:-1].decode("utf-8", "surrogateescape")

    def read_strings(self):
        return [self.read_string() for _ in range(self.take("<Q"))]

    def read_field(self, kind):
        readers = {"n": lambda: self.take("<Q"), "s": self.read_string, "l": self.read_strings, "b": self.read_bytes}
        return readers[kind]()


def decode(data):
    """(name, index in the plan, flags, fault, values) of every operation."""
    reader = Reader(data)
    magic, version, length, count = reader.take("<IIII")
    assert (magic, version, length) == (MAGIC, VERSION, len(data))
    ops = []
    for _ in range(count):
        code, flags, index, fault, size = reader.take("<HHIII")
        end = reader.at + size
        values = {name: reader.read_field(kind) for name, kind in BY_CODE[code].fields}
        assert reader.at == end
        ops.append((BY_CODE[code].name, index, flags, fault, values))
    assert reader.at == len(data)
    return ops


def ask(config):
    hook = [{"path": "/bin/hook"}] * 2
    config["hooks"] = dict.fromkeys(("prestart", "createRuntime", "createContainer", "startContainer"), hook)
    config["process"].update(terminal=True, oomScoreAdj=5, user={"uid": 1, "gid": 2, "additionalGids": [3, 4]})
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 5, "size": 99}]


@pytest.fixture
def plan(make_plan):
    """A plan with hooks, limits, an id map, a terminal."""
    return make_plan(ask)


def test_every_step_of_init_comes_back(plan):
    decoded = [(name, index, values) for name, index, _, _, values in decode(encode(plan)) if name != "barrier"]
    assert decoded == [(op.name, index, op.values) for index, op in enumerate(plan.ops) if op.actor == INIT]


@pytest.mark.parametrize("text", ["", "ü€😀", "a\nb", "\udcff\udc80", "x" * 100_000])
def test_strings(text):
    ops = [SetupOp("spawn", ""), SetupOp("exec", "", args=[text, text], env=[]), SetupOp("hostname", "", name=text)]
    decoded = decode(encode(Plan(ops, {}, False)))
    assert [op[4] for op in decoded] == [{"args": [text, text], "env": []}, {"name": text}]


def test_largest_number_and_bytes():
    op = SetupOp("seccomp", "", flags=2**64 - 1, filter=bytes(range(256)))
    ((_, _, _, _, values),) = decode(encode(Plan([SetupOp("spawn", ""), op], {}, False)))
    assert values == {"flags": 2**64 - 1, "filter": bytes(range(256))}


def test_a_barrier_goes_before_the_first_of_the_runtimes_steps_after_inits(plan):
    decoded = decode(encode(plan))
    barriers = [index for name, index, _, _, _ in decoded if name == "barrier"]
    expected = [
        index
        for index, (before, op) in enumerate(zip(plan.ops, plan.ops[1:], strict=False), 1)
        if before.actor == INIT and op.actor != INIT
    ]
    assert barriers == expected
    assert [plan.ops[index].name for index in barriers] == ["run-hook", "rlimit", "created"]
    assert [index for _, index, _, _, _ in decoded] == sorted(index for _, index, _, _, _ in decoded)


def test_no_barrier_within_the_spawn(plan):
    names = [op.name for op in plan.ops]
    spawn = names.index("spawn")
    assert names[spawn : spawn + 4] == ["spawn", "oom-score", "id-map", "session"]
    assert decode(encode(plan))[0][0] == "session"


def test_a_barrier_before_a_step_right_after_the_spawn():
    """What the runtime does to the new process needs it to be ocipy-init already."""
    limit = SetupOp("rlimit", "/process/rlimits/0", name="RLIMIT_NOFILE", resource=7, soft=1, hard=1)
    ops = [SetupOp("cgroup-create", ""), SetupOp("spawn", ""), limit, limit, SetupOp("session", "")]
    assert [op[:2] for op in decode(encode(Plan(ops, {}, False)))] == [("barrier", 2), ("session", 4)]


def spawn(**values):
    usual = {"new": [], "join": {}, "fork_again": False, "wait_maps": False, "become_root": False, "time_offsets": ""}
    return SetupOp("spawn", "", **(usual | values))


def test_namespaces_are_joined_by_init():
    """The shim's copy of the runtime, with its files and its program, doesn't get near them."""
    join = {"user": "/u", "pid": "/p"}
    plan = Plan([spawn(join=join, new=["uts"], fork_again=True, become_root=True), SetupOp("session", "")], {}, False)
    (name, index, _, _, values), session = decode(encode(plan))
    assert (name, index, session[0]) == ("enter", 0, "session")
    assert values == {
        "types": struct.pack("<QQ", 0x10000000, 0x20000000),
        "new": 0x04000000,
        "fork_again": 1,
        "wait_maps": 0,
        "become_root": 1,
        "time_offsets": "",
    }


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ({"new": ["user"], "wait_maps": True, "become_root": True}, "session"),
        ({"join": {"network": "/n"}}, "enter"),
        ({"new": ["time"], "fork_again": True, "time_offsets": "boottime 1 0\n"}, "enter"),
    ],
)
def test_who_does_the_rest_of_a_spawn(values, first):
    plan = Plan([spawn(**values), SetupOp("session", "")], {}, False)
    assert (decode(encode(plan))[0][0], enters(plan.ops[0])) == (first, first == "enter")


def test_a_fault_is_in_the_header_of_its_step_only(plan):
    target = [op.name for op in plan.ops].index("pivot-root")
    for name, index, flags, fault, _ in decode(encode(plan, (target, 28))):
        assert (flags, fault) == ((FLAG_FAULT, 28) if index == target else (0, 0)), name


def test_a_fault_in_a_step_of_the_runtime_is_not_inits(plan):
    created = [op.name for op in plan.ops].index("created")
    assert all(flags == 0 and fault == 0 for _, _, flags, fault, _ in decode(encode(plan, (created, 28))))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_what_does_not_fit_is_refused(number):
    with pytest.raises(error):
        encode(Plan([SetupOp("spawn", ""), SetupOp("umask", "", mask=number)], {}, False))
