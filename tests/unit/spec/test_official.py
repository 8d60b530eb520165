"""Our schemas give the verdicts of the spec's own schema files; where they differ on purpose, DIFFERENCES says so."""

import copy
import json
import re
from collections import Counter

import pytest
from jsonschema import Draft4Validator

from ocipy.errors import ConfigError
from ocipy.spec import jsontext, validate

from .documents import FEATURES, FULL, OFFICIAL, STATE, containers, examples, mutated, substituted, without_null

pytestmark = pytest.mark.skipif(not OFFICIAL.is_dir(), reason=f"the spec's schema files are not in {OFFICIAL}")

DOCUMENTS = {"config": FULL, "state": STATE, "features": FEATURES}
EXAMPLES = sorted(OFFICIAL.glob("test/*/*/*.json"))

# Those of the spec's own examples that get another verdict here.
OTHER_EXAMPLES = {
    "config/bad/freebsd-vnet-disable.json": "the section of another platform is not looked into",
}


OTHER_PLATFORMS = ("windows", "solaris", "vm", "zos", "freebsd")


def odd_keys_hold_strings(document):
    """Stricter: their pattern for string maps, .{1,}, overlooks empty keys and keys of line breaks; Go doesn't."""
    linux = part(document, "linux")
    for holder, name in (
        (document, "annotations"),
        (linux, "sysctl"),
        (part(linux, "resources"), "unified"),
    ):
        mapping = part(holder, name)
        for key in [key for key in mapping if not key.strip("\n")]:
            mapping[f"key {len(mapping)}"] = mapping.pop(key)


def patterns_end_at_the_end(document):
    """Stricter: $ also matches before a last line break where a pattern is read as Python's."""
    names = ("type", "initial", "final", "pageSize", "memBwSchema")
    for container in containers(document):
        for name in names if isinstance(container, dict) else ():
            value = container.get(name)
            if isinstance(value, str) and value.endswith("\n"):
                # Two of them no pattern takes; nor does it hurt where there is none.
                container[name] = value + "\n"
    capabilities = part(document, "linux").get("capabilities")
    for index, value in enumerate(capabilities if isinstance(capabilities, list) else ()):
        if isinstance(value, str) and value.endswith("\n"):
            capabilities[index] = value + "\n"


def more_propagations(document):
    """Wider: engines write the recursive forms and "", and runc takes them."""
    linux = part(document, "linux")
    if linux.get("rootfsPropagation") in ("", "rprivate", "rshared", "rslave", "runbindable"):
        linux["rootfsPropagation"] = "private"


def all_file_modes(document):
    """Wider: the spec's text says uint32; engines pass on st_mode, and runc drops its type bits."""
    devices = part(document, "linux").get("devices")
    for device in devices if isinstance(devices, list) else ():
        if isinstance(device, dict) and type(device.get("fileMode")) is int and 511 < device["fileMode"] < 2**32:
            device["fileMode"] = 511


def other_platforms(document):
    """Wider: not run here, so not looked into."""
    for name in OTHER_PLATFORMS:
        if isinstance(document.get(name), dict):
            document[name] = {"hypervisor": {"path": "/x"}, "kernel": {"path": "/x"}, "layerFolders": ["x"]}


def features_of_the_text(document):
    """Stricter: their schema of the features document lacks what the text has of Intel RDT and memory policies."""
    linux = part(document, "linux") if isinstance(document, dict) and "ociVersionMin" in document else {}
    rdt, policy = part(linux, "intelRdt"), linux.get("memoryPolicy", {})
    good = all(isinstance(rdt.get(name, True), bool) for name in ("schemata", "monitoring")) and isinstance(
        policy, dict
    )
    for name, start in (("modes", "MPOL_"), ("flags", "MPOL_F_")) if isinstance(policy, dict) else ():
        words = policy.get(name, [])
        good = good and isinstance(words, list) and all(re.fullmatch(f"{start}[A-Z_]+", str(word)) for word in words)
    if not good:
        linux["selinux"] = "fault"


# Each makes, where the document is one of a difference, the spec's files give the verdict that ours must give.
DIFFERENCES = (
    odd_keys_hold_strings, patterns_end_at_the_end, more_propagations, all_file_modes, other_platforms,
    features_of_the_text,
)  # fmt: skip


def part(holder, name):
    """The object ``name`` of an object, or an empty one."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def official_validator(kind):
    """The spec's files as one schema: each ``file.json#/pointer`` becomes a pointer inside it."""
    files = {path.name: json.loads(path.read_text("utf-8")) for path in OFFICIAL.glob("*.json")}
    inner = {name: localized(schema, name) for name, schema in files.items()}
    return Draft4Validator({**inner[f"{kind}-schema.json"], "files": inner})


def localized(node, home):
    if isinstance(node, list):
        return [localized(item, home) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: localized(value, home) for key, value in node.items()}
    if isinstance(node.get("$ref"), str):
        name, _, pointer = node["$ref"].partition("#")
        node["$ref"] = f"#/files/{name or home}/{pointer.lstrip('/')}"
    return node


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}-{path.stem}")
def test_the_examples_of_the_spec(path):
    kind, verdict = path.parent.parent.name, path.parent.name
    try:
        document = jsontext.loads(path.read_bytes(), str(path))
        faults = validate.shape_faults(document, kind)
    except ConfigError as problem:
        faults = problem.faults
    if str(path.relative_to(OFFICIAL / "test")) in OTHER_EXAMPLES:
        verdict = {"good": "bad", "bad": "good"}[verdict]
    assert bool(faults) == (verdict == "bad"), faults


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_mutations_get_the_same_verdict(kind):
    ours, theirs = validate.validator_of(kind), official_validator(kind)
    good = [json.loads(path.read_text("utf-8")) for path in EXAMPLES if path.parts[-3:-1] == (kind, "good")]
    good = [DOCUMENTS[kind], *good]
    for seed in examples(2000):
        example = without_null(mutated(good[seed % len(good)], seed))
        adjusted = copy.deepcopy(example)
        for adjust in DIFFERENCES:
            adjust(adjusted)
        verdict = ours.is_valid(example)
        assert verdict == theirs.is_valid(adjusted), f"seed {seed}, ours {verdict}: {json.dumps(example)}"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_place_takes_the_same_values(kind):
    ours, theirs = validate.validator_of(kind), official_validator(kind)
    for example in substituted(DOCUMENTS[kind]):
        adjusted = copy.deepcopy(example)
        for adjust in DIFFERENCES:
            adjust(adjusted)
        verdict = ours.is_valid(example)
        assert verdict == theirs.is_valid(adjusted), f"ours {verdict}: {json.dumps(example)}"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_enums_are_the_same(kind):
    ours, theirs = Counter(), Counter()
    for found, schema in ((ours, validate.schema_of(kind)), (theirs, official_validator(kind).schema)):
        # Both walk from the root, so that only what is referred to counts, each enum as often as it is.
        count_enums(schema, schema, found)
    wider = {("private", "shared", "slave", "unbindable"): 1} if kind == "config" else {}
    assert theirs - ours == Counter(wider)


def count_enums(schema, node, found):
    if "$ref" in node:
        target = schema
        for token in node["$ref"].split("/")[1:]:
            target = target[token]
        count_enums(schema, target, found)
    if "enum" in node:
        found[tuple(sorted(node["enum"]))] += 1
    members = {name: member for name, member in node.get("properties", {}).items() if name not in OTHER_PLATFORMS}
    inner = [*members.values(), *node.get("allOf", ()), *node.get("anyOf", ())]
    inner += [node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict)]
    for child in inner:
        count_enums(schema, child, found)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_full_documents_are_good(kind):
    assert official_validator(kind).is_valid(without_others(DOCUMENTS[kind]))


def without_others(document):
    return {
        name: value for name, value in document.items() if name not in ("windows", "solaris", "vm", "zos", "freebsd")
    }


@pytest.mark.parametrize(
    ("adjust", "document", "verdict"),
    [
        (odd_keys_hold_strings, {"annotations": {"": 1}}, False),
        (patterns_end_at_the_end, {"linux": {"devices": [{"type": "c\n", "path": "/a"}]}}, False),
        *(
            (more_propagations, {"linux": {"rootfsPropagation": name}}, True)
            for name in ("", "rprivate", "rshared", "rslave", "runbindable")
        ),
        (all_file_modes, {"linux": {"devices": [{"type": "c", "path": "/a", "fileMode": 8630}]}}, True),
        (other_platforms, {"windows": {}}, True),
    ],
)
def test_each_difference_is_one(adjust, document, verdict):
    """A difference that is none any more leaves the table."""
    document = {"ociVersion": "1.3.0", **document}
    ours, theirs = validate.validator_of("config"), official_validator("config")
    assert ours.is_valid(document) == verdict
    assert theirs.is_valid(document) != verdict
    adjust(document)
    assert theirs.is_valid(document) == verdict
