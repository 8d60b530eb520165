"""``python3 -m tests.engines [ENGINE...] [-k WORD] [--write | --stored]``: run the matrix and print its cells; exit
status 1 if one is not as it should be.  ``--write`` stores the results and makes the tables of docs/engines.md of them,
``--stored`` makes these of what is stored.  Needs root, a build, and the packages in ``needs``."""

import argparse
import platform
import subprocess
import sys

from ocipy.host import probe
from tests.engines import results
from tests.engines.matrix import ENGINES, Cell, Result, Runner, collect, operations_of, runtimes


def main(words: list[str]) -> int:
    collect()
    parser = argparse.ArgumentParser(prog="python3 -m tests.engines", description=__doc__)
    parser.add_argument("engine", nargs="*", help=f"which engines: {', '.join(ENGINES)}")
    parser.add_argument("-k", default="", metavar="WORD", help="only operations with this in their name")
    parser.add_argument("--runtime", choices=results.RUNTIMES, help="one of the runtimes only")
    parser.add_argument("--write", action="store_true", help="store the results and write the document")
    parser.add_argument("--stored", action="store_true", help="run nothing: write the document")
    options = parser.parse_args(words)
    store = results.load()
    if not options.stored:
        chosen = options.engine or list(ENGINES)
        wanted = [options.runtime] if options.runtime else results.RUNTIMES
        fresh = _run([
            Cell(engine, runtime, each.name)
            for engine in chosen
            for runtime in wanted
            for each in operations_of(engine)
            if options.k in each.name
        ])  # fmt: skip
        store = results.merged(store, fresh, {name: [each.name for each in operations_of(name)] for name in ENGINES})
        if options.write and not options.runtime:
            results.save(store)
    if options.write or options.stored:
        store = results.load()
        results.DOCUMENT.write_text(results.replaced(results.DOCUMENT.read_text(), store))
    return bool(results.worse({name: facts for name, facts in store.items() if not options.runtime}))


def _run(cells: list[Cell]) -> results.Store:
    """The engines' part of a store."""
    runner = Runner(cells, told=_tell)
    found: results.Store = {}
    try:
        for cell in cells:
            result = runner.result(cell)
            facts = found.setdefault(cell.engine, {"title": ENGINES[cell.engine].title, "operations": {}})
            title = next(each.title for each in operations_of(cell.engine) if each.name == cell.operation)
            facts["operations"].setdefault(cell.operation, {"title": title})[cell.runtime] = result
    finally:
        runner.close()
    for name, facts in found.items():
        facts["version"] = runner.versions.get(name, "")
        facts["host"] = f"Linux {platform.release().partition('-')[0]}, cgroups: {probe().cgroup_mode}"
        facts["runtimes"] = {each.name: _version(each.path) for each in runtimes().values()}
    return found


def _version(path: str) -> str:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def _tell(cell: Cell, result: Result, seconds: float) -> None:
    print(
        f"{result.kind:9}{seconds:5.1f} {cell.engine} {cell.runtime} {cell.operation} {result.why}".rstrip(), flush=True
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
