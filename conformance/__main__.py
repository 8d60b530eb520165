"""``RUNTIME=/usr/sbin/runc python3 -m conformance [PATTERN]``: TAP on stdout; exit status 1 if a case fails."""

import os
import sys
from pathlib import Path

from conformance import configuration, lifecycle
from conformance.harness import BUSYBOX, CASES, Case, Failed, Skipped, runtime

MODULES = (lifecycle, configuration)
DEFAULT = Path(__file__).resolve().parent.parent / "build/bin/ocipy"


def run_case(command: str, number: int, each: Case) -> str:
    """The case's verdict: "" or why it failed.  Raises Skipped when this host can't tell."""
    try:
        with runtime(command, number) as made:
            each.run(made)
    except Failed as problem:
        return str(problem)
    return ""


def main(pattern: str = "") -> int:
    """Run all cases whose section or sentence holds ``pattern``."""
    command = os.environ.get("RUNTIME") or str(DEFAULT)
    if os.geteuid() != 0 or not Path(BUSYBOX).exists():
        print("Bail out! needs root, and busybox-static")
        return 2
    cases = [each for each in CASES if pattern in each.section or pattern in each.says]
    print(f"TAP version 13\n1..{len(cases)}\n# {command}")
    failures = skips = 0
    for number, each in enumerate(cases, 1):
        reason = skipped = ""
        try:
            reason = run_case(command, number, each)
        except Skipped as problem:
            skipped = f" # SKIP {problem.reason}"
        failures += bool(reason)
        skips += bool(skipped)
        verdict = "not ok" if reason else "ok"
        print(f"{verdict} {number} - {each.section} {each.level}: {each.says}{skipped}", flush=True)
        if reason:
            print(f"# {reason}")
    print(f"# {len(cases) - failures - skips} passed, {failures} failed, {skips} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
