"""The TypedDicts have the schema's properties, and what load.complete fills in is what they promise."""

import typing

import pytest

from ocipy.spec import load, types, validate

from .documents import MINIMAL

# For other platforms only.
FOREIGN = {"commandLine", "username", "windows", "solaris", "vm", "zos", "freebsd"}
TYPES = {"string": str, "boolean": bool, "integer": int}


def compare(schema, node, hint, path):
    """Walk a schema and a type together."""
    node = validate._resolved(schema, node)
    if typing.get_origin(hint) is typing.NotRequired:
        (hint,) = typing.get_args(hint)
    kind = node["type"]
    if kind in TYPES:
        assert hint is TYPES[kind], path
    elif kind == "array":
        assert typing.get_origin(hint) is list, path
        compare(schema, node["items"], typing.get_args(hint)[0], f"{path}[]")
    elif "additionalProperties" in node or path == "/linux/timeOffsets":
        key, value = typing.get_args(hint)
        assert key is str, path
        inner = node.get("additionalProperties") or node["properties"]["boottime"]
        compare(schema, inner, value, f"{path}/*")
    else:
        hints = typing.get_type_hints(hint, include_extras=True)
        assert set(hints) == set(node["properties"]) - FOREIGN, path
        for name, member in hints.items():
            compare(schema, node["properties"][name], member, f"{path}/{name}")


@pytest.mark.parametrize(("kind", "hint"), [("config", types.Config), ("state", types.State)])
def test_types_have_the_properties_of_the_schema(kind, hint):
    schema = validate.schema_of(kind)
    compare(schema, schema, hint, "")


def required_members(value, hint, path=""):
    if typing.get_origin(hint) in (typing.NotRequired, typing.Required):
        (hint,) = typing.get_args(hint)
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        assert hint.__required_keys__ <= set(value), path
        assert hint.__required_keys__ >= set(value) & hint.__required_keys__
        for name in value:
            required_members(value[name], hints[name], f"{path}/{name}")
    elif typing.get_origin(hint) is list:
        for index, item in enumerate(value):
            required_members(item, typing.get_args(hint)[0], f"{path}/{index}")


def test_a_completed_config_has_all_that_is_required():
    parts = {
        "mounts": [{"destination": "/a"}],
        "hooks": {"poststop": [{"path": "/a"}]},
        "linux": {
            "namespaces": [{"type": "pid"}],
            "devices": [{"type": "p", "path": "/a"}],
            "resources": {"devices": [{"allow": True}]},
            "seccomp": {"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG"}]},
        },
    }
    config = {**MINIMAL, **parts}
    load.complete(config)
    required_members(config, types.Config)
