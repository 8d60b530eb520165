"""The features document against what the code does: nothing is claimed that isn't there, nothing is left out."""

import json
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

from ocipy import SPEC_VERSION, capabilities
from ocipy import features_document as module
from ocipy.errors import StepError
from ocipy.plan.mount_options import MountOptions
from ocipy.seccomp import SeccompError, compile_filter, names
from ocipy.spec import HOOKS, checks, load

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
DEFS = json.loads((SCHEMAS / "defs.json").read_text())["$defs"]
MEMORY_POLICY = json.loads((SCHEMAS / "config-linux.json").read_text())["$defs"]["memoryPolicy"]


@pytest.fixture(scope="module")
def document():
    return module.features()


def switches(document):
    """name → value of everything in the document that is true or false."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in switches(value))
        elif isinstance(value, bool):
            yield name, value


def test_it_has_the_schema_s_shape(document):
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    names = [path.name for path in SCHEMAS.glob("*.json")]
    registry = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in zip(names, schemas, strict=True)]
    )
    schema = dict(zip(names, schemas, strict=True))["features-schema.json"]
    jsonschema.Draft202012Validator(schema, registry=registry).validate(document)
    closed = {**schema, "additionalProperties": False}  # only what this version of the spec defines
    jsonschema.Draft202012Validator(closed, registry=registry).validate(document)


def test_versions(document):
    assert document["ociVersionMax"] == SPEC_VERSION
    for version, accepted in ((document["ociVersionMin"], True), (document["ociVersionMax"], True), ("0.9.0", False)):
        config = {"ociVersion": version, "root": {"path": "rootfs"}, "process": {"cwd": "/", "args": ["true"]}}
        load.complete(config)
        faults, _ = checks.check(config)
        assert [each.pointer for each in faults if each.pointer == "/ociVersion"] == (
            [] if accepted else ["/ociVersion"]
        )


def test_lists_are_those_of_the_schemas(document):
    linux, seccomp = document["linux"], document["linux"]["seccomp"]
    policy = MEMORY_POLICY["properties"]
    for listed, known in (
        (linux["namespaces"], DEFS["namespaceType"]["enum"]),
        (seccomp["actions"], DEFS["seccompAction"]["enum"]),
        (seccomp["operators"], DEFS["seccompOperator"]["enum"]),
        (seccomp["knownFlags"], DEFS["seccompFlag"]["enum"]),
        (linux["memoryPolicy"]["modes"], policy["mode"]["enum"]),
        (linux["memoryPolicy"]["flags"], policy["flags"]["items"]["enum"]),
        (document["hooks"], HOOKS),
        (linux["capabilities"], capabilities.NAMES),
    ):
        assert sorted(listed) == sorted(known)
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])
    assert set(seccomp["archs"]) <= set(DEFS["seccompArch"]["enum"])


@pytest.mark.parametrize("name", names.ARCHITECTURES)
def test_architectures_are_those_that_a_profile_may_have(document, name):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [name]}
    try:
        compile_filter(profile)
        known = True
    except SeccompError as problem:
        known = "doesn't know it" not in str(problem)
    assert (name in document["linux"]["seccomp"]["archs"]) == known


def test_mount_options_are_recognized(document):
    """What isn't in the list is the file system's own, and what is isn't."""
    assert [name for name in document["mountOptions"] if MountOptions([name]).data] == []
    assert {"rro", "rbind", "idmap", "tmpcopyup", "rprivate", "remount"} <= set(document["mountOptions"])
    assert MountOptions(["size=1m"]).data == ["size=1m"]


def test_all_is_there(document):
    assert [name for name, value in switches(document) if not value] == []


def test_what_the_planner_refuses_is_not_claimed(monkeypatch):
    def refuse(*_):
        raise StepError("x", "not here", 0, "", -1, "")

    monkeypatch.setattr(module, "create", refuse)
    claimed = [name for name, value in switches(module.features()) if value]
    assert claimed == ["linux.seccomp.enabled"]


def test_without_libseccomp(monkeypatch):
    from ocipy.seccomp import SeccompError, library

    def missing():
        raise SeccompError("libseccomp isn't there")

    monkeypatch.setattr(library, "load", missing)
    document = module.features()
    assert document["linux"]["seccomp"] == {"enabled": False}
    assert "io.github.seccomp.libseccomp.version" not in document["annotations"]


def test_the_command_prints_it(capsys, document):
    from ocipy import cli

    assert cli.main(["features"]) == 0
    assert json.loads(capsys.readouterr().out) == document
