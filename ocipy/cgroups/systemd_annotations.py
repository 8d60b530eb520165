"""Annotations ``org.systemd.property.NAME`` as properties of a systemd unit, as runc and crun take them.  Pure.

The value is in GVariant's text format: ``true``, ``5``, ``uint64 5``, ``'text'``, ``['a', 'b']``, ``@as []``.
"""

from ocipy.cgroups.settings import refusal
from ocipy.pointers import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.systemd import Property

PREFIX = "org.systemd.property."
_TYPES = {
    "boolean": "b", "byte": "y", "int16": "n", "uint16": "q", "int32": "i", "uint32": "u", "int64": "x", "uint64": "t",
    "double": "d", "string": "s", "objectpath": "o", "signature": "g",
}  # fmt: skip
_INTEGERS = "ynqiuxt"


def annotation_properties(annotations: "dict[str, str]") -> "list[Property]":
    """Raises StepError for a name or a value that can't be one."""
    found: list[Property] = []
    for key, text in annotations.items():
        name = key.removeprefix(PREFIX)
        if name == key:
            continue
        pointer = f"/annotations/{escape(key)}"
        if len(name) < 3 or not (name.isascii() and name.isalpha()):
            raise refusal(pointer, f"{name!r} is no name of a property", "three letters or more, and nothing else")
        try:
            signature, value = _Reader(text).whole()
            if name.endswith("Sec") and name[-4].islower():
                # As unit files have it; on the bus it is in microseconds.
                if signature not in (*_INTEGERS, "d"):
                    raise ValueError("expected a number of seconds")
                name, signature, value = f"{name[:-3]}USec", "t", int(value * 1000000)
        except ValueError as problem:
            raise refusal(pointer, f"{text!r}: {problem}", "such as true, uint64 5 or 'text'") from None
        found.append((name, signature, value))
    return found


class _Reader:
    """Takes a value from the text's front; raises ValueError."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def whole(self) -> "tuple[str, Any]":
        found = self._value("")
        if self._text:
            raise ValueError(f"unexpected {self._text!r}")
        return found

    def _value(self, wanted: str) -> "tuple[str, Any]":
        text = self._text
        if text[:1] == "@":
            signature, _, self._text = text[1:].partition(" ")
            return self._value(signature)
        if text[:1] == "[":
            return self._array(wanted)
        if text[:1] in ("'", '"'):
            if wanted[:1] not in ("", "s", "o", "g"):
                raise ValueError("expected a number")
            return wanted or "s", self._string()
        word = self._word()
        if word in _TYPES:
            return self._value(_TYPES[word])
        if word in ("true", "false") and wanted in ("", "b"):
            return "b", word == "true"
        return _number(word, wanted)

    def _array(self, wanted: str) -> "tuple[str, Any]":
        self._take("[")
        signature = wanted[1:]
        values: list[Any] = []
        while not self._text.startswith("]"):
            if values:
                self._take(",")
            signature, value = self._value(signature)
            values.append(value)
        self._take("]")
        if not signature:
            raise ValueError("an empty array needs its type, such as @as []")
        return f"a{signature}", bytes(values) if signature == "y" else values

    def _take(self, mark: str) -> None:
        if not self._text.startswith(mark):
            raise ValueError(f"expected {mark!r} before {self._text!r}")
        self._text = self._text[len(mark) :].lstrip()

    def _word(self) -> str:
        length = next((at for at, letter in enumerate(self._text) if letter in " ,]"), len(self._text))
        word, self._text = self._text[:length], self._text[length:].lstrip()
        return word

    def _string(self) -> str:
        quote, found, at = self._text[0], "", 1
        while at < len(self._text) and self._text[at] != quote:
            at += self._text[at] == "\\"
            found += self._text[at : at + 1]
            at += 1
        if at >= len(self._text):
            raise ValueError("the string has no end")
        self._text = self._text[at + 1 :].lstrip()
        return found


def _number(word: str, wanted: str) -> "tuple[str, Any]":
    if wanted == "d" or (not wanted and "." in word):
        return "d", float(word)
    signature = wanted or "i"
    if signature not in _INTEGERS:
        raise ValueError("expected a string")
    value = int(word, 0)
    bits = {"y": 8, "n": 15, "q": 16, "i": 31, "u": 32, "x": 63, "t": 64}[signature]
    if not (-(1 << bits) if signature in "nix" else 0) <= value < 1 << bits:
        raise ValueError(f"{value} is out of range")
    return signature, value
