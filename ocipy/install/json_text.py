"""JSON as text whose layout stays: a member is put in, or taken out, and every other byte is left alone."""

import json
import re
from dataclasses import dataclass

from ocipy.errors import ConfigError, OcipyError
from ocipy.spec import jsontext, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class _Member:
    name: str
    start: int
    value: int
    end: int


def parse(text: str, path: str) -> "dict[str, object]":
    """The object that the text is; blank text is an empty one.  Raises ConfigError with line and column."""
    document = jsontext.loads((text if text.strip() else "{}").encode(), path)
    if not isinstance(document, dict):
        raise ConfigError(path, [jsontext.FileFault("", "expected an object", 1, 1)])
    return document


def put(text: str, keys: "Sequence[str]", value: object) -> str:
    """The text with ``value`` at the path ``keys``; objects on the way are made.  The text is one that ``parse`` takes.

    Raises OcipyError where something on the way is no object.
    """
    if not text.strip():
        text = "{}\n"
    start = _skip(text, 0)
    for depth, key in enumerate(keys):
        if text[start] != "{":
            line, column = locate.position_of(text, start)
            raise OcipyError(f"line {line}, column {column}: {'.'.join(keys[:depth])} is no object")
        members = _members(text, start)
        found = next((member for member in members if member.name == key), None)
        if found is None:
            for inner in reversed(keys[depth + 1 :]):
                value = {inner: value}
            return _insert(text, start, members, key, value)
        if depth + 1 == len(keys):
            former = text[found.value : found.end]
            shown = _dump(value, text, _indent(text, found.value)) if "\n" in former else json.dumps(value)
            return text[: found.value] + shown + text[found.end :]
        start = found.value
    return text


def remove(text: str, keys: "Sequence[str]") -> str:
    """The text without the member at the path ``keys``, which is there."""
    start = _skip(text, 0)
    for key in keys[:-1]:
        start = next(member.value for member in _members(text, start) if member.name == key)
    members = _members(text, start)
    place = next(index for index, member in enumerate(members) if member.name == keys[-1])
    member = members[place]
    if len(members) == 1:
        return text[: start + 1] + text[_skip(text, member.end) :]
    if place + 1 == len(members):
        return text[: members[place - 1].end] + text[member.end :]
    return text[: member.start] + text[members[place + 1].start :]


def _skip(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _members(text: str, start: int) -> "list[_Member]":
    """The members of the object that begins at ``start``."""
    members = []
    position = _skip(text, start + 1)
    while text[position] != "}":
        name, end = _DECODER.raw_decode(text, position)
        value = _skip(text, _skip(text, end) + 1)  # past the colon
        _, end = _DECODER.raw_decode(text, value)
        members.append(_Member(name, position, value, end))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members


def _insert(text: str, start: int, members: "list[_Member]", name: str, value: object) -> str:
    if members:
        gap = text[start + 1 : members[0].start]
        at = after = members[-1].end
        before, behind = "," + (_newline(text) + gap.rpartition("\n")[2] if "\n" in gap else gap or " "), ""
    else:
        at, after = start + 1, _skip(text, start + 1)
        behind = _newline(text) + _indent(text, start)
        before = behind + _unit(text)
    draft = f"{text[:at]}{before}{json.dumps(name, ensure_ascii=False)}: "
    shown = _dump(value, text, _indent(draft, len(draft))) if "\n" in before else json.dumps(value, ensure_ascii=False)
    return draft + shown + behind + text[after:]


def _dump(value: object, text: str, indent: str) -> str:
    """The value as text, on lines that are indented as those of ``text``, and by ``indent`` more."""
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).splitlines()
    return (_newline(text) + indent).join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent(text: str, position: int) -> str:
    """The blanks that the line of ``position`` begins with."""
    line = text[text.rfind("\n", 0, position) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """What a level is indented by: the blanks before the first member."""
    start = _skip(text, 0)
    gap = text[start + 1 : _skip(text, start + 1)]
    return gap.rpartition("\n")[2] if "\n" in gap and text[start + 1 + len(gap)] != "}" else "    "
