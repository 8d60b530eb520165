"""What the cases share: the table of cases, a runtime's command line, and bundles."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DEADLINE = 10.0  # seconds for a state to be reached
BUSYBOX = "/bin/busybox"

Config = dict[str, Any]


class Case:
    """One sentence of the spec: ``section`` is its document and anchor, ``says`` the sentence in our words,
    ``properties`` the properties of config.json it is about (``process.user.uid``, ``mounts[].options``)."""

    def __init__(
        self,
        section: str,
        level: str,
        says: str,
        properties: tuple[str, ...],
        run: "Callable[[Runtime], None]",
    ) -> None:
        self.section = section
        self.level = level
        self.says = says
        self.properties = properties
        self.run = run


CASES: list[Case] = []


def case(
    section: str, level: str, says: str, *properties: str
) -> "Callable[[Callable[[Runtime], None]], Callable[[Runtime], None]]":
    """Register a case; ``level`` is MUST or SHOULD."""

    def register(run: "Callable[[Runtime], None]") -> "Callable[[Runtime], None]":
        CASES.append(Case(section, level, says, properties, run))
        return run

    return register


class Failed(Exception):
    """The runtime doesn't do what the sentence says."""


class Skipped(Exception):
    """This host can't show it: ``reason`` is the fact of the host."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def need(condition: object, reason: str) -> None:
    """Skip the case unless the condition, a fact of the host and not of the runtime, holds."""
    if not condition:
        raise Skipped(reason)


def check(condition: object, message: str) -> None:
    """Fail the case unless the condition holds."""
    if not condition:
        raise Failed(message)


def minimal_config() -> Config:
    """A config with the least that a container with busybox needs."""
    capabilities = ["CAP_KILL"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "conformance",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
        "linux": {"namespaces": [{"type": type_} for type_ in ("pid", "ipc", "uts", "mount", "network")]},
    }


class Bundle:
    """A bundle of its own for a case: a directory with a busybox root filesystem and ``config``, written by create."""

    def __init__(self, path: Path, cgroup: str) -> None:
        self.path = path
        self.config = minimal_config()
        self.config["linux"]["cgroupsPath"] = cgroup
        self.rootfs = path / "rootfs"
        binaries = self.rootfs / "bin"
        binaries.mkdir(parents=True)
        for name in ("proc", "dev", "tmp", "sys"):
            (self.rootfs / name).mkdir()
        shutil.copy(BUSYBOX, binaries / "busybox")
        for applet in subprocess.check_output([BUSYBOX, "--list"], text=True).split():
            if not (binaries / applet).exists():
                (binaries / applet).symlink_to("busybox")

    def shell(self, script: str) -> None:
        """Let the container run a script; what it prints is the command's output."""
        self.config["process"]["args"] = ["sh", "-c", script]

    def write(self) -> None:
        """Write config.json as it is now."""
        (self.path / "config.json").write_text(json.dumps(self.config, indent=1))


class Runtime:
    """A runtime's command line, with a state directory, bundle and ids for one case."""

    def __init__(self, command: str, directory: Path, number: int) -> None:
        self.command = command
        self.directory = directory
        self.cgroup = f"/conformance-{os.getpid()}"
        self.container_id = f"conformance-{os.getpid()}-{number}"
        self.bundle = Bundle(directory / "bundle", f"{self.cgroup}/{self.container_id}")

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one command.  Its output goes through files, for a container may keep it open."""
        out, err = self.directory / "stdout", self.directory / "stderr"
        with out.open("w") as stdout, err.open("w") as stderr:
            done = subprocess.run(
                [self.command, "--root", str(self.directory / "state"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                check=False,
                timeout=60,
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), err.read_text())

    def ok(self, *arguments: str) -> str:
        """A command that has to succeed; its output."""
        done = self(*arguments)
        check(done.returncode == 0, f"{arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def fails(self, *arguments: str) -> None:
        """A command that has to fail."""
        check(self(*arguments).returncode != 0, f"{' '.join(arguments)} succeeded")

    def create(self) -> None:
        self.bundle.write()
        self.ok("create", "--bundle", str(self.bundle.path), self.container_id)

    def run(self) -> str:
        """Create, start and wait; what the container printed."""
        self.bundle.write()
        return self.ok("run", "--bundle", str(self.bundle.path), self.container_id)

    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ok("state", self.container_id))
        return document

    def until(self, status: str) -> dict[str, Any]:
        """Wait until the container has the status; its state."""
        end = time.monotonic() + DEADLINE
        while (state := self.state())["status"] != status:
            check(time.monotonic() < end, f"the status stays {state['status']}, {status} was expected")
            time.sleep(0.01)
        return state

    def clean(self) -> None:
        self("delete", "--force", self.container_id)
        for directory in Path("/sys/fs/cgroup").glob(f"*{self.cgroup}"):
            with contextlib.suppress(OSError):
                directory.rmdir()
        with contextlib.suppress(OSError):
            Path(f"/sys/fs/cgroup{self.cgroup}").rmdir()


@contextlib.contextmanager
def runtime(command: str, number: int) -> Iterator[Runtime]:
    """A runtime for one case; everything it made is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        made = Runtime(command, Path(directory), number)
        try:
            yield made
        finally:
            made.clean()
