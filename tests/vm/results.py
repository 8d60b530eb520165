"""What came out of the machines, read and judged."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass
class Outcome:
    """One variant's: verdicts by test, counts by runtime, and why it failed, if it did."""

    name: str
    seconds: float = 0
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)  # "passed", "failed" or "skipped", and why
    conformance: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(outcome: Outcome, directory: Path, required: Iterable[str]) -> None:
    """Fill in the outcome from a variant's results; the steps named in ``required`` have to be there, and succeed."""
    for name in required:
        path = directory / f"{name}.status"
        status = path.read_text().strip() if path.exists() else "none"
        if status != "0":
            outcome.problems.append(f"{name}: exit status {status}")
    for path in sorted(directory.glob("tests*.xml")):
        outcome.verdicts |= verdicts(path.read_text())
    for path in sorted(directory.glob("conformance-*.json")):
        outcome.conformance[path.stem.removeprefix("conformance-")] = count(path.read_text())


def verdicts(junit: str) -> dict[str, tuple[str, str]]:
    """Test → verdict and reason, from pytest's junit XML.  A test that fails as well as its teardown counts once."""
    found: dict[str, tuple[str, str]] = {}
    for case in ET.fromstring(junit).iter("testcase"):  # noqa: S314  # our own tests wrote it
        name = f"{case.get('classname')}::{case.get('name')}"
        verdict = ("passed", "")
        for kind, word in (("skipped", "skipped"), ("error", "failed"), ("failure", "failed")):
            if (element := case.find(kind)) is not None:
                verdict = (word, (element.get("message") or "").partition("\n")[0])
        if found.get(name, ("", ""))[0] != "failed":
            found[name] = verdict
    return found


def count(document: str) -> dict[str, int]:
    """Verdict of the conformance suite → how many."""
    counts: dict[str, int] = {}
    for verdict, _ in json.loads(document)["results"].values():
        counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def ran_nowhere(outcomes: Iterable[Outcome], needs: Collection[str]) -> dict[str, str]:
    """Tests that prove nothing, and why: every machine that chose them skipped them, for lack of nothing but ``needs``,
    the markers that the machines are there for."""
    ran: set[str] = set()
    skipped: dict[str, str] = {}
    for outcome in outcomes:
        for name, (verdict, reason) in outcome.verdicts.items():
            if verdict == "skipped":
                lacking = {need.split()[0] for need in reason.removeprefix("needs ").split(", ")}
                skipped |= {name: reason} if lacking <= set(needs) else {}
            else:
                ran.add(name)
    return {name: reason for name, reason in skipped.items() if name not in ran}


def summary(outcomes: Iterable[Outcome]) -> str:
    lines = []
    for outcome in outcomes:
        found = [verdict for verdict, _ in outcome.verdicts.values()]
        counts = ", ".join(f"{found.count(word)} {word}" for word in ("passed", "failed", "skipped"))
        lines.append(f"{outcome.name}: {outcome.seconds:.0f} s; tests: {counts}")
        for runtime, verdict_counts in outcome.conformance.items():
            words = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdict_counts.items()))
            lines.append(f"  conformance of {runtime}: {words}")
        lines += [f"  {name}: {why}" for name, (verdict, why) in outcome.verdicts.items() if verdict == "failed"]
        lines += [f"  {problem}" for problem in outcome.problems]
    return "\n".join(lines)
