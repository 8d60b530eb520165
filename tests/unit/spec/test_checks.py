"""Each named check, by what it finds and by what it must leave alone."""

import json

import pytest

from ocipy.spec import checks, checks_linux, checks_rare, load

from .check_cases import CASES, completed, linux, process
from .documents import FULL
from .engine_documents import ENGINES

ALL = (*checks.CHECKS, *checks.WARNINGS, *checks_rare.RARE_CHECKS)
NAMED = {check.__name__: check for check in ALL if check is not checks.check_rare}


@pytest.mark.parametrize(("name", "document", "pointers"), CASES)
def test_a_check_finds(name, document, pointers):
    found = list(NAMED[name](completed(document)))
    assert [fault.pointer for fault in found] == list(pointers)
    assert all(fault.message and "\n" not in fault.message for fault in found)


def test_every_check_has_cases():
    finding = {name for name, _, pointers in CASES if pointers}
    assert finding == set(NAMED)
    for module in (checks, checks_linux, checks_rare):
        written = {name for name in vars(module) if name.startswith(("check_", "warn_"))}
        assert written - {"check_exec", "check_text", "check_rare"} <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_check_does_without_optional_parts(name):
    """Neither root nor process, nor anything else but the version."""
    found = list(NAMED[name](completed({"ociVersion": "1.0.0"})))
    assert not found or name in ("check_presence", "warn_presence")


def test_unknown_properties_harm_no_check():
    unknown = {"unknown": [[]], "": {"a": 1}}
    document = json.loads(json.dumps(FULL), object_hook=lambda part: {**part, **unknown} if "type" in part else part)
    for part in ("process", "hooks", "linux"):
        document[part].update(unknown)
    document["process"]["capabilities"].update(unknown)
    document["linux"]["timeOffsets"].update(unknown)
    plain, odd = checks.check(completed(FULL)), checks.check(completed(document))
    assert [list(map(str, part)) for part in plain] == [list(map(str, part)) for part in odd]


def test_the_full_document_needs_only_what_it_lacks():
    faults, warnings = checks.check(completed(FULL))
    assert [fault.pointer for fault in faults] == []
    assert warnings == []


def test_all_faults_come_at_once():
    faults, _ = checks.check(completed({"ociVersion": "3.0.0", "hostname": "a", "process": {"cwd": ""}}))
    assert [fault.pointer for fault in faults] == ["/ociVersion", "", "/process/cwd", "/process/args", "/hostname"]


def test_a_bare_process():
    bare = load.parse_process(
        b'{"cwd": "tmp", "args": [], "rlimits": [{"type": "RLIMIT_X", "soft": 2, "hard": 1}]}', "p"
    )
    pointers = ["/cwd", "/args", "/rlimits/0/type", "/rlimits/0/soft"]
    assert [fault.pointer for fault in checks.check_exec(bare)] == pointers
    assert checks.check_exec(load.parse_process(b'{"cwd": "/", "args": ["a"]}', "p")) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eno2/100.rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
        ("net/ipv4/conf/eno2.100/rp_filter", "net/ipv4/conf/eno2.100/rp_filter"),
        ("kernel", "kernel"),
        ("", ""),
    ],
)
def test_sysctl_path(name, path):
    assert checks_linux.sysctl_path(name) == path


@pytest.mark.parametrize("document", ENGINES, ids=["dockerd", "cri"])
def test_what_engines_write_is_taken_in_silence(document):
    config = load.parse_config(json.dumps(document).encode(), "config.json")
    assert checks.check(config) == ([], [])


@pytest.mark.parametrize(
    "document",
    [
        process(scheduler={"policy": "SCHED_ISO"}),
        process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}),
        process(execCPUAffinity={"initial": "x"}),
        linux(intelRdt={"closID": "."}),
        linux(personality={}),
        linux(memoryPolicy={}),
    ],
)
def test_what_is_rare_is_checked(document):
    """Its module is imported only for a config that asks for one of it."""
    assert len(list(checks.check_rare(completed(document)))) == 1
    if "linux" not in document:
        assert len(checks.check_exec(completed(document)["process"])) == 1
