"""containerd by way of ``ctr``: a container and a task for each ``ctr run``."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.engines.containerd import FOREVER, IMAGE, Containerd
from tests.engines.machine import Done
from tests.engines.terminal import DEADLINE, Terminal
from tests.system.runtime import until

IGNORE_THE_BINARY = {"--uidmap", "--no-pivot"}  # with these, containerd takes the runc of its PATH


class Ctr(Containerd):
    name = "ctr"
    title = "containerd, ctr"
    own_cgroups = ("default",)
    namespace = "default"

    def boot(self) -> None:
        self._numbers = itertools.count(1)
        super().boot()

    def new_id(self) -> str:
        """Of a container, or of a process in one."""
        return f"c{next(self._numbers)}"

    def words(self, name: str, flags: tuple[object, ...], command: tuple[object, ...]) -> tuple[object, ...]:
        """``run`` with its arguments.  With --rootfs, what stands for the image is the last of the flags."""
        which = () if IGNORE_THE_BINARY.intersection(flags) else ("--runc-binary", self.runtime.path)
        source = () if "--rootfs" in flags else (IMAGE,)
        return ("run", *which, *flags, *source, name, *command)

    def run(self, *flags: object, command: tuple[object, ...], status: int | None = 0, stdin: str = "") -> Done:
        """A container to its end, which is removed then."""
        return self.ctr(*self.words(self.new_id(), ("--rm", *flags), command), status=status, stdin=stdin)

    def inside(self, script: str, *flags: object, status: int | None = 0) -> str:
        """What a shell script writes to stdout in a container of its own."""
        with self._log() as log:
            command = ("sh", "-c", f"exec 2>/dev/null; {script}")
            self.run(*flags, "--log-uri", f"file://{log}", command=command, status=status)
            return log.read_text()

    @contextmanager
    def _log(self) -> Iterator[Path]:
        """A file for output: of a program that ends soon after it wrote, ctr may drop what went through itself."""
        log = self.place / f"{self.new_id()}.log"
        log.touch()
        try:
            yield log
        finally:
            log.unlink()

    def talk(
        self, *words: object, said: tuple[str, str], given: str = "", close: bool = False, status: int = 0
    ) -> None:
        """``ctr WORDS``: a program that is given something and says that on stdout and stderr, then reads a line, or
        the end of its stdin, and ends with that status.  It ends when what it said has come: see ``_log``."""
        with self._log() as out, self._log() as err, out.open("wb") as stdout, err.open("wb") as stderr:
            command = self.ctr_command(*words)
            with self.machine.start(*command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr) as process:
                assert process.stdin is not None
                with suppress(BrokenPipeError), process.stdin as stdin:
                    stdin.write(given.encode())
                    stdin.flush()
                    until(lambda: (out.read_text(), err.read_text()) == said or process.poll() is not None)
                    stdin.write(b"" if close else b"\n")
                assert process.wait(DEADLINE) == status, err.read_text()
            assert (out.read_text(), err.read_text()) == said

    def at_terminal(self, *flags: object, command: tuple[object, ...], size: tuple[int, int] = (24, 80)) -> Terminal:
        """``run --tty``."""
        return self.terminal(*self.words(self.new_id(), ("--rm", "--tty", *flags), command), size=size)

    def terminal(self, *words: object, size: tuple[int, int] = (24, 80)) -> Terminal:
        """``ctr WORDS`` at a terminal."""
        return Terminal(self.machine, size, *self.ctr_command(*words))

    @contextmanager
    def container(self, *flags: object, command: tuple[object, ...] = FOREVER) -> Iterator[str]:
        """A detached container: its id."""
        name = self.new_id()
        self.ctr(*self.words(name, ("--detach", *flags), command))
        try:
            yield name
        finally:
            self.remove(name)

    def remove(self, name: str) -> None:
        self.ctr("task", "rm", "--force", name, status=None)
        self.ctr("containers", "rm", name)

    def exec(self, name: str, *flags: object, command: tuple[object, ...], status: int | None = 0) -> str:
        """What a process in a container prints, to its end; ctr's error if it can't be started."""
        with self._log() as log:
            done = self.ctr(
                *self.exec_words(name, "--log-uri", f"file://{log}", *flags, command=command), status=status
            )
            return log.read_text() + done.err

    def exec_words(self, name: str, *flags: object, command: tuple[object, ...]) -> tuple[object, ...]:
        return ("task", "exec", "--exec-id", self.new_id(), *flags, name, *command)

    def sweep(self) -> None:
        for name in self.ctr("containers", "ls", "--quiet").out.split():
            self.ctr("task", "rm", "--force", name, status=None)
            self.ctr("containers", "rm", name, status=None)
