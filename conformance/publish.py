"""``python3 -m conformance publish``: run the runtimes that are here, keep the results, write docs/conformance.md.

``--merge FILE`` takes in results of a run elsewhere (made with ``--json FILE --place vm``); ``--stored`` runs nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance import store as stored
from conformance.cases import collect
from conformance.running import DEFAULT
from conformance.tables import render

DOCUMENT = stored.PATH.with_name("conformance.md")
BEGIN = "<!-- Made by python3 -m conformance publish: -->\n"
END = "<!-- the end of what is made -->\n"
# crun refuses a host that has v1 and v2 side by side.
RUNS = (("ocipy", ()), ("ocipy", ("--unified",)), ("runc", ()), ("runc", ("--unified",)), ("crun", ("--unified",)))


def publish(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m conformance publish", description=__doc__)
    parser.add_argument("--merge", metavar="FILE", type=Path, nargs="+", default=[])
    parser.add_argument("--stored", action="store_true", help="run nothing: write what is stored")
    options = parser.parse_args(words)
    collect()
    fresh = stored.tables()
    earlier = stored.load()["runs"] if stored.PATH.exists() else []
    for run in (*earlier, *(json.loads(path.read_text()) for path in options.merge)):
        run["results"] = {name: result for name, result in run["results"].items() if name in fresh["cases"]}
        stored.add(fresh, run)
    if not options.stored:
        for name, flags in RUNS:
            if command := str(DEFAULT) if name == "ocipy" else shutil.which(name):
                stored.add(fresh, run_elsewhere(command, flags))
    stored.save(fresh)
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), fresh))
    return 0


def run_elsewhere(command: str, flags: tuple[str, ...]) -> dict[str, object]:
    """One run of the suite, in a process of its own."""
    print(f"{command} {' '.join(flags)}", file=sys.stderr)
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            [sys.executable, "-m", "conformance", *flags, "--json", file.name],
            env={**os.environ, "RUNTIME": command},
            stdout=subprocess.DEVNULL,
            check=False,  # 1: a case failed
        )
        document: dict[str, object] = json.loads(Path(file.name).read_text())
    return document


def replaced(text: str, store: stored.Store) -> str:
    """The document with its made part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render(store)}\n{END}{after}"
