"""What is made of a virtual machine's results."""

import json

import pytest

from tests.vm import image, results
from tests.vm.__main__ import CHECKOUT
from tests.vm.results import Outcome
from tests.vm.variants import DIFFERENT, VARIANTS, steps

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.system.test_a" name="passes"/>
<testcase classname="tests.system.test_a" name="fails"><failure message="assert 1 == 2&#10;…">why</failure></testcase>
<testcase classname="tests.system.test_a" name="fails"><error message="teardown">text</error></testcase>
<testcase classname="tests.system.test_a" name="leaves"/>
<testcase classname="tests.system.test_a" name="leaves"><error message="left behind">text</error></testcase>
<testcase classname="tests.system.test_b" name="skips"><skipped message="needs numa"/></testcase>
</testsuite></testsuites>"""


def test_verdicts():
    assert results.verdicts(JUNIT) == {
        "tests.system.test_a::passes": ("passed", ""),
        "tests.system.test_a::fails": ("failed", "assert 1 == 2"),
        "tests.system.test_a::leaves": ("failed", "left behind"),
        "tests.system.test_b::skips": ("skipped", "needs numa"),
    }


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "tests.status").write_text("0\n")
    (tmp_path / "tests.xml").write_text(JUNIT)
    (tmp_path / "conformance-runc.status").write_text("1\n")
    document = {"results": {"a": ["pass", ""], "b": ["fail", "why"], "c": ["pass", ""]}}
    (tmp_path / "conformance-runc.json").write_text(json.dumps(document))
    return tmp_path


def test_a_step_that_has_to_succeed(directory):
    outcome = Outcome("bare")
    results.read(outcome, directory, ["tests"])
    assert outcome.problems == []
    assert outcome.conformance == {"runc": {"pass": 2, "fail": 1}}
    results.read(outcome, directory, ["tests", "conformance-runc", "conformance-ocipy"])
    assert outcome.problems == ["conformance-runc: exit status 1", "conformance-ocipy: exit status none"]


def test_the_summary_names_what_failed(directory):
    outcome = Outcome("bare", 12.3)
    results.read(outcome, directory, ["conformance-runc"])
    text = results.summary([outcome])
    assert "bare: 12 s; tests: 1 passed, 2 failed, 1 skipped" in text
    assert "conformance of runc: 1 fail, 2 pass" in text
    assert "tests.system.test_a::leaves: left behind" in text
    assert "conformance-runc: exit status 1" in text


def test_what_every_machine_skipped_proves_nothing():
    ran = Outcome("a", verdicts={"x": ("skipped", "needs systemd"), "y": ("skipped", "needs numa")})
    other = Outcome("b", verdicts={"x": ("passed", ""), "y": ("skipped", "needs lsm selinux, systemd")})
    assert results.ran_nowhere([ran, other], ["lsm", "systemd", "numa"]) == {"y": "needs lsm selinux, systemd"}
    assert results.ran_nowhere([ran, other], ["systemd", "numa"]) == {"y": "needs numa"}


def test_steps():
    systemd = next(each for each in VARIANTS if each.name == "systemd")
    names = [step.name for step in steps(systemd, "/venv/bin/python", [], ["ocipy", "crun"])]
    assert names == [*systemd.tests, "conformance-ocipy", "conformance-crun"]
    (only,) = steps(systemd, "/venv/bin/python", ["tests/system/test_a.py", "-k", "b or c"], [])
    assert only.command.endswith("'tests/system/test_a.py' '-k' 'b or c'")


def test_files_of_tests_that_are_chosen_by_name_are_there():
    missing = [name for name in DIFFERENT if not (CHECKOUT / name).exists()]
    assert missing == []


def test_the_recipe_s_hash_is_of_all_its_files(tmp_path, monkeypatch):
    found = {image.recipe_hash()}
    for name in ("image.py", "packages", "initramfs/init", "files/usr/lib/vm/init", "files/etc/more"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(image, "HERE", tmp_path)
    found.add(image.recipe_hash())
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            path.write_text("changed")
            found.add(image.recipe_hash())
    (tmp_path / "files/etc/more").chmod(0o755)
    found.add(image.recipe_hash())
    assert len(found) == 8
