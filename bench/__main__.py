"""``python -m bench``: ocipy's commands timed against runc's and crun's, on this machine, as root."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.compare import in_unified_namespace
from bench.report import page, table

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print all samples, in ms and KiB")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--ocipy", default=str(HERE / "build/bin/ocipy"), help="default: %(default)s")
    parser.add_argument("--runc", default="/usr/sbin/runc", help="default: %(default)s")
    parser.add_argument("--crun", default="/usr/bin/crun", help="default: %(default)s")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("containers without limits and with their own ids take root")
    commands = {name: getattr(options, name) for name in ("ocipy", "runc", "crun")}
    comparisons = {other: _samples(other, commands, options.rounds) for other in ("runc", "crun")}
    if options.json:
        print(json.dumps(comparisons))
    elif options.write:
        (HERE / "docs/performance.md").write_text(page(comparisons, commands, options.rounds))
    else:
        print("\n\n".join(table(samples, other) for other, samples in comparisons.items()))
    return 0


def _samples(other: str, commands: "dict[str, str]", rounds: int) -> "dict[str, dict[str, list[float]]]":
    pair = [f"{name}={commands[name]}" for name in ("ocipy", other)]
    line = [sys.executable, "-m", "bench.compare", str(rounds), *pair]
    if other == "crun":
        line = in_unified_namespace(line)
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, cwd=HERE)
    samples: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return samples


sys.exit(main())
