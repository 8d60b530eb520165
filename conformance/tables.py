"""The published tables, made from the stored results alone."""

from collections.abc import Iterator

from conformance.judgements import INSTEAD
from conformance.store import RUNTIMES, Store, Verdict, of_case, of_cases, where

MARKS = {"pass": "yes", "fail": "**no**", "newer": "no, newer", "skip": "skipped", "": "not run"}
DOCUMENTS = (
    "bundle.md", "glossary.md", "runtime.md", "runtime-linux.md", "config.md", "config-linux.md", "features.md",
    "features-linux.md",
)  # fmt: skip


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def head(*titles: str) -> Iterator[str]:
    yield row(*titles)
    yield row(*("---" for _ in titles))


def environments(store: Store) -> Iterator[str]:
    """Which runtimes ran, and where."""
    yield from head("runtime", "version", "spec", "where", "kernel", "the host lacks", "passed", "failed", "skipped")
    for run in store["runs"]:
        facts = run["environment"]
        kinds = [kind for kind, _ in run["results"].values()]
        lacks = [*facts["lacks"], *(f"{name} (LSM)" for name in ("apparmor", "selinux") if name not in facts["lsms"])]
        counts = (kinds.count(kind) for kind in ("pass", "fail", "skip"))
        yield row(
            facts["runtime"],
            facts["version"],
            facts["spec"],
            where(run),
            facts["kernel"],
            ", ".join(lacks) or "nothing",
            *counts,
        )


def summary(store: Store) -> Iterator[str]:
    """Sentences by document and runtime."""
    yield from head("document", "sentences", "with a case", *(f"{runtime}: kept" for runtime in RUNTIMES))
    for document in DOCUMENTS:
        all_ = [each for each in store["sentences"] if each["section"].partition("#")[0] == document]
        tried = [each for each in all_ if each["cases"]]
        kept = []
        for runtime in RUNTIMES:
            kinds = [of_cases(store, each["cases"], runtime) for each in tried]
            kept.append(f"{kinds.count('pass')} of {len(tried) - kinds.count('skip')}")
        yield row(document, len(all_), len(tried), *kept)


def sentences(store: Store, document: str) -> Iterator[str]:
    yield from head("section", "level", "sentence", *RUNTIMES)
    for each in store["sentences"]:
        name, _, anchor = each["section"].partition("#")
        if name == document and each["cases"]:
            marks = (MARKS[of_cases(store, each["cases"], runtime)] for runtime in RUNTIMES)
            yield row(anchor, each["level"], each["says"], *marks)


def untested(store: Store) -> Iterator[str]:
    yield from head("section", "level", "sentence", "why it has no case")
    for each in store["sentences"]:
        if not each["cases"]:
            yield row(each["section"], each["level"], each["says"], each["untested"])


def properties(store: Store) -> Iterator[str]:
    by_name: dict[str, list[str]] = {}
    for name, each in store["cases"].items():
        for property_ in each["properties"]:
            by_name.setdefault(property_, []).append(name)
    by_name.pop("*", None)
    yield from head("property", "cases", *RUNTIMES)
    for property_, names in sorted(by_name.items()):
        yield row(f"`{property_}`", len(names), *(MARKS[of_cases(store, names, runtime)] for runtime in RUNTIMES))


def verdicts(store: Store, name: str) -> dict[str, Verdict]:
    return {runtime: of_case(store, name, runtime) for runtime in RUNTIMES}


def differences(store: Store, kind: str) -> Iterator[str]:
    """Cases that runtimes fail: what they do, and what the specification says."""
    yield from head("case", "expected", *RUNTIMES, "judgement")
    for name, each in store["cases"].items():
        found = verdicts(store, name)
        if kind in {verdict.kind for verdict in found.values()}:
            title = f"`{name}` ({each['section']}, {each['level']})"
            new = f"In the specification since {each['since']}. " if kind == "newer" else ""
            yield row(
                title, each["says"], *(told(verdict) for verdict in found.values()), f"{new}{each['note']}".strip()
            )


def told(verdict: Verdict) -> str:
    """A verdict with its reason, if it is a failure."""
    if verdict.kind not in ("fail", "newer"):
        return MARKS[verdict.kind]
    reasons = list(dict.fromkeys(reason[:160] for reason in verdict.reasons.values()))
    places = f" (in {', '.join(verdict.reasons)}; elsewhere yes)" if verdict.passed_in else ""
    return f"{MARKS[verdict.kind]}: {'; '.join(reasons)}{places}"


def skipped(store: Store) -> Iterator[str]:
    """What ocipy didn't show in one environment: why, and where it did."""
    yield from head("case", "skipped because", "shown instead in")
    for name in store["cases"]:
        verdict = of_case(store, name, "ocipy")
        if verdict.kind in ("pass", "skip") and verdict.reasons:
            reasons = "; ".join(f"{place}: {reason}" for place, reason in verdict.reasons.items())
            instead = next((tests for start, tests in INSTEAD.items() if name.startswith(start)), "**nowhere**")
            yield row(f"`{name}`", reasons, "; ".join(verdict.passed_in) or instead)


def render(store: Store) -> str:
    """The generated part of docs/conformance.md."""
    parts = [
        ("## Runs", environments(store)),
        ("## Summary", summary(store)),
        ("## Where runtimes and the specification disagree", differences(store, "fail")),
        ("## What is newer than the runtime's version of the specification", differences(store, "newer")),
        ("## Skipped, and where it was shown instead", skipped(store)),
        ("## Properties", properties(store)),
        *((f"## Sentences of {document}", sentences(store, document)) for document in DOCUMENTS),
        ("## Sentences without a case", untested(store)),
    ]
    return "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in parts) + "\n"
