"""The plan as ocipy-init reads it (cffi_build/read.c): a header, then op after op, little-endian and length-prefixed.

Between steps of INIT and steps of RUNTIME the encoder puts a ``barrier``: init reports that it got there, and waits.
Of a spawn that joins namespaces the rest is init's, which has left the runtime's program and files behind: ``enter``.
"""

from _struct import pack

from ocipy.plan.namespaces import CLONE_FLAGS
from ocipy.plan.ops import INIT, Plan, SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAGIC = 0x5049434F
VERSION = 1
FLAG_FAULT = 1

# Directly after the spawn, done while the new process may still wait for its id maps, before the first of the steps.
WITHIN_SPAWN = ("spawn", "resctrl-join", "oom-score", "id-map", "systemd-attach")


def barriers(plan: Plan) -> "set[int]":
    """The steps of RUNTIME that init has to wait for, by number; of several in a row the first."""
    found: set[int] = set()
    waiting = within = True
    for index, op in enumerate(plan.ops):
        if op.actor == INIT:
            waiting = within = False
        elif op.name == "spawn":
            waiting = False
        elif not waiting and not (within and op.name in WITHIN_SPAWN):
            found.add(index)
            waiting = True
    return found


def encode(plan: Plan, fault: "tuple[int, int] | None" = None) -> bytes:
    """The bytes of the plan's INIT steps.

    ``fault`` is for tests: (index of a step, errno) makes that step fail in init in place of being done.
    """
    body = []
    waits = barriers(plan)
    for index, op in enumerate(plan.ops):
        if op.actor == INIT:
            error = fault[1] if fault and fault[0] == index else 0
            body.append(_encode_op(op, index, error))
        elif op.name == "spawn" and enters(op):
            body.append(_encode_op(_enter(op), index, 0))
        elif index in waits:
            body.append(_encode_op(SetupOp("barrier", op.pointer), index, 0))
    payload = b"".join(body)
    return pack("<IIII", MAGIC, VERSION, 16 + len(payload), len(body)) + payload


def enters(spawn: SetupOp) -> bool:
    """Whether init has the rest of the spawn to do: all but the first clone, and the cgroups."""
    return bool(spawn.values.get("join") or spawn.values.get("fork_again"))


def clone_flags(types: "Iterable[str]") -> int:
    """CLONE_NEW* of these types of namespaces, for clone3(2)."""
    return sum(CLONE_FLAGS[type_] for type_ in types)


def _enter(spawn: SetupOp) -> SetupOp:
    values = spawn.values
    return SetupOp(
        "enter",
        spawn.pointer,
        types=b"".join(pack("<Q", CLONE_FLAGS[type_]) for type_ in values["join"]),
        new=clone_flags(values["new"]),
        fork_again=int(values["fork_again"]),
        wait_maps=int(values["wait_maps"]),
        become_root=int(values["become_root"]),
        time_offsets=values["time_offsets"],
    )


def _encode_op(op: SetupOp, index: int, error: int) -> bytes:
    payload = b"".join(_encode_field(kind, op.values[name]) for name, kind in op.kind.fields if kind != "-")
    return pack("<HHIII", op.kind.code, FLAG_FAULT if error else 0, index, error, len(payload)) + payload


def _encode_field(kind: str, value: "int | str | bytes | Sequence[str]") -> bytes:
    if kind == "n":
        assert isinstance(value, int)
        return pack("<Q", value)
    if kind == "s":
        assert isinstance(value, str)
        return _string(value)
    if kind == "b":
        assert isinstance(value, bytes)
        return pack("<I", len(value)) + value
    assert not isinstance(value, (int, str, bytes))
    return pack("<Q", len(value)) + b"".join(_string(item) for item in value)


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return pack("<I", len(data) + 1) + data + b"\0"
