"""The operations that are timed, each one command of a runtime, on a bundle of its own."""

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

# In the order of a round; "run" is a container of its own, the others are one container's life.
OPERATIONS = ("run", "create", "start", "exec", "state", "kill", "delete")

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_MOST_SECONDS = 20


class CommandError(Exception):
    """A command under measurement failed; the message has its line and what it printed."""


class Runtime:
    """One contestant: its command, a state directory and two bundles (``true`` ends at once, ``sleep`` doesn't)."""

    def __init__(self, name: str, command: str, work: Path, rootfs: Path, config: "dict[str, object]", cgroup: str):
        self.name = name
        self.command = [command, "--root", str(work / name)]
        self.bundles = {}
        self._pid_file = work / f"{name}.pid"
        self._log = work / f"{name}.log"
        for program, args in (("true", ["/bin/true"]), ("sleep", ["/bin/sleep", "1000"])):
            bundle = work / f"{name}-{program}"
            bundle.mkdir()
            document = json.loads(json.dumps(config))
            document["process"]["args"] = args
            document["root"]["path"] = str(rootfs)
            document["linux"]["cgroupsPath"] = f"{cgroup}/{name}-{program}"
            (bundle / "config.json").write_text(json.dumps(document))
            self.bundles[program] = str(bundle)

    def line(self, operation: str) -> "list[str]":
        """The command line of an operation."""
        arguments = {
            "run": ["run", "--bundle", self.bundles["true"], "t"],
            "create": ["create", "--bundle", self.bundles["sleep"], "--pid-file", str(self._pid_file), "s"],
            "exec": ["exec", "s", "/bin/true"],
            "kill": ["kill", "s", "KILL"],
        }
        return [*self.command, *arguments.get(operation, [operation, "s"])]

    def time(self, operation: str) -> float:
        """Milliseconds from the start of the command to its end.  Raises CommandError."""
        pidfd = os.pidfd_open(int(self._pid_file.read_text())) if operation == "kill" else -1
        elapsed = self._timed(self.line(operation))
        if pidfd >= 0:
            _wait_and_reap(pidfd)
        return elapsed

    def peak_kib(self) -> int:
        """The largest resident set among the processes of one ``run``: the runtime's and those it has waited for.

        A small shell starts it, and leaves it to us: a process begins with the peak of the one it was forked from.
        """
        shell = ["/bin/sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", *self.line("run")]
        pid = int(subprocess.run(shell, check=True, capture_output=True, env=_ENVIRONMENT).stdout)
        return os.wait4(pid, 0)[2].ru_maxrss

    def clean(self) -> None:
        """Delete what a failed round left."""
        for container in ("s", "t"):
            subprocess.run([*self.command, "delete", "--force", container], check=False, capture_output=True)

    def _timed(self, line: "list[str]") -> float:
        output = (str(self._log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, *output),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        signal.signal(signal.SIGALRM, lambda *_: self._too_long(line))
        signal.alarm(_MOST_SECONDS)
        before = time.perf_counter_ns()
        pid = os.posix_spawn(line[0], line, _ENVIRONMENT, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        elapsed = time.perf_counter_ns() - before
        signal.alarm(0)
        if status:
            raise CommandError(f"{' '.join(line)}: {self._log.read_text().strip() or f'wait status {status}'}")
        return elapsed / 1e6

    def _too_long(self, line: "list[str]") -> None:
        raise CommandError(f"{' '.join(line)}: still runs after {_MOST_SECONDS} s")


def _wait_and_reap(pidfd: int) -> None:
    """Until a killed init has ended, ``delete`` would have to wait for it; we, its subreaper, take it away."""
    select.select([pidfd], [], [])
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)
