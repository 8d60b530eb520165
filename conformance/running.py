"""Running cases: each gets a runtime of its own and ends with a verdict."""

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import host
from conformance.cases import Case
from conformance.harness import Failed, Skipped, runtime

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = Path(__file__).resolve().parent.parent / "build/bin/ocipy"

Result = tuple[str, str]  # "pass", "fail" or "skip", and the reason


def run_case(command: str, number: int, each: Case) -> Result:
    """The case's verdict.  What the runtime printed may be anything: what a case can't make sense of is a failure."""
    try:
        with runtime(command, number) as made:
            each.run(made)
    except Failed as problem:
        reason = one_line(str(problem))
        return ("skip", lacking(reason)) if lacking(reason) else ("fail", reason)
    except Skipped as problem:
        return "skip", one_line(problem.reason)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, subprocess.SubprocessError) as problem:
        return "fail", one_line(f"{type(problem).__name__}: {problem}")
    return "pass", ""


# What differs from run to run, or says nothing: a result that is the same should read the same.
_PASSING = (
    (r"/tmp/conformance-\w+", "DIR"),
    (r"conformance-\d+-\d+", "ID"),
    (r"/conformance-\d+", ""),
    (r'time="[^"]*" level=\w+ msg=', ""),
)


def one_line(text: str) -> str:
    """A reason as it is kept."""
    for pattern, replacement in _PASSING:
        text = re.sub(pattern, replacement, text)
    return " ".join(text.split())[:300]


def lacking(reason: str) -> str:
    """The fact of the host by which a runtime that would have kept the sentence couldn't: "" if it is none."""
    if "RLIM_MEMLOCK" in reason and not host.capable("CAP_SYS_RESOURCE"):
        return "the runtime raises RLIMIT_MEMLOCK first, which takes CAP_SYS_RESOURCE"
    return ""


def run_cases(command: str, cases: list[Case], tell: "Callable[[int, int, Case, Result], None]") -> dict[str, Result]:
    """Run the cases in turn; ``tell`` hears of each: its number, how many there are, the case, the result."""
    results = {}
    for number, each in enumerate(cases, 1):
        results[each.name] = run_case(command, number, each)
        tell(number, len(cases), each, results[each.name])
    return results


def environment(command: str, place: str) -> dict[str, object]:
    """Which runtime it was, its version and the specification's that it knows, and on what host."""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() or [""]
    spec = next((line.partition(":")[2].strip() for line in lines if line.startswith("spec:")), "")
    version = (lines[0].split() or [""])[-1]
    return {"runtime": Path(command).name, "version": version, "spec": spec, "place": place, **host.facts()}
