"""JSON text to values and back, without the ``json`` package: its imports cost more than a whole ``state`` call.

Reading is strict where RFC 8259 leaves a choice: a property given twice is refused (which of the two counts is
anybody's guess), so are NaN, Infinity and numbers too large for a double.  A property whose value is ``null`` is
read as absent, as Go's encoder writes null for an empty list or object and runc reads it so.
"""

from ocipy.errors import ConfigError, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLANKS = " \t\n\r"


class FileFault(Fault):
    """A fault of a file as a whole (missing, unreadable, no JSON): it has no JSON pointer to show."""

    __slots__ = ()

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{where}{self.message}"


def loads(data: bytes, path: str) -> object:
    """The value of a JSON text in UTF-8, without its null members; ``path`` names it in errors.

    Raises ConfigError with the line and column of the first fault.
    """
    try:
        text = str(data, "utf-8").strip(_BLANKS)
        value: object
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (ValueError, StopIteration, RecursionError, SystemError):
        # SystemError: the C scanner raises nothing at all where json.decoder, home of the exception, isn't loaded.
        pass
    from ocipy.spec.locate import explain

    raise ConfigError(path, [explain(data)])


def dumps(value: object) -> str:
    """``value`` (dict, list, str, int, float, bool, None) as JSON on one line, in ASCII.

    ASCII, for a string from the file system may hold bytes that are no UTF-8 (as lone surrogates), and these
    come back from ``loads`` as they were.  Raises ValueError for NaN and infinities, TypeError for other types.
    """
    return "".join(_encode(value, 0))


def dumps_pretty(value: object) -> str:
    """``value`` as JSON with one member a line and two blanks of indentation, as Go's MarshalIndent writes it."""
    text = _pretty(value, "\n", _quote)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _pretty(value, "\n", _quote_ascii)
    return text


def _pretty(value: object, newline: str, quote: "Callable[[str], str]") -> str:
    inner = newline + "  "
    if isinstance(value, dict) and value:
        members = [f"{quote(key)}: {_pretty(member, inner, quote)}" for key, member in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{newline}}}"
    if isinstance(value, (list, tuple)) and value:
        items = [_pretty(item, inner, quote) for item in value]
        return f"[{inner}{f',{inner}'.join(items)}{newline}]"
    if isinstance(value, str):
        return quote(value)
    return dumps(value)


def _object(pairs: "list[tuple[str, object]]") -> "dict[str, object]":
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a property is given twice")
    if None in members.values():
        return {name: member for name, member in pairs if member is not None}
    return members


def _float(digits: str) -> float:
    value = float(digits)
    if value - value != 0.0:
        raise ValueError("out of range")
    return value


def _constant(name: str) -> object:
    raise ValueError(name)


class _Reading:
    """What the C scanner asks its decoder for (the attributes of json.JSONDecoder)."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = staticmethod(_float)
    parse_int = int
    parse_constant = staticmethod(_constant)


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _interface() -> "tuple[Any, Any, Any, Any, Any]":
    """Scanner, encoder, the two quoting functions, string scanner: CPython's C halves, or the ``json`` package's."""
    try:
        import _json

        context: Any = _Reading
        quote = _json.encode_basestring_ascii
        encode = _json.make_encoder(None, _refuse, quote, None, ":", ",", False, False, False)
        return _json.make_scanner(context), encode, _json.encode_basestring, quote, _json.scanstring
    except (ImportError, AttributeError, TypeError):
        from json import decoder, encoder

        reader: Any = decoder.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
        writer = encoder.JSONEncoder(separators=(",", ":"), allow_nan=False)
        strings: Any = decoder
        quotes: Any = encoder
        return (
            reader.scan_once,
            lambda value, _: writer.encode(value),
            quotes.encode_basestring,
            quotes.encode_basestring_ascii,
            strings.scanstring,
        )


_scan, _encode, _quote, _quote_ascii, scanstring = _interface()
