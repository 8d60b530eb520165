"""TOML as text with comments and layout that stay: a block is put at the end, a value is put under a table's header.

``tomllib`` reads but doesn't write.  A table may be defined anywhere in a TOML file, so nothing that is there has to be
touched; what an insertion did is proven by reading the result.
"""

import tomllib

from ocipy.errors import OcipyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def parse(text: str, path: str) -> "dict[str, Any]":
    """The document; ``path`` names it in errors.  Raises OcipyError with line and column."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise OcipyError(f"{path}: not TOML: {problem}") from None


def lookup(document: object, keys: "Sequence[str]") -> "Any":
    """What is at a path of keys, None if nothing is."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def merged(one: object, other: object) -> object:
    """``one`` with the members of ``other``, tables by their members."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


def header(keys: "Sequence[str]") -> str:
    """A table's header: the last keys are bare, what has dots is quoted."""
    return "[" + ".".join(f'"{key}"' if "." in key else key for key in keys) + "]"


def append(text: str, block: str) -> "tuple[str, str]":
    """The text with lines at its end, and what was inserted."""
    inserted = ("" if text.endswith("\n") or not text else "\n") + ("\n" if text.strip() else "") + block
    return text + inserted, inserted


def header_line(text: str, keys: "Sequence[str]") -> "int | None":
    """The offset of the line after a table's header, None if no line is its header."""
    offset = 0
    for line in text.splitlines(keepends=True):
        offset += len(line)
        if line.lstrip().startswith("[") and not line.lstrip().startswith("[["):
            try:
                document = tomllib.loads(line)
            except tomllib.TOMLDecodeError:
                continue  # a part of an array, or of a string
            if _only_path(document) == list(keys):
                return offset
    return None


def _only_path(document: "dict[str, Any]") -> "list[str]":
    path = []
    while document:
        ((key, document),) = document.items()
        path.append(key)
    return path


def value_line(text: str, offset: int, key: str) -> "tuple[int, int] | None":
    """Where the line of a key is in the table whose header ends at ``offset``; None if no line of its own has it."""
    for line in text[offset:].splitlines(keepends=True):
        if line.lstrip().startswith("["):
            return None
        if line.partition("=")[0].strip() in (key, f'"{key}"', f"'{key}'"):
            return offset, offset + len(line)
        offset += len(line)
    return None
