"""Results as TAP, version 13."""

import sys

from conformance.cases import Case
from conformance.running import Result

_counts = {"pass": 0, "fail": 0, "skip": 0}


def tap(number: int, total: int, each: Case, result: Result) -> None:
    """Print one case's line, and what belongs around all of them."""
    verdict, reason = result
    if number == 1:
        print(f"TAP version 13\n1..{total}")
    skipped = f" # SKIP {reason}" if verdict == "skip" else ""
    print(f"{'not ok' if verdict == 'fail' else 'ok'} {number} - {each.section} {each.level}: {each.says}{skipped}")
    if verdict == "fail":
        print(f"# {each.name}: {reason}")
    _counts[verdict] += 1
    if number == total:
        print(f"# {_counts['pass']} passed, {_counts['fail']} failed, {_counts['skip']} skipped")
    sys.stdout.flush()
