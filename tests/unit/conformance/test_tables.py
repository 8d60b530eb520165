"""The conformance suite's tables: every sentence of the specification has a case, or a reason for having none."""

import pytest

from conformance.cases import CASES, LEVELS, SENTENCES, Case, Sentence, check_tables, collect

collect()
DOCUMENTS = (
    "bundle.md", "config-linux.md", "config.md", "features-linux.md", "features.md", "glossary.md", "runtime-linux.md",
    "runtime.md",
)  # fmt: skip


def test_the_tables_are_whole():
    assert check_tables() == []


@pytest.mark.parametrize("each", [*CASES, *SENTENCES], ids=lambda each: getattr(each, "name", each.says))
def test_sections_are_of_the_specification(each):
    document, hash_, anchor = each.section.partition("#")
    assert (document in DOCUMENTS, hash_, anchor == anchor.lower(), each.says[-1:] != ".") == (True, "#", True, True)
    assert each.level in LEVELS


def test_how_many():
    """What the documents have: nothing is lost unseen."""
    counts = {document: [0, 0] for document in DOCUMENTS}
    for each in SENTENCES:
        counts[each.section.partition("#")[0]][bool(each.untested)] += 1
    for document, (tried, untried) in counts.items():
        print(f"{document}: {tried} sentences with a case, {untried} with the reason why there is none")
    print(f"{len(SENTENCES)} sentences, {len(CASES)} cases")
    assert min(tried for tried, _ in counts.values()) > 0
    assert sum(untried for _, untried in counts.values()) < len(SENTENCES) / 10


def nothing(runtime):
    """A case's function."""


@pytest.mark.parametrize(
    ("sentences", "cases", "problem"),
    [
        ([], [Case("a.md#b", "MUST", "says", (), "1.0.0", "", nothing)], "no sentence names nothing"),
        ([Sentence("a.md#b", "MUST", "says", ("other",), "")], [], "no case is named other"),
        ([Sentence("a.md#b", "MUST", "says", (), "")], [], "a.md#b: says: it has either cases or a reason"),
        ([Sentence("a.md#b", "MAY", "says", (), "reason")], [], "a.md#b: level MAY"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(monkeypatch, sentences, cases, problem):
    monkeypatch.setattr("conformance.cases.SENTENCES", sentences)
    monkeypatch.setattr("conformance.cases.CASES", cases)
    monkeypatch.setattr("conformance.cases.JUDGEMENTS", {})
    assert check_tables()[0].startswith(problem)
