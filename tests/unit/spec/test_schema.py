"""The generated checker and jsonschema say the same, and the schemas keep their own rules."""

import copy
import importlib.util
import json
import re
import types

import pytest
from jsonschema import Draft202012Validator

from ocipy.spec import validate

from .documents import CHECKOUT, FEATURES, FULL, MINIMAL, SCHEMAS, STATE, containers, examples, mutated, substituted

_spec = importlib.util.spec_from_file_location("gen_schema", CHECKOUT / "cffi_build" / "gen_schema.py")
gen_schema = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gen_schema)


def load_checker(text: str) -> types.ModuleType:
    module = types.ModuleType("schema")
    exec(compile(text, "schema.py", "exec"), module.__dict__)  # noqa: S102
    return module


CHECKER = load_checker(gen_schema.generate(SCHEMAS))
KINDS = {
    "config": (CHECKER.check_config, FULL),
    "process": (CHECKER.check_process, FULL["process"]),
    "resources": (CHECKER.check_resources, FULL["linux"]["resources"]),
    "state": (CHECKER.check_state, STATE),
}


def test_the_package_has_the_checker_of_these_schemas():
    built = CHECKOUT / "ocipy" / "spec" / "schema.py"
    assert built.read_text("utf-8") == gen_schema.generate(SCHEMAS), "run make build"


def test_the_package_has_these_schemas():
    for path in sorted((CHECKOUT / "ocipy" / "schemas").glob("*.json")):
        assert path.read_bytes() == (SCHEMAS / path.name).read_bytes(), "run make build"


def test_the_checker_imports_nothing():
    assert not re.search(r"^\s*(import|from) ", gen_schema.generate(SCHEMAS), re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_good_documents_pass(kind):
    check, document = KINDS[kind]
    assert check(document)
    assert validate.shape_faults(document, kind) == []


def test_features_pass():
    assert validate.shape_faults(FEATURES, "features") == []
    assert validate.shape_faults({"ociVersionMin": "1.0.0"}, "features") != []


@pytest.mark.parametrize("document", [None, True, 3, "x", [], [FULL]])
def test_no_object_is_no_config(document):
    assert not CHECKER.check_config(document)
    assert len(validate.shape_faults(document, "config")) == 1


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_and_jsonschema_agree(kind):
    check, document = KINDS[kind]
    validator = validate.validator_of(kind)
    verdicts = {True: 0, False: 0}
    for seed in examples(3000):
        example = mutated(document, seed)
        verdict = check(example)
        assert verdict == validator.is_valid(example), f"seed {seed}: {json.dumps(example)}"
        verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10, f"one-sided examples: {verdicts}"


def enumerated(kind):
    """All strings that some enum of the schema takes."""
    return tuple({value for node in validate.schema_of(kind)["$defs"].values() for value in enum_values(node)})


def enum_values(node):
    for _, inner in nodes(node):
        yield from inner.get("enum", ())


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_and_jsonschema_agree_at_every_place(kind):
    check, document = KINDS[kind]
    validator = validate.validator_of(kind)
    for example in substituted(document, enumerated(kind)[:5]):
        assert check(example) == validator.is_valid(example), json.dumps(example)


def test_every_single_fault_is_seen():
    """Each property of the full document, retyped one by one: no optional part is overlooked by the checker."""
    for container in containers(FULL):
        names = list(container) if isinstance(container, dict) else range(len(container))
        for name in names:
            before = container[name]
            # Of another type than anything a schema wants there, for none wants a float.
            container[name] = 0.5
            try:
                assert not CHECKER.check_config(FULL), name
            finally:
                container[name] = before
    assert CHECKER.check_config(FULL)


def nodes(node: object, path: str = ""):
    """Every schema object in a schema file, with its place."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key in ("properties", "$defs"):
                for name, member in value.items():
                    yield from nodes(member, f"{path}/{key}/{name}")
            elif key in ("items", "additionalProperties"):
                yield from nodes(value, f"{path}/{key}")


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.name)
def test_the_schemas_keep_their_rules(path):
    schema = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    schemas = gen_schema.load_schemas(SCHEMAS)
    for place, node in nodes(schema):
        if "$ref" in node:
            gen_schema.resolve(schemas, node["$ref"], path.name)
        if place.rpartition("/")[0].endswith("/properties"):
            assert description_of(schemas, node, path.name), f"{path.name}#{place} has no description"
    assert gen_schema.generate(SCHEMAS)


def description_of(schemas, node, home):
    while "description" not in node and "$ref" in node:
        node, home = gen_schema.resolve(schemas, node["$ref"], home)
    return node.get("description")


def test_definitions_have_one_name_each():
    names = [name for schema in gen_schema.load_schemas(SCHEMAS).values() for name in schema.get("$defs", {})]
    assert len(names) == len(set(names))


def missing_properties(schema, node, value, path=""):
    node = validate._resolved(schema, node)
    for name, member in node.get("properties", {}).items():
        parts = [part for part in value if isinstance(part, dict) and name in part]
        if not parts:
            yield f"{path}/{name}"
        yield from missing_properties(schema, member, [part[name] for part in parts], f"{path}/{name}")
    for key in ("items", "additionalProperties"):
        if key in node and "properties" in validate._resolved(schema, node[key]):
            inner = [item for part in value for item in (part.values() if isinstance(part, dict) else part)]
            yield from missing_properties(schema, node[key], inner, f"{path}/*")


@pytest.mark.parametrize(("kind", "document"), [("config", FULL), ("state", STATE), ("features", FEATURES)])
def test_the_full_documents_have_every_property(kind, document):
    """So that what is tested with them, and with mutations of them, is the whole schema."""
    schema = validate.schema_of(kind)
    assert list(missing_properties(schema, schema, [document])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"type": "string", "format": "uri"},
        {"type": ["string", "null"]},
        {"oneOf": [{"type": "string"}]},
        {"type": "string", "enum": [1]},
        {"type": "string", "pattern": "abc"},
        {"type": "string", "pattern": "^(a|b)$"},
        {"type": "string", "pattern": "^a*b*$"},
        {"type": "string", "pattern": r"^\d$"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"$ref": "defs.json#/$defs/strings", "minItems": 1},
    ],
)
def test_the_generator_refuses_what_it_does_not_know(tmp_path, change):
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text("utf-8"))
        if path.name == "config-schema.json":
            schema["properties"]["hostname"] = change
        (tmp_path / path.name).write_text(json.dumps(schema))
    with pytest.raises(gen_schema.SchemaError):
        gen_schema.generate(tmp_path)


@pytest.mark.parametrize("pattern", ["^[^\\n]*$", "^ab$", "^a[0-9]+$", "^[a-c]*x[yz]$", "^[+.-]b\\.$", "^MB:[^\\n]*$"])
def test_patterns_mean_what_they_mean_to_re(pattern):
    terms = " and ".join(gen_schema.pattern_terms(pattern)) or "True"
    match = eval(f"lambda x: bool({terms})")  # noqa: S307
    alphabet = "ab0x.+-z\nyM:B"
    texts = ["", *alphabet, *(a + b for a in alphabet for b in alphabet)]
    texts += [a + b for a in texts[len(alphabet) :] for b in texts]
    for text in [*texts, "MB:0=1", "MB:\n", "MB:0\n1", "+b."]:
        assert match(text) == bool(re.fullmatch(pattern[1:-1], text)), text


def test_a_copy_of_the_minimum_is_enough():
    document = copy.deepcopy(MINIMAL)
    assert CHECKER.check_config(document)
    assert CHECKER.check_config({"ociVersion": "1.0.0"})
    assert not CHECKER.check_config({})
