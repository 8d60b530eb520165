"""buildah with ``--isolation oci``, as root and as an ordinary user with subordinate ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.machine import Done
from tests.engines.matrix import Engine
from tests.engines.podman import SYSTEM_PATH, UID, RootlessPodman
from tests.engines.terminal import Terminal

IMAGE = "localhost/bb"


class Buildah(Engine):
    """``engine("images")`` runs ``buildah images``.  Containers have no network unless one is asked for."""

    name = "buildah"
    title = "buildah"
    tools = ("buildah", "iptables")  # and netavark, which is in no PATH

    def boot(self) -> None:
        (self.place / "tmp").mkdir(mode=0o777)
        (self.place / "tmp").chmod(0o777)
        self.environment = {
            "HOME": str(self.place),
            "TMPDIR": str(self.place / "tmp"),
            "PATH": SYSTEM_PATH,
            **self.of_user(),
        }
        self.command = [
            *self.become(), "buildah", "--root", self.place / "storage", "--runroot", self.place / "run",
            "--storage-driver", "overlay",
        ]  # fmt: skip
        name = self("from", "scratch").out.strip()
        self("add", "--quiet", name, self.image.tar, "/")
        self("config", "--env", "PATH=/bin", name)
        self("commit", "--quiet", "--rm", name, IMAGE)

    def become(self) -> tuple[str, ...]:
        return ()

    def of_user(self) -> dict[str, str]:
        return {}

    def __call__(self, *argv: object, status: int | None = 0, stdin: str = "") -> Done:
        """Run buildah, which has to end with that status (None: any)."""
        done = self.machine.run(*self.command, *argv, env=self.environment, stdin=stdin)
        assert status in (None, done.status), (
            f"{' '.join(map(str, argv))}: exit status {done.status}, expected {status}: {done.err}{done.out}"
        )
        return done

    @contextmanager
    def container(self, *flags: object, image: str = IMAGE) -> Iterator[str]:
        """A working container: its name."""
        name = self("from", "--isolation", "oci", *flags, image).out.strip()
        try:
            yield name
        finally:
            self("rm", name)

    def flags(self, given: tuple[object, ...]) -> tuple[object, ...]:
        network = () if any(str(flag).startswith("--network") for flag in given) else ("--network", "none")
        return ("--runtime", self.runtime.path, "--isolation", "oci", *network, *given)

    def run(self, name: str, *flags: object, command: tuple[object, ...], status: int = 0, stdin: str = "") -> Done:
        """``buildah run`` in a working container."""
        return self("run", *self.flags(flags), name, *command, status=status, stdin=stdin)

    def inside(self, script: str, *flags: object, status: int = 0) -> str:
        """What a shell script prints in a working container of its own."""
        with self.container() as name:
            return self.run(name, *flags, command=("sh", "-c", script), status=status).out

    def at_terminal(self, name: str, *flags: object, command: tuple[object, ...], size: tuple[int, int]) -> Terminal:
        words = (*self.command, "run", "-t", *self.flags(flags), name, *command)
        return Terminal(self.machine, size, *words, env=self.environment)

    def build(self, dockerfile: str, *flags: object, status: int = 0) -> Done:
        """``buildah bud`` of a directory that has ``data/file`` beside the Dockerfile."""
        context = self.place / "context"
        (context / "data").mkdir(parents=True, exist_ok=True)
        (context / "data/file").write_text("of the context\n")
        (context / "Dockerfile").write_text(dockerfile)
        return self("bud", *self.flags(flags), context, status=status)

    def version(self) -> str:
        return self("--version").out.split()[2]

    def sweep(self) -> None:
        self("rm", "--all", status=None)

    def stop(self) -> None:
        self("rm", "--all")
        self("rmi", "--all", "--force")


class RootlessBuildah(Buildah):
    name = "buildah-rootless"
    title = "buildah, rootless"
    tools = (*Buildah.tools, "newuidmap", "setpriv", "slirp4netns")

    @classmethod
    def prepare(cls, place: Path) -> str:
        return RootlessPodman.prepare(place)

    become = RootlessPodman.become
    of_user = RootlessPodman.of_user

    def left(self) -> list[str]:
        self.runtime = self.runtime._replace(root=f"/run/user/{UID}/{self.runtime.name}")
        return super().left()
