"""Where in a JSON text things are: the first fault of a text that is no JSON, the place of every JSON pointer.

Runs only to explain an error, so it reads the text again, slowly and with exact positions.  It is as strict as
``jsontext.loads`` (a test holds the two equal), and it doesn't recurse.
"""

import re
from json.decoder import JSONDecodeError

from ocipy.pointers import escape
from ocipy.spec.jsontext import FileFault, scanstring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.errors import Fault

_BLANKS = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[-\w.+]+|/[/*]|.", re.DOTALL)
# Beyond this depth pointers aren't extended: of a hundred thousand brackets they would fill the memory.
_DEPTH = 100
_LITERALS = ("true", "false", "null")
_ADVICE = {
    "NaN": "JSON has no NaN",
    "Infinity": "JSON has no Infinity",
    "-Infinity": "JSON has no Infinity",
    "'": "strings need double quotes",
    "//": "JSON has no comments",
    "/*": "JSON has no comments",
    "#": "JSON has no comments",
    "True": "it is written true",
    "False": "it is written false",
    "None": "it is written null",
    "\ufeff": "a byte order mark; save the file without one",
}
_STRING_FAULTS = {
    "Unterminated string": "the string that begins here has no closing quote",
    "Invalid control character": "a line break or other control character inside a string (write it as an escape)",
    "Invalid \\escape": 'a backslash in a string must be followed by one of " \\ / b f n r t u',
    "Invalid \\uXXXX": "\\u in a string must be followed by four hexadecimal digits",
}


class _Problem(Exception):
    def __init__(self, offset: int, pointer: str, message: str) -> None:
        self.offset = offset
        self.pointer = pointer
        self.message = message


class _Frame:
    """An object or array that is being read: its pointer, and its names or its length so far."""

    def __init__(self, pointer: str, closer: str, offset: int) -> None:
        self.pointer = pointer
        self.closer = closer
        self.offset = offset
        self.names: dict[str, int] = {}
        self.count = 0


class _Walker:
    """One pass over the text; ``places`` maps each JSON pointer to the offset of its value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.places: dict[str, int] = {}
        self.deepest = ("", 0, 0)

    def walk(self) -> None:
        """Read the whole text.  Raises _Problem at the first fault."""
        frames: list[_Frame] = []
        pointer = ""
        while True:
            opened = self._value(pointer)
            if opened:
                frames.append(opened)
                if len(frames) > self.deepest[2]:
                    self.deepest = (pointer, opened.offset, len(frames))
            following = self._next(frames, bool(opened))
            if following is None:
                return
            pointer = following

    def _next(self, frames: "list[_Frame]", just_opened: bool) -> "str | None":
        """Close what ends here and read up to the next value: its pointer, or None at the end of the text."""
        while frames:
            frame = frames[-1]
            self._skip()
            if self._peek() == frame.closer:
                self.position += 1
                frames.pop()
                just_opened = False
                continue
            if not just_opened:
                if self._peek() != ",":
                    raise self._problem(frame.pointer, f"',' or '{frame.closer}'")
                self.position += 1
                self._skip()
                if self._peek() == frame.closer:
                    raise _Problem(self.position, frame.pointer, f"the comma before {frame.closer!r} is one too many")
            pointer = self._member(frame) if frame.closer == "}" else self._item(frame)
            return pointer if len(frames) < _DEPTH else frame.pointer
        self._skip()
        if self.position < len(self.text):
            raise self._problem("", "the end of the file")
        return None

    def _item(self, frame: _Frame) -> str:
        pointer = f"{frame.pointer}/{frame.count}"
        frame.count += 1
        return pointer

    def _member(self, frame: _Frame) -> str:
        start = self.position
        if self._peek() != '"':
            raise self._problem(frame.pointer, "a property's name in double quotes")
        name = self._string(frame.pointer)
        pointer = f"{frame.pointer}/{escape(name)}"
        if name in frame.names:
            line, column = position_of(self.text, frame.names[name])
            message = f"the property {name!r} is given twice (first in line {line}, column {column})"
            raise _Problem(start, pointer, message)
        frame.names[name] = start
        self._skip()
        if self._peek() != ":":
            raise self._problem(pointer, f"':' after the name {name!r}")
        self.position += 1
        return pointer

    def _value(self, pointer: str) -> "_Frame | None":
        """Read a value, or only the opening bracket of an object or array."""
        self._skip()
        start = self.position
        self.places.setdefault(pointer, start)
        first = self._peek()
        if first and first in "{[":
            self.position += 1
            return _Frame(pointer, "}" if first == "{" else "]", start)
        if first == '"':
            self._string(pointer)
            return None
        for literal in _LITERALS:
            if self.text.startswith(literal, start):
                self.position += len(literal)
                return None
        number = _NUMBER.match(self.text, start)
        if not number:
            raise self._problem(pointer, "a value")
        self.position = number.end()
        try:
            unbounded = int(number[1]) if not (number[2] or number[3]) else float(number[0])
        except ValueError:  # sys.set_int_max_str_digits
            unbounded = float("inf")
        if unbounded in (float("inf"), float("-inf")):
            raise _Problem(start, pointer, "the number is too large")
        return None

    def _string(self, pointer: str) -> str:
        value: str
        try:
            value, self.position = scanstring(self.text, self.position + 1, True)
        except JSONDecodeError as problem:
            message = problem.msg
            for start, text in _STRING_FAULTS.items():
                message = text if message.startswith(start) else message
            raise _Problem(problem.pos, pointer, message) from None
        return value

    def _skip(self) -> None:
        blanks = _BLANKS.match(self.text, self.position)
        self.position = blanks.end() if blanks else self.position

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _problem(self, pointer: str, expected: str) -> _Problem:
        if self.position >= len(self.text):
            return _Problem(self.position, pointer, f"expected {expected}, but the file ends here")
        word = _WORD.match(self.text, self.position)
        found = word[0] if word else ""
        if self._number_goes_on():
            message = "a number can't begin with 0, and digits must follow its '.' and its 'e'"
            return _Problem(self.position - 1, pointer, message)
        advice = f" ({_ADVICE[found]})" if found in _ADVICE else ""
        shown = found if len(found) <= 40 else f"{found[:40]}…"
        return _Problem(self.position, pointer, f"expected {expected}, got {shown!r}{advice}")

    def _number_goes_on(self) -> bool:
        before, here = self.text[self.position - 1 : self.position], self.text[self.position]
        return before.isdigit() and (here.isdigit() or here in ".eE")


def explain(data: bytes) -> "Fault":
    """The first fault of a text that ``jsontext.loads`` refuses, with its line and column."""
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError as problem:
        before = str(data[: problem.start], "utf-8")
        line, column = position_of(before, len(before))
        return FileFault("", f"not UTF-8 text (byte 0x{data[problem.start]:02x})", line, column)
    walker = _Walker(text)
    try:
        walker.walk()
    except _Problem as problem:
        return _fault(text, problem.offset, problem.pointer, problem.message)
    pointer, offset, depth = walker.deepest
    return _fault(text, offset, pointer, f"objects and arrays are nested {depth} levels deep, which is too deep")


def _fault(text: str, offset: int, pointer: str, message: str) -> "Fault":
    from ocipy.errors import Fault

    kind = Fault if pointer else FileFault
    return kind(pointer, message, *position_of(text, offset))


def place(data: bytes, faults: "Iterable[Fault]") -> "list[Fault]":
    """Set ``line`` and ``column`` of faults in the JSON text ``data`` by their pointers; returns them in text order.

    A pointer to something absent gets the place of the nearest object or array around it.
    """
    text = str(data, "utf-8")
    walker = _Walker(text)
    walker.walk()
    placed = []
    for fault in faults:
        pointer = fault.pointer
        while pointer and pointer not in walker.places:
            pointer = pointer.rpartition("/")[0]
        offset = walker.places[pointer]
        fault.line, fault.column = position_of(text, offset)
        placed.append((offset, fault))
    placed.sort(key=lambda entry: entry[0])
    return [fault for _, fault in placed]


def position_of(text: str, offset: int) -> "tuple[int, int]":
    """Line and column, in characters and from 1, of an offset into ``text``."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n") if "\n" in before else len(before) + 1
