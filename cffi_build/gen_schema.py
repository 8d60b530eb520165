"""Compiles schemas/ to the hot path's checker, ocipy/spec/schema.py, at build time.

    python cffi_build/gen_schema.py ocipy/spec/schema.py

The schemas keep to a small vocabulary (schemas/README.md); anything else stops the build here, so that nothing
in a schema can be overlooked by the checker.  What comes out are boolean expressions and no imports.
"""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

ENTRIES = {
    "check_config": "config-schema.json#",
    "check_process": "config-schema.json#/$defs/process",
    "check_resources": "config-linux.json#/$defs/resources",
    "check_state": "state-schema.json#",
}

ANNOTATIONS = {"$schema", "$defs", "title", "description"}
# A class or a single character, and how often.
ATOM = r"\[(\^?)((?:\\.|[^\]\\])+)\]([*+]?)|(\\.|[^\[\](){}.?*+|^$\\])([*+]?)"
NEGATIVE, INFINITE = "float('-inf')", "float('inf')"
KEYWORDS = {
    "string": {"type", "enum", "pattern"},
    "boolean": {"type"},
    "integer": {"type", "minimum", "maximum"},
    "array": {"type", "items", "minItems"},
    "object": {"type", "properties", "required", "additionalProperties"},
}

HEADER = '''"""The checker of the hot path, generated from schemas/ by cffi_build/gen_schema.py: don't edit.

Each name below is a function that tells whether a JSON value has the shape its schema asks for; what is wrong with
one that hasn't, ocipy/spec/validate.py finds out.
"""

# mypy: ignore-errors
# ruff: noqa

_only_strings = {str}.issuperset


def _object(required, members):
    def check(x):
        if type(x) is not dict:
            return False
        for name in required:
            if name not in x:
                return False
        for name, value in x.items():
            if name in members and not members[name](value):
                return False
        return True

    return check


def _array(item, least=0):
    return lambda x: type(x) is list and len(x) >= least and all(map(item, x))


def _map(member):
    return lambda x: type(x) is dict and all(map(member, x.values()))


def _integer(least, most):
    return lambda x: type(x) is int and least <= x <= most


def _one_of(*values):
    return lambda x: x in values


def _int(x):
    return type(x) is int


def _string(x):
    return type(x) is str


def _boolean(x):
    return type(x) is bool


def _strings(x):
    return type(x) is list and _only_strings(map(type, x))


def _string_map(x):
    return type(x) is dict and _only_strings(map(type, x.values()))


'''


class SchemaError(Exception):
    """A schema uses what the compiler doesn't know."""


def load_schemas(schemas_dir: "str | Path") -> dict[str, Any]:
    """The schemas of a directory by file name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(Path(schemas_dir).glob("*.json"))}


def resolve(schemas: dict[str, Any], reference: str, home: str) -> tuple[Any, str]:
    """The schema a ``$ref`` of the file ``home`` leads to, and the file it stands in."""
    name, _, pointer = reference.partition("#")
    home = name or home
    schema = schemas[home]
    for token in pointer.split("/")[1:]:
        schema = schema[token]
    return schema, home


class Compiler:
    """Collects one definition for each distinct shape, those it builds on first."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.names: dict[str, str] = {}
        self.lines: list[str] = []

    def name_of(self, schema: Any, home: str, hint: str) -> str:
        """The name of the function that checks ``schema``; equal definitions share one."""
        while "$ref" in schema:
            refuse_unknown(schema, {"$ref"}, hint)
            hint = schema["$ref"].rpartition("/")[2]
            schema, home = resolve(self.schemas, schema["$ref"], home)
        kind = str(schema.get("type"))
        if kind not in KEYWORDS:
            raise SchemaError(f"{hint}: type {kind}")
        refuse_unknown(schema, KEYWORDS[kind], hint)
        definition: str = getattr(self, f"define_{kind}")(schema, home)
        return definition if definition.isidentifier() else self.share(definition, hint)

    def share(self, definition: str, hint: str) -> str:
        if definition not in self.names:
            taken = {*self.names.values(), *re.findall(r"^(?:def )?(_\w+)", HEADER, re.MULTILINE)}
            self.names[definition] = next(
                n for n in (f"_{hint}", *(f"_{hint}{i}" for i in range(2, 99))) if n not in taken
            )
            self.lines.append(f"{self.names[definition]} = {definition}\n")
        return self.names[definition]

    def define_boolean(self, schema: Any, home: str) -> str:
        return "_boolean"

    def define_integer(self, schema: Any, home: str) -> str:
        if "minimum" not in schema and "maximum" not in schema:
            return "_int"
        return f"_integer({schema.get('minimum', NEGATIVE)}, {schema.get('maximum', INFINITE)})"

    def define_string(self, schema: Any, home: str) -> str:
        if "enum" in schema:
            if not all(isinstance(value, str) for value in schema["enum"]) or "pattern" in schema:
                raise SchemaError(f"only strings can be an enum: {schema}")
            return f"_one_of{tuple(schema['enum'])!r}"
        if "pattern" in schema:
            return f"lambda x: type(x) is str and {' and '.join(pattern_terms(schema['pattern']))}"
        return "_string"

    def define_array(self, schema: Any, home: str) -> str:
        item, least = self.name_of(schema["items"], home, "item"), schema.get("minItems", 0)
        if item == "_string" and not least:
            return "_strings"
        return f"_array({item}{f', {least}' if least else ''})"

    def define_object(self, schema: Any, home: str) -> str:
        if "additionalProperties" in schema:
            if "properties" in schema or "required" in schema:
                raise SchemaError("properties and additionalProperties in one object")
            value = self.name_of(schema["additionalProperties"], home, "value")
            return "_string_map" if value == "_string" else f"_map({value})"
        members = {name: self.name_of(member, home, name) for name, member in schema.get("properties", {}).items()}
        listed = "".join(f"\n    {name!r}: {function}," for name, function in members.items())
        return f"_object({tuple(schema.get('required', ()))!r}, {{{listed}\n}})"


def refuse_unknown(schema: Any, known: set[str], hint: str) -> None:
    if unknown := set(schema) - known - ANNOTATIONS:
        raise SchemaError(f"{hint}: {', '.join(sorted(unknown))}")


def pattern_terms(pattern: str) -> list[str]:
    """A pattern ``^…$`` of literals and classes, at most one of them repeated by ``*`` or ``+``, as conditions on x.

    ``$`` is the very end, as in ECMA-262, not before a last line break, as in Python's ``re``.
    """
    body = pattern[1:-1]
    if pattern[:1] != "^" or pattern[-1:] != "$" or not re.fullmatch(f"(?:{ATOM})*", body):
        raise SchemaError(f"pattern {pattern}")
    atoms = [parse_atom(*atom) for atom in re.findall(ATOM, body)]
    repeated = [index for index, atom in enumerate(atoms) if atom[2]]
    if len(repeated) > 1:
        raise SchemaError(f"pattern {pattern}")
    split = repeated[0] if repeated else len(atoms)
    head, tail = atoms[:split], atoms[split + 1 :]
    fixed = len(head) + len(tail)
    if not repeated:
        return [f"len(x) == {fixed}", *(one(atom, index) for index, atom in enumerate(head))]
    least = fixed + (atoms[split][2] == "+")
    terms = [f"len(x) >= {least}"] if least else []
    prefix = "".join(itertools.takewhile(bool, (chars if len(chars) == 1 else "" for chars, _, _ in head)))
    terms += [f"x.startswith({prefix!r})"] if prefix else []
    terms += [one(atom, index) for index, atom in enumerate(head) if index >= len(prefix)]
    terms += [one(atom, index - len(tail)) for index, atom in enumerate(tail)]
    chars, negated, _ = atoms[split]
    middle = f"x[{len(head)}:{-len(tail) if tail else ''}]" if fixed else "x"
    if negated:
        return [*terms, *(f"{char!r} not in {middle}" for char in chars)]
    return [*terms, f"not {middle}.strip({chars!r})"]


def one(atom: tuple[str, bool, str], index: int) -> str:
    chars, negated, _ = atom
    return f"x[{index}] {'not in' if negated else 'in'} {chars!r}"


def parse_atom(caret: str, members: str, class_times: str, literal: str, times: str) -> tuple[str, bool, str]:
    """One atom as its characters, whether they are the excluded ones, and its repetition ("" is once)."""
    if literal:
        return unescape(literal), False, times
    spelled = re.sub(r"(\w)-(\w)", lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), members)
    return unescape(spelled), bool(caret), class_times


def unescape(text: str) -> str:
    if re.search(r"\\[A-Zac-mo-z0-9]", text):
        raise SchemaError(f"escape in {text}")
    return text.replace("\\n", "\n").replace("\\", "")


def generate(schemas_dir: "str | Path") -> str:
    """The Python text of ocipy/spec/schema.py for the schemas of a directory.  Raises SchemaError."""
    schemas = load_schemas(schemas_dir)
    compiler = Compiler(schemas)
    entries = []
    for entry, reference in ENTRIES.items():
        schema, home = resolve(schemas, reference, "")
        function = compiler.name_of(schema, home, entry.removeprefix("check_"))
        entries.append(f"\n\ndef {entry}(document: object) -> bool:\n    return {function}(document)\n")
    return HEADER + "".join(compiler.lines + entries)


def main(arguments: list[str]) -> int:
    text = generate(Path(__file__).resolve().parent.parent / "schemas")
    Path(arguments[0]).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
