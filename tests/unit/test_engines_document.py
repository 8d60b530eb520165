"""docs/engines.md: it is what the stored results say, and they are of all cells; none is worse with ocipy."""

import pytest

from tests.engines import results
from tests.engines.matrix import ENGINES, collect, operations_of

collect()
STORE = results.load()


def test_the_document_is_what_the_stored_results_say():
    """``python3 -m tests.engines --stored`` writes it."""
    text = results.DOCUMENT.read_text()
    assert text == results.replaced(text, STORE)


def test_every_operation_has_results():
    """New ones wait for the next ``python3 -m tests.engines --write``, but not in CI."""
    declared = {engine: {each.name: each.title for each in operations_of(engine)} for engine in ENGINES}
    kept = {
        engine: {name: row["title"] for name, row in facts["operations"].items()} for engine, facts in STORE.items()
    }
    new = sorted(
        f"{engine}: {name}" for engine in declared for name in declared[engine] if name not in kept.get(engine, {})
    )
    if new:
        pytest.skip(f"not published yet: {', '.join(new)}")
    assert kept == declared


def test_ocipy_does_all_that_runc_does():
    assert results.worse(STORE) == []


def row(runc, ocipy):
    return {"title": "it does | so", "runc": list(runc), "ocipy": list(ocipy)}


def a_store(**operations):
    facts = {"title": "engine", "version": "1.0", "runtimes": {"runc": "1.1"}, "host": "Linux 6"}
    return {"engine": {**facts, "operations": operations}}


OK, FAILS, NOT_HERE = ("ok", ""), ("fails", "why"), ("not here", "no tun")


@pytest.mark.parametrize(
    ("runc", "ocipy", "bad"),
    [
        (OK, OK, False),
        (FAILS, OK, False),
        (NOT_HERE, OK, False),
        (NOT_HERE, NOT_HERE, False),
        (OK, FAILS, True),
        (FAILS, FAILS, True),
        (OK, NOT_HERE, True),
        (NOT_HERE, FAILS, True),
    ],
)
def test_what_is_worse(runc, ocipy, bad):
    assert bool(results.worse(a_store(run=row(runc, ocipy)))) is bad


def test_the_tables_hold_what_ran():
    text = results.render(a_store(one=row(OK, FAILS), two=row(NOT_HERE, OK)))
    assert "| engine | 1.0 | runc 1.1 | 2 | 1 | 1 | 1 |" in text
    assert "| it does \\| so | yes | **no**: why |" in text
    assert "| it does \\| so | not on this host: no tun | yes |" in text


def test_fresh_results_go_over_the_stored():
    store, fresh = a_store(gone=row(OK, OK), one=row(OK, FAILS), two=row(OK, OK)), a_store(one=row(OK, OK))
    found = results.merged(store, fresh, {"engine": ["two", "one"], "other": ["three"]})
    assert found == a_store(two=row(OK, OK), one=row(OK, OK))


def test_a_store_is_read_as_it_was_written(tmp_path):
    store = a_store(one=row(OK, FAILS), two=row(NOT_HERE, ("fails", 'a "reason"\n')))
    results.save(store, tmp_path / "store.json")
    assert results.load(tmp_path / "store.json") == store
