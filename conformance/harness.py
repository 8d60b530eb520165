"""What the cases share: a runtime's command line, and ways to fail and to skip.

``from conformance.harness import Runtime, case, check, need``
"""

import contextlib
import errno
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance import host
from conformance.bundle import Bundle, Config, hook
from conformance.cases import case

__all__ = [
    "DEADLINE", "SLEEP", "Bundle", "Config", "Failed", "Runtime", "Skipped", "case", "check", "hook", "need", "runtime",
]  # fmt: skip

DEADLINE = 10.0  # seconds for a state to be reached
SLEEP = ["sleep", "1000"]
HUNG = 60.0  # seconds that no command takes


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


class Runtime:
    """A runtime's command line, with a state directory, bundle and ids for one case.

    ``config`` is the bundle's; a case changes it before ``create``, ``run``, ``prints`` or ``refused``.  ``prefix`` is
    a program, with arguments, that runs the runtime: ``["setpriv", "--bounding-set", "-mknod"]``.
    """

    def __init__(self, command: str, directory: Path, number: int) -> None:
        self.command = command
        self.prefix: list[str] = []
        self.directory = directory
        self.states = directory / "state"
        self.cgroup = f"/conformance-{os.getpid()}"
        self.container_id = f"conformance-{os.getpid()}-{number}"
        self.bundle = Bundle(directory / "bundle", f"{self.cgroup}/{self.container_id}")

    @property
    def config(self) -> Config:
        return self.bundle.config

    @property
    def rootfs(self) -> Path:
        return self.bundle.rootfs

    def __call__(self, *arguments: str, input_: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run one command.  Its output goes through files, for a container may keep it open."""
        out, err, given = self.directory / "stdout", self.directory / "stderr", self.directory / "stdin"
        given.write_text(input_ or "")
        with given.open() as stdin, out.open("w") as stdout, err.open("w") as stderr:
            try:
                done = subprocess.run(
                    [*self.prefix, self.command, "--root", str(self.states), *arguments],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    check=False,
                    timeout=HUNG,
                )
            except subprocess.TimeoutExpired:
                raise Failed(f"{arguments[0]} doesn't return") from None
        return subprocess.CompletedProcess(
            done.args, done.returncode, out.read_text(errors="replace"), err.read_text(errors="replace")
        )

    def ok(self, *arguments: str) -> str:
        """A command that has to succeed; its output."""
        done = self(*arguments)
        check(done.returncode == 0, f"{arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def fails(self, *arguments: str) -> str:
        """A command that has to fail; what it said on stderr."""
        done = self(*arguments)
        check(done.returncode != 0, f"{' '.join(arguments)} succeeded")
        return done.stderr

    def create(self, *options: str) -> None:
        self.bundle.write()
        self.ok("create", "--bundle", str(self.bundle.path), *options, self.container_id)

    def start(self) -> None:
        """Create and start."""
        self.create()
        self.ok("start", self.container_id)

    def run(self) -> str:
        """Create, start and wait; what the container printed."""
        self.bundle.write()
        return self.ok("run", "--bundle", str(self.bundle.path), self.container_id)

    def prints(self, script: str) -> str:
        """Let the container run a shell script; what it printed."""
        self.bundle.shell(script)
        return self.run()

    def sleeping(self) -> int:
        """Create and start a container that sleeps; the host's pid of its process."""
        self.config["process"]["args"] = SLEEP
        self.start()
        pid: int = self.state()["pid"]
        return pid

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

    def refused(self) -> None:
        """The config is invalid: create fails, and nothing was made: no state, no cgroup, no file in the root
        filesystem, no mount, and no hook has run."""
        witness = self.directory / "hook-ran"
        if "hooks" not in self.config:
            self.config["hooks"] = {"createRuntime": [hook(f"echo >>{witness}")]}
        self.bundle.write()
        before = self.traces()
        done = self("create", "--bundle", str(self.bundle.path), self.container_id)
        check(done.returncode != 0, "create accepted it")
        after = self.traces()
        for what, left in after.items():
            check(left == before[what], f"create failed, but {what} changed: {sorted(left ^ before[what])[:3]}")
        check(not witness.exists(), "create failed, but a hook ran")

    def traces(self) -> dict[str, set[str]]:
        """What there is of a container: a failed operation leaves it as it was."""
        return {
            "the state": {str(path) for path in self.states.glob("**/*") if self.container_id in path.name},
            "the cgroups": {str(path) for path in self.cgroup_directories()},
            "the root filesystem": set(_listing(self.rootfs)),
            "the mounts": {line for line in _mounts() if str(self.directory) in line},
        }

    def cgroup_directories(self) -> list[Path]:
        """The container's directories in the cgroup hierarchies: those that exist."""
        name = self.config.get("linux", {}).get("cgroupsPath", "").lstrip("/")
        places = {mount / name for mount in host.hierarchies().values()} if name else set()
        return sorted(path for path in places if path.is_dir())

    def cgroup_file(self, controller: str, name: str) -> Path:
        """A file of the container's cgroup; with v2 alone the controller's name doesn't matter."""
        mount = host.hierarchies()["" if host.unified() else controller]
        path: Path = mount / self.config["linux"]["cgroupsPath"].lstrip("/") / name
        return path

    def clean(self) -> None:
        self("delete", "--force", self.container_id)
        # What a runtime left mounted must not be emptied along with the directory.
        for line in reversed([line for line in _mounts() if f" {self.directory}/" in line]):
            subprocess.run(["/bin/umount", "--lazy", line.split()[4]], check=True)
        for mount in set(host.hierarchies().values()):
            place = mount / self.cgroup.lstrip("/")
            for listing in place.glob(f"{self.container_id}/**/cgroup.procs"):
                for pid in listing.read_text().split():  # what a runtime left running
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            for directory in (*place.glob("*"), place):
                _remove_cgroup(directory)


def _remove_cgroup(directory: Path) -> None:
    """Remove it once its processes are gone; those of others' containers are left."""
    end = time.monotonic() + 1
    while directory.is_dir():
        try:
            directory.rmdir()
        except OSError as problem:
            if problem.errno != errno.EBUSY or time.monotonic() > end or any(directory.glob("*/")):
                return
            time.sleep(0.01)


def _listing(directory: Path) -> Iterator[str]:
    for path in directory.glob("**/*"):
        status = path.lstat()
        yield f"{path} {status.st_mode:o} {status.st_uid}:{status.st_gid} {status.st_size} {status.st_mtime_ns}"


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@contextlib.contextmanager
def runtime(command: str, number: int) -> Iterator[Runtime]:
    """A runtime for one case; everything it made is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        Path(directory).chmod(0o755)  # the root of a user namespace has to get to the bundle
        made = Runtime(command, Path(directory), number)
        try:
            yield made
        finally:
            made.clean()
