"""The tables: every normative sentence of the specification that speaks of Linux, and the cases that try them.

A sentence has cases, or the reason why it has none; a case has at least one sentence. ``check_tables`` says if not so.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from conformance.judgements import JUDGEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.harness import Runtime

    Function = Callable[[Runtime], None]

LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")


class Case:
    """One try of a sentence: ``section`` is its document and anchor, ``says`` what is expected, in our words,
    ``properties`` the properties of config.json it is about (``process.user.uid``, ``mounts[].options``), ``since`` the
    version of the specification that has it first (of 1.x), ``note`` the judgement where runtimes differ, ``name`` the
    function's name."""

    def __init__(
        self, section: str, level: str, says: str, properties: tuple[str, ...], since: str, note: str, run: "Function"
    ) -> None:
        self.section = section
        self.level = level
        self.says = says
        self.properties = properties
        self.since = since
        self.note = note
        self.run = run
        self.name = run.__name__


class Sentence:
    """A normative sentence of the specification, in our words: ``cases`` are the names of those that try it, or
    ``untested`` is the reason why there is none."""

    def __init__(self, section: str, level: str, says: str, cases: tuple[str, ...], untested: str) -> None:
        self.section = section
        self.level = level
        self.says = says
        self.cases = cases
        self.untested = untested


CASES: list[Case] = []
SENTENCES: list[Sentence] = []


def case(
    section: str, level: str, says: str, *properties: str, since: str = "1.0.0", note: str = ""
) -> "Callable[[Function], Function]":
    """Register a case; ``level`` is one of LEVELS."""

    def register(run: "Function") -> "Function":
        CASES.append(Case(section, level, says, properties, since, note, run))
        return run

    return register


def sentence(section: str, level: str, says: str, *cases: str, untested: str = "") -> None:
    """Register a normative sentence, and the names of the cases that try it."""
    SENTENCES.append(Sentence(section, level, says, cases, untested))


def collect() -> None:
    """Import every module of this package, so that the tables are full; in the order of their names."""
    import conformance

    for module in pkgutil.iter_modules(conformance.__path__):
        if module.name != "__main__":
            importlib.import_module(f"conformance.{module.name}")
    for each in CASES:
        each.note = each.note or JUDGEMENTS.get(each.name, "")


def check_tables() -> list[str]:
    """What is wrong with the tables, one line each."""
    names = [each.name for each in CASES]
    tried = {name for each in SENTENCES for name in each.cases}
    wrong = [f"two cases are named {name}" for name in sorted(set(names)) if names.count(name) > 1]
    wrong += [f"{each.name}: level {each.level}" for each in CASES if each.level not in LEVELS]
    wrong += [f"{each.section}: level {each.level}" for each in SENTENCES if each.level not in LEVELS]
    wrong += [f"no case is named {name}" for name in sorted((tried | set(JUDGEMENTS)) - set(names))]
    wrong += [f"no sentence names {name}" for name in names if name not in tried]
    for each in SENTENCES:
        if bool(each.cases) == bool(each.untested):
            wrong.append(f"{each.section}: {each.says}: it has either cases or a reason for having none")
    return wrong
