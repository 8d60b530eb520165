"""Engines with a command line like docker's: the base of podman's and docker's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.engines.machine import Done
from tests.engines.matrix import Engine
from tests.engines.terminal import Terminal

IMAGE = "bb:latest"
PODMAN = ("podman", "podman-rootless")
ROOTFUL = ("podman", "docker")
ALL = (*PODMAN, "docker")
FOREVER = ("sleep", "1000")


class CommandLine(Engine):
    """``engine("ps", "-a")`` runs ``podman ps -a``.  Containers have no network unless one is asked for."""

    command: list[str]
    environment: dict[str, str]
    rootless = False
    usual = ("--network", "none")
    at_once = ("-f",)  # flags of rm that wait for nothing

    def __call__(self, *argv: object, status: int | None = 0, stdin: str = "", timeout: float = 60) -> Done:
        """Run the engine's command, which has to end with that status (None: any)."""
        done = self.machine.run(*self.command, *argv, env=self.environment, stdin=stdin, timeout=timeout)
        assert status in (None, done.status), (
            f"{' '.join(map(str, argv))}: exit status {done.status}, expected {status}: {done.err}{done.out}"
        )
        return done

    def become(self) -> tuple[str, ...]:
        """What a command of the engine's user is started by."""
        return ()

    def at_terminal(self, *argv: object, size: tuple[int, int] = (24, 80)) -> Terminal:
        return Terminal(self.machine, size, *self.command, *argv, env=self.environment)

    def run(self, *flags: object, command: tuple[object, ...], status: int | None = 0, stdin: str = "") -> Done:
        """A container to its end, which is removed then."""
        return self("run", "--rm", *self._network(flags), *flags, IMAGE, *command, status=status, stdin=stdin)

    def inside(self, script: str, *flags: object, status: int | None = 0, stdin: str = "") -> str:
        """What a shell script prints in a container of its own."""
        return self.run(*flags, command=("sh", "-c", script), status=status, stdin=stdin).out

    @contextmanager
    def container(self, *flags: object, command: tuple[object, ...] = FOREVER) -> Iterator[str]:
        """A detached container: its id."""
        name = self("run", "-d", *self._network(flags), *flags, IMAGE, *command).out.strip()
        try:
            yield name
        finally:
            self.remove(name)

    def remove(self, *names: object) -> None:
        self("rm", *self.at_once, *names)

    def inspect(self, name: str) -> Any:
        return json.loads(self("inspect", name).out)[0]

    def state(self, name: str) -> Any:
        return self.inspect(name)["State"]

    def sweep(self) -> None:
        if names := self("ps", "-aq").out.split():
            self("rm", *self.at_once, *names, status=None)

    def _network(self, flags: tuple[object, ...]) -> tuple[str, ...]:
        return () if any(str(flag).startswith(("--network", "--pod", "-p")) for flag in flags) else self.usual
