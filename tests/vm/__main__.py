"""``python3 -m tests.vm [VARIANT...] [-- PYTEST ARGUMENTS]``: system tests in virtual machines; exit status 1 if
anything fails.  Needs root, a virtual environment of Debian 12's Python with a build, and the packages in ``needs``.
What came out stays in build/vm/results."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.vm import image, machine, results
from tests.vm.variants import NEEDS, RUNTIMES, VARIANTS, Variant, steps

CHECKOUT = Path(__file__).resolve().parents[2]
PLACE = CHECKOUT / "build/vm"
OTHERS = [f"conformance-{name}" for name in RUNTIMES if name != "ocipy"]
TOOLS = ("mmdebstrap", "qemu-system-x86_64", "mke2fs", "cpio")


def main(words: list[str]) -> int:
    own, dashes, tests = (words, "", []) if "--" not in words else _split(words)
    parser = argparse.ArgumentParser(prog="python3 -m tests.vm", description=__doc__)
    parser.add_argument("variant", nargs="*", help=f"which machines to boot: {', '.join(v.name for v in VARIANTS)}")
    parser.add_argument("--runtimes", default="ocipy", help=f"run the conformance suite against: {','.join(RUNTIMES)}")
    options = parser.parse_args(own)
    unasked = [each for each in VARIANTS if each.unasked]
    chosen = [each for each in VARIANTS if each.name in options.variant] if options.variant else unasked
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or missing or not chosen:
        print(f"vm: needs root, and the packages in {Path(__file__).with_name('needs')}; missing: {missing}")
        return 2
    made = image.build(PLACE)
    runtimes = [] if dashes else options.runtimes.split(",")
    # What runs in a machine keeps one processor busy, mostly.
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda each: run(made, each, tests, runtimes), chosen))
    print(results.summary(outcomes))
    bad = any(outcome.problems for outcome in outcomes)
    if chosen == unasked and not dashes:
        for name, reason in results.ran_nowhere(outcomes, NEEDS).items():
            print(f"{name}: ran on no machine: {reason}")
            bad = True
    return 1 if bad else 0


def _split(words: list[str]) -> tuple[list[str], str, list[str]]:
    at = words.index("--")
    return words[:at], "--", words[at + 1 :]


def run(made: image.Image, variant: Variant, tests: Sequence[str], runtimes: Sequence[str]) -> results.Outcome:
    """Boot one machine and judge what comes out."""
    outcome = results.Outcome(variant.name)
    directory = PLACE / "results" / variant.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    todo = steps(variant, sys.executable, tests, runtimes)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ocipy-vm-") as work:
        machine.stage(CHECKOUT, Path(work) / "job", todo)
        try:
            machine.run(
                made, Path(work) / "job", variant.parameters, directory, variant.seconds * max(1, len(runtimes))
            )
        except machine.NotFinished as problem:
            outcome.problems.append(f"{problem}; see {directory / 'console'}")
    outcome.seconds = time.monotonic() - start
    # That others fail the conformance suite is no failure of ours.
    results.read(outcome, directory, [name for name in (step.name for step in todo) if name not in OTHERS])
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
