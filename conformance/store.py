"""The stored results, and what they say of a case, a sentence and a property, runtime by runtime.

A store is a document: ``cases`` and ``sentences`` are the suite's tables when it ran, ``runs`` has an environment and
results each.  Pure but for ``load`` and ``save``.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from conformance.cases import CASES, SENTENCES

PATH = Path(__file__).resolve().parent.parent / "docs/conformance-results.json"
RUNTIMES = ("ocipy", "runc", "crun")

Store = dict[str, Any]


class Verdict(NamedTuple):
    """``kind``: pass, fail, newer (a failure, but the spec has it since a later version than the runtime knows), skip
    or "" (it didn't run); ``reasons`` by environment."""

    kind: str
    passed_in: list[str]
    reasons: dict[str, str]


def tables() -> Store:
    """A store without runs."""
    cases = {
        each.name: {
            "section": each.section,
            "level": each.level,
            "says": each.says,
            "properties": list(each.properties),
            "since": each.since,
            "note": each.note,
        }
        for each in CASES
    }
    sentences = [
        {
            "section": each.section,
            "level": each.level,
            "says": each.says,
            "cases": list(each.cases),
            "untested": each.untested,
        }
        for each in SENTENCES
    ]
    return {"cases": cases, "sentences": sentences, "runs": []}


def load(path: Path = PATH) -> Store:
    document: Store = json.loads(path.read_text())
    return document


def passed_at(store: Store, place: str) -> set[str]:
    """The cases that ocipy passed in every run of ``place``."""
    runs = [run["results"] for run in store["runs"] if run["environment"]["runtime"] == "ocipy"
            and run["environment"]["place"] == place]  # fmt: skip
    return {name for name in store["cases"] if runs and all(run.get(name, ("", ""))[0] == "pass" for run in runs)}


def save(store: Store, path: Path = PATH) -> None:
    """One line for each case, sentence and result, so that a change of one is a change of one line."""
    runs = [
        f'{{"environment": {_text(each["environment"])},\n"results": {{\n{_members(each["results"])}\n}}}}'
        for each in store["runs"]
    ]
    sentences = ",\n".join(map(_text, store["sentences"]))
    parts = (
        f'"cases": {{\n{_members(store["cases"])}\n}}',
        f'"sentences": [\n{sentences}\n]',
        '"runs": [\n' + ",\n".join(runs) + "\n]",
    )
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _members(value: dict[str, Any]) -> str:
    return ",\n".join(f"{_text(name)}: {_text(member)}" for name, member in value.items())


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def add(store: Store, run: dict[str, Any]) -> None:
    """Put a run into the store: over what the same runtime had in the same environment, if its version is the same."""
    before = [each for each in store["runs"] if key(each) == key(run)]
    same = [each for each in before if each["environment"]["version"] == run["environment"]["version"]]
    results = {**(same[0]["results"] if same else {}), **run["results"]}
    kept = [each for each in store["runs"] if key(each) != key(run)]
    store["runs"] = sorted(
        [*kept, {**run, "results": results}],
        key=lambda each: (RUNTIMES.index(each["environment"]["runtime"]), key(each)),
    )


def key(run: dict[str, Any]) -> tuple[str, ...]:
    environment = run["environment"]
    return environment["runtime"], environment["place"], environment["cgroups"], *environment["lsms"]


def where(run: dict[str, Any]) -> str:
    """An environment in few words: ``vm, cgroup v2, apparmor``."""
    cgroups = {"unified": "cgroup v2", "hybrid": "cgroup v1 beside v2", "v1": "cgroup v1", "none": "no cgroups"}
    facts = run["environment"]
    return ", ".join((facts["place"], cgroups[facts["cgroups"]], *facts["lsms"]))


def versions(text: str) -> tuple[int, ...]:
    numbers = text.partition("-")[0].partition("+")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def of_case(store: Store, name: str, runtime: str) -> Verdict:
    passed: list[str] = []
    failed: dict[str, str] = {}
    skipped: dict[str, str] = {}
    newer = False
    for run in store["runs"]:
        if run["environment"]["runtime"] == runtime and name in run["results"]:
            kind, reason = run["results"][name]
            if kind == "pass":
                passed.append(where(run))
            else:
                (failed if kind == "fail" else skipped)[where(run)] = reason
            newer |= versions(store["cases"][name]["since"]) > versions(run["environment"]["spec"])
    if failed:
        return Verdict("newer" if newer else "fail", passed, failed)
    if passed:
        return Verdict("pass", passed, skipped)
    return Verdict("skip" if skipped else "", [], skipped)


def of_cases(store: Store, names: "list[str]", runtime: str) -> str:
    """The worst of several cases: fail, newer, then pass (if one passes), skip."""
    kinds = {of_case(store, name, runtime).kind for name in names}
    return next((kind for kind in ("fail", "newer", "pass", "skip") if kind in kinds), "")
