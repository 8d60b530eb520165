"""Engines, runtimes, operations, and the cells they make: declared here, run here.  See the package's docstring."""

import importlib
import itertools
import os
import pkgutil
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from tests.engines.image import Image
from tests.engines.machine import Machine

REPOSITORY = Path(__file__).resolve().parents[2]
LEFTOVERS = "leftovers"  # the last operation of every engine
AT_ONCE = 2
_numbers = itertools.count(1)


class Runtime(NamedTuple):
    """``root`` is where it keeps its state when root runs it without ``--root``."""

    name: str
    path: str
    root: str


class Result(NamedTuple):
    """``kind`` is ok, fails or "not here"."""

    kind: str
    why: str


class Operation(NamedTuple):
    """``not_here``: engine → what it lacks on a host like this.  ``runc_lacks``: what Debian's runc does not have."""

    name: str
    title: str
    engines: tuple[str, ...]
    run: Callable[[Any], None]
    not_here: dict[str, str]
    runc_lacks: str


class Engine:
    """See the package's docstring."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    tools: ClassVar[tuple[str, ...]] = ()
    own_cgroups: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if cls.name:
            ENGINES[cls.name] = cls

    def __init__(self, machine: Machine, runtime: Runtime, place: Path, image: Image) -> None:
        self.machine = machine
        self.runtime = runtime
        self.place = place
        self.image = image

    @classmethod
    def prepare(cls, place: Path) -> str:
        """A shell script that root runs in the machine at its start."""
        return ""

    def boot(self) -> None:
        """Get ready for operations."""
        raise NotImplementedError

    def version(self) -> str:
        """The engine's version, a word."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove every container."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what the engine itself runs; all containers are gone."""

    def left(self) -> list[str]:
        """What is left when the engine has been stopped and should not be."""
        states = self.machine.run("find", self.runtime.root, "-mindepth", "1", "-maxdepth", "1", "!", "-name", "@*")
        return [f"state directory {each}" for each in states.out.split()] + self.machine.left(self.own_cgroups)


ENGINES: dict[str, type[Engine]] = {}
OPERATIONS: dict[str, Operation] = {}


def operation(
    *engines: str, not_here: dict[str, str] | None = None, runc_lacks: str = ""
) -> Callable[..., Callable[[Any], None]]:
    """Declare an operation of these engines."""

    def declare(function: Callable[[Any], None]) -> Callable[[Any], None]:
        assert function.__name__ not in OPERATIONS, f"two operations {function.__name__}"
        assert function.__doc__, f"operation {function.__name__} needs a title"
        title = function.__doc__.strip().splitlines()[0].rstrip(".")
        OPERATIONS[function.__name__] = Operation(
            function.__name__, title, engines, function, not_here or {}, runc_lacks
        )
        return function

    return declare


def collect() -> None:
    """Import every module here, which declares its engines and operations."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith(("test_", "__")):
            importlib.import_module(f"tests.engines.{module.name}")
    OPERATIONS.setdefault(
        LEFTOVERS,
        Operation(
            LEFTOVERS, "Nothing is left: processes, mounts, cgroups, state", tuple(ENGINES), _nothing_is_left, {}, ""
        ),
    )
    OPERATIONS[LEFTOVERS] = OPERATIONS.pop(LEFTOVERS)  # the last


def operations_of(engine: str) -> list[Operation]:
    return [each for each in OPERATIONS.values() if engine in each.engines]


def runtimes() -> dict[str, Runtime]:
    """The two that are compared: Debian's runc, and the command that is built here."""
    ocipy = os.environ.get("RUNTIME") or str(REPOSITORY / "build/bin/ocipy")
    return {
        "runc": Runtime("runc", shutil.which("runc") or "runc", "/run/runc"),
        "ocipy": Runtime("ocipy", ocipy, "/run/ocipy"),
    }


def _nothing_is_left(engine: Engine) -> None:
    engine.stop()
    left = engine.left()
    assert not left, "; ".join(left)


class Cell(NamedTuple):
    engine: str
    runtime: str
    operation: str


class Runner:
    """Runs cells in the background, two engines at a time; ``result`` waits for one."""

    def __init__(self, cells: Iterable[Cell], told: Callable[[Cell, Result, float], None] = lambda *_: None) -> None:
        self.versions: dict[str, str] = {}
        self._told = told
        self._futures: dict[Cell, Future[Result]] = {}
        lines: dict[tuple[str, str], list[Operation]] = {}
        for cell in cells:
            self._futures[cell] = Future()
            lines.setdefault((cell.engine, cell.runtime), []).append(OPERATIONS[cell.operation])
        self._directory = Path(tempfile.mkdtemp(prefix="ocipy-engines-"))
        self._directory.chmod(0o755)
        self._image = Image(self._directory)
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._ending = False
        self._troubles: list[str] = []
        for (engine, runtime), operations in lines.items():
            self._pool.submit(self._run_all, ENGINES[engine], runtimes()[runtime], operations)

    def has(self, cell: Cell) -> bool:
        """Whether that cell is one of those to run."""
        return cell in self._futures

    def result(self, cell: Cell) -> Result:
        return self._futures[cell].result()

    def close(self) -> None:
        """End what still runs, after its current operation.  Raises AssertionError if a machine did not come down."""
        self._ending = True
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._directory)
        assert not self._troubles, "; ".join(self._troubles)

    def _run_all(self, kind: type[Engine], runtime: Runtime, operations: list[Operation]) -> None:
        try:
            number = next(_numbers)
            place = self._directory / str(number)
            place.mkdir()
            machine = Machine(place, f"ocipy-engines-{os.getpid()}-{number}", kind.prepare(place))
            try:
                engine = kind(machine, runtime, place, self._image)
                engine.boot()
                self.versions[kind.name] = engine.version()
                for each in operations:
                    if self._ending:
                        break
                    begin = time.monotonic()
                    result = try_operation(engine, each)
                    self._told(Cell(kind.name, runtime.name, each.name), result, time.monotonic() - begin)
                    self._futures[Cell(kind.name, runtime.name, each.name)].set_result(result)
                if operations[-1].name != LEFTOVERS:
                    engine.stop()
            finally:
                machine.close()
        except Exception as error:
            self._troubles.append(f"{kind.name}, {runtime.name}: {_reason(error)}")
            for each in operations:
                cell = Cell(kind.name, runtime.name, each.name)
                if not self._futures[cell].done():
                    result = Result("fails", f"the engine did not come up, or not down: {_reason(error)}")
                    self._told(cell, result, 0)
                    self._futures[cell].set_result(result)


def try_operation(engine: Engine, operation_: Operation) -> Result:
    try:
        operation_.run(engine)
        return Result("ok", "")
    except Exception as error:
        if operation_.name != LEFTOVERS:
            engine.sweep()
        if why := operation_.not_here.get(engine.name):
            return Result("not here", why)
        return Result("fails", (operation_.runc_lacks if engine.runtime.name == "runc" else "") or _reason(error))


def _reason(error: Exception) -> str:
    """The error's text, or the operation's line and the variables it speaks of."""
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    lines = [line for line in str(error).splitlines() if line.strip()]
    found = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    frames = [each for each in found if "/ops_" in each.filename]
    if frames:
        last = frames[-1]
        lines.append(f"line {last.lineno}: {last.line}")
        lines += [f"{name} = {value[:300]}" for name, value in (last.locals or {}).items() if name in (last.line or "")]
    return f"{kind}{' / '.join(lines)[:1000]}"
