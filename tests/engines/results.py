"""The stored results, and the tables made from them alone: docs/engines-results.json, docs/engines.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.engines.matrix import REPOSITORY, Cell, Result

PATH = REPOSITORY / "docs/engines-results.json"
DOCUMENT = REPOSITORY / "docs/engines.md"
BEGIN = "<!-- Made by python3 -m tests.engines: -->\n"
END = "<!-- the end of what is made -->\n"
RUNTIMES = ("runc", "ocipy")

Store = dict[str, Any]  # engine → {"title", "version", "runtimes", "host", "titles", "results"}


def load(path: Path = PATH) -> Store:
    document: Store = json.loads(path.read_text()) if path.exists() else {}
    return document


def save(store: Store, path: Path = PATH) -> None:
    """One line for each operation, so that a change of one is a change of one line."""
    engines = []
    for name in sorted(store):
        facts = dict(store[name])
        operations = [f"{_text(key)}: {_text(value)}" for key, value in facts.pop("operations").items()]
        members = [f"{_text(key)}: {_text(value)}" for key, value in facts.items()]
        listed = ",\n".join(operations)
        engines.append(f'{_text(name)}: {{\n{",".join(members)},\n"operations": {{\n{listed}\n}}}}')
    path.write_text("{\n" + ",\n".join(engines) + "\n}\n")


def merged(store: Store, fresh: Store, declared: dict[str, list[str]]) -> Store:
    """The store with fresh results over its own, and without what is no longer ``declared`` (engine → operations)."""
    together = {}
    for name, operations in declared.items():
        facts = {**store.get(name, {}), **fresh.get(name, {})}
        rows = {**store.get(name, facts).get("operations", {}), **fresh.get(name, facts).get("operations", {})}
        if rows:
            together[name] = {**facts, "operations": {each: rows[each] for each in operations if each in rows}}
    return dict(sorted(together.items()))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def stored(cell: Cell, store: Store | None = None) -> Result:
    """What is stored of that cell."""
    engine = (load() if store is None else store).get(cell.engine, {"operations": {}})
    operation = engine["operations"].get(cell.operation, {})
    return Result(*operation.get(cell.runtime, ("fails", "it never ran")))


def worse(store: Store) -> list[str]:
    """Cells that are not ok with ocipy, and are with runc or lack nothing."""
    found = []
    for engine, facts in store.items():
        for name, row in facts["operations"].items():
            runc, ocipy = row["runc"], row["ocipy"]
            if ocipy[0] != "ok" and not runc[0] == ocipy[0] == "not here":
                found.append(f"{engine}: {name}: {ocipy[1]}")
    return found


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield _row(*("---" for _ in titles))


def _told(result: list[str]) -> str:
    kind, why = result
    return {"ok": "yes", "fails": f"**no**: {why}", "not here": f"not on this host: {why}"}[kind]


def _summary(store: Store) -> Iterator[str]:
    yield from _head("engine", "version", "runtimes", "operations", *RUNTIMES, "not possible on this host")
    for facts in store.values():
        rows = facts["operations"].values()
        fine = [sum(row[runtime][0] == "ok" for row in rows) for runtime in RUNTIMES]
        lacking = sum(row["runc"][0] == "not here" for row in rows)
        runtimes = ", ".join(f"{name} {version}" for name, version in facts["runtimes"].items())
        yield _row(facts["title"], facts["version"], runtimes, len(rows), *fine, lacking)


def _operations(facts: dict[str, Any]) -> Iterator[str]:
    yield from _head("operation", *RUNTIMES)
    for row in facts["operations"].values():
        yield _row(row["title"], *(_told(row[runtime]) for runtime in RUNTIMES))


def render(store: Store) -> str:
    """The made part of docs/engines.md."""
    hosts = sorted({facts["host"] for facts in store.values()})
    parts = ["\n".join(_summary(store)), f"The host: {'; '.join(hosts)}."]
    parts += [f"### {facts['title']}\n\n" + "\n".join(_operations(facts)) for facts in store.values()]
    return "\n\n".join(parts) + "\n"


def replaced(text: str, store: Store) -> str:
    """The document with its made part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render(store)}\n{END}{after}"
