"""The properties of config.json, by name: ``process.user.uid``, ``mounts[].options``, ``linux.netDevices.*.name``."""

import json
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
# Whole documents of other platforms, and members of process that are for Windows.
ELSEWHERE = {"windows", "solaris", "vm", "zos", "freebsd", "process.commandLine", "process.user.username"}


def resolve(reference, document):
    name, _, pointer = reference.partition("#")
    schema = json.loads((SCHEMAS / (name or document)).read_text())
    for part in pointer.strip("/").split("/"):
        schema = schema[part]
    return schema, name or document


def walk(schema, document, prefix=""):
    """Every property below a schema, by its dotted name."""
    while "$ref" in schema:
        schema, document = resolve(schema["$ref"], document)
    for name, member in schema.get("properties", {}).items():
        here = f"{prefix}.{name}".lstrip(".")
        yield here
        yield from walk(member, document, here)
    for inner, sign in ((schema.get("items"), "[]"), (schema.get("additionalProperties"), ".*")):
        if isinstance(inner, dict):
            yield from walk(inner, document, f"{prefix}{sign}")
    for kind in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(kind, ()):
            yield from walk(inner, document, prefix)


def of_schema():
    """The names of all properties that have no members of their own, but for those of other platforms."""
    schema = json.loads((SCHEMAS / "config-schema.json").read_text())
    names = [name for name in dict.fromkeys(walk(schema, "config-schema.json")) if not elsewhere(name)]
    inner = {name[:end] for name in names for end in range(len(name)) if name[end] in ".["}
    return [name for name in names if name not in inner]


def elsewhere(name):
    return name in ELSEWHERE or name.partition(".")[0] in ELSEWHERE


class Recorded(dict):
    """A part of a config that notes in ``seen`` which of its members, by their dotted names, are looked at."""

    def __init__(self, value, seen, path=""):
        super().__init__({name: recorded(member, seen, f"{path}.{name}".lstrip(".")) for name, member in value.items()})
        self.seen = seen
        self.path = path

    def note(self, name):
        self.seen.add(f"{self.path}.{name}".lstrip("."))

    def __getitem__(self, name):
        self.note(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.note(name)
        return super().get(name, default)

    def items(self):
        for name in self:
            yield name, self[name]

    def values(self):
        for name in self:
            yield self[name]


def recorded(value, seen, path=""):
    if isinstance(value, dict):
        return Recorded(value, seen, path)
    if isinstance(value, list):
        return [recorded(item, seen, f"{path}[]") for item in value]
    return value
