"""The published document: it is what the stored results say, and they are of all cases."""

import pytest

from conformance import store as stored
from conformance.cases import CASES, collect
from conformance.publish import DOCUMENT, replaced
from conformance.tables import differences, render, skipped

collect()
STORE = stored.load()


def test_the_document_is_what_the_stored_results_say():
    """``python3 -m conformance publish --stored`` writes it."""
    assert DOCUMENT.read_text() == replaced(DOCUMENT.read_text(), STORE)


def test_every_case_has_results():
    """New cases wait for the next ``python3 -m conformance publish``, but not in CI."""
    ran = {name for run in STORE["runs"] if run["environment"]["runtime"] == "ocipy" for name in run["results"]}
    if missing := sorted({case.name for case in CASES} - ran):
        pytest.skip(f"not published yet: {', '.join(missing)}")
    assert {case.name for case in CASES} == set(STORE["cases"])


def test_ocipy_fails_nothing():
    verdicts = {name: stored.of_case(STORE, name, "ocipy") for name in STORE["cases"]}
    assert {name: verdict.reasons for name, verdict in verdicts.items() if verdict.kind in ("fail", "newer")} == {}


def test_what_one_host_cannot_show_another_has_shown():
    assert [line for line in skipped(STORE) if "**nowhere**" in line] == []


def test_what_runc_and_crun_both_fail_is_judged():
    suspect = [
        name
        for name, case in STORE["cases"].items()
        if not case["note"] and all(stored.of_case(STORE, name, runtime).kind == "fail" for runtime in ("runc", "crun"))
    ]
    assert suspect == []


def run(runtime, results, place="host", cgroups="unified", spec="1.0.2"):
    facts = {"kernel": "6.1.0", "lacks": [], "lsms": [], "version": "1.0"}
    return {
        "environment": {"runtime": runtime, "place": place, "cgroups": cgroups, "spec": spec, **facts},
        "results": results,
    }


def a_store(*runs, since="1.0.0", note=""):
    case = {"section": "config.md#root", "level": "MUST", "says": "it is so", "properties": ["root.path"]}
    sentence = {"section": "config.md#root", "level": "MUST", "says": "so it is", "cases": ["one"], "untested": ""}
    store = {"cases": {"one": {**case, "since": since, "note": note}}, "sentences": [sentence], "runs": []}
    for each in runs:
        stored.add(store, each)
    return store


def test_a_run_goes_over_one_in_the_same_environment():
    store = a_store(run("runc", {"one": ["fail", "why"]}), run("ocipy", {}), run("runc", {"one": ["pass", ""]}))
    assert [each["environment"]["runtime"] for each in store["runs"]] == ["ocipy", "runc"]
    assert stored.of_case(store, "one", "runc").kind == "pass"


def test_a_failure_anywhere_is_a_failure():
    store = a_store(run("runc", {"one": ["pass", ""]}), run("runc", {"one": ["fail", "why"]}, cgroups="hybrid"))
    verdict = stored.of_case(store, "one", "runc")
    assert verdict == ("fail", ["host, cgroup v2"], {"host, cgroup v1 beside v2": "why"})
    lines = list(differences(store, "fail"))
    assert lines[2].endswith("| not run | **no**: why (in host, cgroup v1 beside v2; elsewhere yes) | not run |  |")


def test_what_a_place_has_shown():
    """What a virtual machine needn't run again: a skip in one of the place's runs is enough to run it."""
    passed, skipped = {"one": ["pass", ""]}, {"one": ["skip", "why"]}
    hybrid = run("ocipy", passed, cgroups="hybrid")
    assert stored.passed_at(a_store(hybrid, run("ocipy", passed)), "host") == {"one"}
    assert stored.passed_at(a_store(hybrid, run("ocipy", skipped)), "host") == set()
    assert stored.passed_at(a_store(hybrid), "vm") == set()
    assert stored.passed_at(a_store(run("runc", passed), run("ocipy", {})), "host") == set()


def test_what_the_runtimes_spec_lacks_is_no_failure():
    store = a_store(run("runc", {"one": ["fail", "why"]}), since="1.1.0", note="The judgement.")
    assert stored.of_case(store, "one", "runc").kind == "newer"
    assert not list(differences(store, "fail"))[2:]
    assert "In the specification since 1.1.0. The judgement." in list(differences(store, "newer"))[2]
    same = a_store(run("runc", {"one": ["fail", "why"]}, spec="1.1.0"), since="1.1.0")
    assert stored.of_case(same, "one", "runc").kind == "fail"


def test_a_skip_says_where_it_was_shown_instead():
    here, there = run("ocipy", {"one": ["skip", "no LSM"]}), run("ocipy", {"one": ["pass", ""]}, place="vm")
    assert "| **nowhere** |" in list(skipped(a_store(here)))[2]
    assert list(skipped(a_store(here, there)))[2] == "| `one` | host, cgroup v2: no LSM | vm, cgroup v2 |"


def test_the_tables_hold_what_ran():
    text = render(a_store(run("ocipy", {"one": ["pass", ""]}, spec="1.3.0"), run("crun", {"one": ["skip", "why"]})))
    assert "| ocipy | 1.0 | 1.3.0 | host, cgroup v2 | 6.1.0 | apparmor (LSM), selinux (LSM) | 1 | 0 | 0 |" in text
    assert "| config.md | 1 | 1 | 1 of 1 | 0 of 1 | 0 of 0 |" in text
    assert "| root | MUST | so it is | yes | not run | skipped |" in text
    assert "| `root.path` | 1 | yes | not run | skipped |" in text


def test_a_store_is_read_as_it_was_written(tmp_path):
    store = a_store(run("runc", {"one": ["fail", 'a "reason"\n']}), run("ocipy", {"one": ["pass", ""]}), note="é")
    stored.save(store, tmp_path / "store.json")
    assert stored.load(tmp_path / "store.json") == store
