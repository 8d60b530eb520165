"""Every fault of a document, in words: what schemas/ and the checks find, each with its place in the text.

Loads jsonschema, which costs more than running a container does, so the hot path comes here only to explain a
document that its checker has refused.
"""

import json
from difflib import get_close_matches
from pathlib import Path

from ocipy.errors import ConfigError, Fault
from ocipy.pointers import escape
from ocipy.spec import checks, load, schema
from ocipy.spec.jsontext import FileFault, loads
from ocipy.spec.locate import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

# What each document is checked against.
ROOTS = {
    "config": "config-schema.json",
    "process": "config-schema.json#/$defs/process",
    "resources": "config-linux.json#/$defs/resources",
    "state": "state-schema.json",
    "features": "features-schema.json",
}
_SHOWN = 60


def validate(bundle: str) -> "list[Fault]":
    """All that is wrong with a bundle's config.json, in the order of its text; [] if nothing is."""
    return examine(bundle)[0]


def examine(bundle: str, *further: "Callable[[dict[str, Any]], list[Fault]]") -> "tuple[list[Fault], list[Fault]]":
    """What is wrong with a bundle's config.json, and what is only doubtful (warnings), in the order of its text.

    ``further`` are checks of the completed config by those who use parts of it, such as the seccomp compiler.
    """
    path = load.config_path(bundle)
    try:
        data = load.read_file(path)
        config: Any = loads(data, path)
    except ConfigError as problem:
        return problem.faults, []
    if not schema.check_config(config):
        return explain(data, config, "config"), []
    load.complete(config)
    faults, warnings = checks.check(config)
    faults += checks.check_text(config)
    for check in further:
        faults += check(config)
    return place(data, faults), place(data, warnings)


def explain(data: bytes, document: object, kind: str) -> "list[Fault]":
    """Why the hot path's checker refuses ``document``, the value of the text ``data``: one fault or more, placed."""
    stale = FileFault("", f"refused by a checker that is not of these schemas (a {kind}; build ocipy anew)")
    return place(data, shape_faults(document, kind) or [stale])


def shape_faults(document: object, kind: str) -> "list[Fault]":
    """What ``document`` has wrong by the schema of its ``kind`` (a key of ROOTS), without lines and columns."""
    try:
        errors = list(validator_of(kind).iter_errors(document))
    except ImportError:
        message = f"not of the form the runtime spec gives a {kind} (the Python package jsonschema would tell where)"
        return [FileFault("", message)]
    whole = schema_of(kind)
    return [_fault(error, whole) for error in errors]


def validator_of(kind: str) -> "Any":
    """jsonschema's validator for a kind of document (a key of ROOTS).  Raises ImportError where there is none."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # A whole number may be written 1.0 by JSON Schema, but not by Go's decoder, which every engine relies on.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return extend(Draft202012Validator, {"pattern": _pattern}, type_checker=types)(schema_of(kind))


def _pattern(_validator: object, pattern: str, value: object, _schema: object) -> "Iterator[object]":
    """``pattern`` with the ``$`` of ECMA-262, the very end; that of ``re`` lets a line break follow."""
    import re

    from jsonschema import ValidationError

    if isinstance(value, str) and not re.search(pattern.removesuffix("$") + r"\Z", value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def schemas_dir() -> Path:
    """Where the schemas are: inside an installed package, or beside the package in the checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "schemas"
    return inside if (inside / "VERSION").is_file() else package.parent / "schemas"


def schema_of(kind: str) -> "dict[str, Any]":
    """The schema of a kind of document (a key of ROOTS) as one document, with every ``$ref`` inside it."""
    schemas = {path.name: _localized(json.loads(path.read_text("utf-8"))) for path in schemas_dir().glob("*.json")}
    name, _, pointer = ROOTS[kind].partition("#")
    root = {"$ref": f"#{pointer}"} if pointer else schemas[name]
    definitions = {
        name: definition for schema in schemas.values() for name, definition in schema.get("$defs", {}).items()
    }
    return {**root, "$defs": definitions}


def _localized(node: "Any") -> "Any":
    """A schema with each ``file.json#/$defs/name`` as ``#/$defs/name``: names are unique among all files."""
    if isinstance(node, list):
        return [_localized(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: f"#{value.partition('#')[2]}" if key == "$ref" else _localized(value) for key, value in node.items()}


def _fault(error: "Any", schema: "dict[str, Any]") -> Fault:
    """One jsonschema error as a fault: what was expected, what the property is, what is there."""
    path = list(error.absolute_path)
    pointer = "".join(f"/{escape(str(token))}" for token in path)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if error.message.startswith(repr(name)))
        unknown = [name for name in error.instance if name not in error.schema["properties"]]
        near = [f" (there is {json.dumps(name)})" for name in get_close_matches(missing, unknown, 1)]
        what = f"the property {json.dumps(missing)} is missing{''.join(near)}"
        return Fault(pointer, f"{what}: {_describe(schema, [*path, missing])}")
    expected = f"expected {_expected(error, schema)} ({_describe(schema, path)})"
    return Fault(pointer, f"{expected}, got {shown(error.instance)}")


def _describe(schema: "dict[str, Any]", path: "Sequence[str | int]") -> str:
    """The description of the value at ``path``; that of its array for an item that has none."""
    node, description = schema, _description(schema, schema)
    for token in path:
        node = _resolved(schema, node)
        if isinstance(token, int):
            node = node["items"]
            description = _description(schema, node) or description
        else:
            node = node.get("properties", {}).get(token) or node["additionalProperties"]
            description = _description(schema, node) or description
    return description


def _description(schema: "dict[str, Any]", node: "dict[str, Any]") -> str:
    """What describes a node: its own words, before those of the type it refers to."""
    while "description" not in node and "$ref" in node:
        node = _definition(schema, node)
    text: str = node.get("description", "")
    return text


def _resolved(schema: "dict[str, Any]", node: "dict[str, Any]") -> "dict[str, Any]":
    while "$ref" in node:
        node = _definition(schema, node)
    return node


def _definition(schema: "dict[str, Any]", node: "dict[str, Any]") -> "dict[str, Any]":
    found: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return found


def _expected(error: "Any", schema: "dict[str, Any]") -> str:
    node = error.schema
    if "enum" in node:
        values = [json.dumps(value) for value in node["enum"] if value]
        return f"one of {', '.join(values[:-1])} or {values[-1]}"
    kind = node["type"]
    if kind == "integer":
        least, most = node.get("minimum"), node.get("maximum")
        if least is None:
            return "a whole number"
        return f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} or more"
    if kind == "array":
        items = {"string": "strings", "object": "objects", "integer": "whole numbers"}
        return f"an array of {items[_resolved(schema, node['items'])['type']]}"
    if "additionalProperties" in node:
        values = _resolved(schema, node["additionalProperties"])["type"]
        return f"an object whose values are {values}s"
    return {"string": "a string", "boolean": "true or false", "object": "an object"}[kind]


def shown(value: object) -> str:
    """A JSON value in words: its type and, if it is short, the value itself."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array" if value else "an empty array"
    text = json.dumps(value, ensure_ascii=False)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if isinstance(value, str):
        return f"the string {short}"
    return short
