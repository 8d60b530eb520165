"""The plan as ocipy-init reads it (cffi_build/read.c): a header, then op after op, little-endian and length-prefixed.

Between steps of INIT and steps of RUNTIME the encoder puts a ``barrier``: init reports that it got there, and waits.
"""

from _struct import pack

from ocipy.plan.ops import INIT, Plan, SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = 0x5049434F
VERSION = 1
FLAG_FAULT = 1

# Directly after the spawn, done while the new process may still wait for its id maps, before ocipy-init runs.
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
        elif index in waits:
            body.append(_encode_op(SetupOp("barrier", op.pointer), index, 0))
    payload = b"".join(body)
    return pack("<IIII", MAGIC, VERSION, 16 + len(payload), len(body)) + payload


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
