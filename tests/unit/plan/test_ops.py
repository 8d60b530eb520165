"""The table of steps has two homes, one for C and one for Python: they are equal."""

import re
from pathlib import Path

import pytest

from ocipy import release, spawn
from ocipy.plan import encode, ops
from ocipy.plan.ops import INIT, KINDS, RUNTIME, SetupOp
from ocipy.runtime_steps import ACTIONS

SOURCES = Path(__file__).resolve().parents[3] / "cffi_build"
HEADER = (SOURCES / "ops.h").read_text()


def define(name):
    value = re.search(rf"^#define {name} (\S+)", HEADER, re.MULTILINE)[1]
    return value.strip("'").encode() if value.startswith("'") else int(value.rstrip("u"), 0)


def test_the_codes_are_those_of_the_header():
    table = {name: int(code) for code, name in re.findall(r'X\((\d+), \w+, "([\w-]+)"\)', HEADER)}
    assert {name: kind.code for name, kind in KINDS.items() if kind.actor == INIT} == table
    assert sorted(table.values()) == list(range(1, len(table) + 1))


def test_the_codes_of_the_runtime_s_steps_are_none():
    assert {kind.code for kind in KINDS.values() if kind.actor == RUNTIME} == {0}


def test_every_step_of_the_runtime_has_its_action():
    assert set(ACTIONS) | {"spawn"} == {name for name, kind in KINDS.items() if kind.actor == RUNTIME}


def test_magic_version_and_flags():
    assert (define("OCIPY_PLAN_MAGIC"), define("OCIPY_PLAN_VERSION")) == (encode.MAGIC, encode.VERSION)
    assert define("OCIPY_OP_FAULT") == encode.FLAG_FAULT


def test_messages():
    assert define("OCIPY_MSG_GO") == spawn.GO
    text = Path(spawn.__file__).read_text() + Path(release.__file__).read_text()
    letters = {
        name: define(f"OCIPY_MSG_{name}") for name in ("BARRIER", "ERROR", "WARNING", "PID", "AGENT", "LOG", "TREE")
    }
    assert define("OCIPY_PACKET") == spawn._PACKET
    assert set(re.findall(r'b"([A-Z])"', text)) == {letter.decode() for letter in letters.values()} | {"G"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.actor == INIT], ids=lambda kind: kind.name)
def test_c_reads_the_fields_that_python_writes(kind):
    """Each function of an op calls the readers in the order of the fields (statements run in order in C)."""
    readers = {"n": "number", "s": "string", "l": "strings", "b": "bytes"}
    for path in SOURCES.glob("*.c"):
        text = path.read_text()
        body = re.search(rf"^int op_{kind.name.replace('-', '_')}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
        if body:
            read = re.findall(r"\bread_(number|strings?|bytes)\(in\)", body[0])
            assert read == [readers[type_] for _, type_ in kind.fields if type_ != "-"]
            return
    pytest.fail("no C function")


def test_fields_have_types_that_are_known():
    types = {type_ for kind in KINDS.values() for _, type_ in kind.fields if kind.actor == INIT}
    assert types == set("nslb-")
    assert {type_ for kind in KINDS.values() for _, type_ in kind.fields if kind.actor == RUNTIME} == {"-"}


def test_steps_compare_by_what_they_say():
    assert SetupOp("mask", "/a", path="/x") == SetupOp("mask", "/a", path="/x")
    assert SetupOp("mask", "/a", path="/x") != SetupOp("mask", "/a", path="/y")
    assert SetupOp("mask", "/a", path="/x") != SetupOp("readonly-path", "/a", path="/x")
    assert repr(SetupOp("mask", "/a", path="/x")) == "SetupOp('mask', '/a', {'path': '/x'})"
    with pytest.raises(KeyError):
        SetupOp("no-such-step", "")


def test_a_plan_knows_its_spawn():
    plan = ops.Plan([SetupOp("oom-score", "", value=1), SetupOp("spawn", "")], {}, False)
    assert plan.spawn_index() == 1
