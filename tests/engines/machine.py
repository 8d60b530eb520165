"""The isolation wrapper: namespaces of their own for an engine, and cgroups that show it no others.

All processes end with the PID namespace, mounts with the mount namespace; bridges, addresses and packet filters are in
the network namespace.  The engine sees its cgroups as the roots of their hierarchies, so that nothing of it lies
elsewhere, and several machines don't meet.
"""

import fnmatch
import os
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

from tests.system.runtime import cgroup_mounts, unified, until

# A tmpfs keeps engines from making directories beside the hierarchies.  What they write to /etc and /var/lib (keys,
# locks, caches), whatever directories they are told to use, is thrown away.
BOOT = """set -e
mount -t tmpfs -o mode=755 tmpfs /run
for each in etc var/lib; do
    written=/run/written/$each
    mkdir -p "$written/upper" "$written/work"
    mount -t overlay -o "lowerdir=/$each,upperdir=$written/upper,workdir=$written/work" overlay "/$each"
done
while read -r _ _ _ _ point _ rest; do
    kind=${rest#*- } kind=${kind%% *} options=${rest##* }
    case $kind in cgroup | cgroup2) echo "$point $kind $options" ;; esac
done </proc/self/mountinfo >/run/cgroups
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
while read -r point kind options; do
    mkdir -p "$point"
    case $kind in
        cgroup) mount -t cgroup -o "${options#*,}" cgroup "$point" ;;
        *) mount -t cgroup2 cgroup2 "$point" ;;
    esac
done </run/cgroups
rm /run/cgroups
[ -e /sys/fs/cgroup/cgroup.procs ] || mount -o remount,ro /sys/fs/cgroup
mkdir -p /run/lock /run/netns /run/user /var/lib/cni
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /var/lib/cni
mount --make-rshared /
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
eval "$1"
echo ready
while read -r _; do :; done"""

NAMESPACES = ("--mount", "--net", "--ipc", "--uts", "--pid", "--cgroup")
LEAF = "machine"  # of the unified hierarchy alone: a cgroup with controllers for its children has no processes


class Done(NamedTuple):
    """A command that has ended: its exit status, and the text of its stdout and stderr."""

    status: int
    out: str
    err: str


class Machine:
    """``directory`` is where output is kept; ``name`` is unique on the host; ``prepare`` a script for its root."""

    def __init__(self, directory: Path, name: str, prepare: str = "") -> None:
        self._directory = directory
        self._count = 0
        self._lock = threading.Lock()
        self.cgroups = [_make_cgroup(mount, name) for mount in cgroup_mounts()]
        self._join = list(self.cgroups)  # as the roots of its cgroup namespace
        self._boot = subprocess.Popen(
            [*self._joining(), "unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "--", "bash", "-c", BOOT, "boot", prepare],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._boot.stdout is not None
        if self._boot.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("the machine did not come up")
        self.pid = int(Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text())
        if unified():
            self._hand_down(self.cgroups[0])
        self._mounts = self.mounts()

    def _hand_down(self, top: Path) -> None:
        """Give all controllers to the cgroups below the machine's own, which has to be empty of processes for that."""
        for pid in (self._boot.pid, self.pid):
            (top / LEAF / "cgroup.procs").write_text(str(pid))
        (top / "cgroup.subtree_control").write_text(_all_controllers(top))
        self._join = [top / LEAF]

    def _joining(self) -> list[str]:
        moves = "".join(f"echo $$ >{path}/cgroup.procs; " for path in self._join)
        return ["sh", "-c", f'{moves}exec "$@"', "sh"]

    def command(self, *argv: object) -> list[str]:
        """The command line that runs ``argv`` in the machine, as its root."""
        entering = ["nsenter", f"--target={self.pid}", *NAMESPACES, "--wdns=/", "--"]
        return [*self._joining(), *entering, *map(str, argv)]

    def start(self, *argv: object, **options: object) -> "subprocess.Popen[bytes]":
        """Start a command, with the options of ``subprocess.Popen``."""
        return subprocess.Popen(self.command(*argv), **options)  # type: ignore[call-overload,no-any-return]

    def run(self, *argv: object, env: dict[str, str] | None = None, stdin: str = "", timeout: float = 60) -> Done:
        """Run a command to its end.  Its output goes through files: what lives on keeps no pipe open."""
        with self._lock:
            self._count += 1
            base = self._directory / f"output-{self._count}"
        names = [base.with_suffix(kind) for kind in (".in", ".out", ".err")]
        names[0].write_text(stdin)
        with (
            names[0].open("rb") as given,
            names[1].open("wb") as out,
            names[2].open("wb") as err,
            self.start(*argv, env=env, stdin=given, stdout=out, stderr=err) as process,
        ):
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{' '.join(map(str, argv))} took more than {timeout} s") from None
        texts = [name.read_text(errors="replace") for name in names[1:]]
        for name in names:
            name.unlink()
        return Done(status, *texts)

    def processes(self) -> dict[int, str]:
        """Every process in the machine, other than its first: pid as the machine sees it → command line."""
        found = self.run("sh", "-c", "for d in /proc/[0-9]*; do echo ${d#/proc/} $(tr '\\0' ' ' <$d/cmdline); done")
        lines = (line.partition(" ") for line in found.out.splitlines())
        listed = {int(pid): command for pid, _, command in lines}
        return {pid: command for pid, command in listed.items() if pid != 1 and "/proc/[0-9]*" not in command}

    def mounts(self) -> set[str]:
        """Mount points in the machine."""
        lines = Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return {line.split()[4] for line in lines}

    def left(self, own_cgroups: tuple[str, ...]) -> list[str]:
        """Processes, mounts and cgroups that were not there at the start, but for cgroups of these patterns."""
        try:
            until(lambda: not self.processes(), "the end of all processes")
        except AssertionError:
            pass  # told below
        left = [f"process {command}" for command in self.processes().values()]
        left += [f"mount {point}" for point in self.mounts() - self._mounts]
        for top in self.cgroups:
            below = [str(Path(path).relative_to(top)) for path, _, _ in os.walk(top)]
            known = (".", LEAF, *own_cgroups)
            left += [f"cgroup {each}" for each in below if not any(fnmatch.fnmatch(each, name) for name in known)]
        return left

    def close(self) -> None:
        """End everything."""
        self._boot.kill()
        with self._boot:
            pass
        for top in self.cgroups:
            until(lambda top=top: not _processes_below(top), f"the end of the processes in {top}")
            for path, _, _ in os.walk(top, topdown=False):
                os.rmdir(path)


def _make_cgroup(mount: Path, name: str) -> Path:
    path = mount / name
    path.mkdir()
    if unified():
        (mount / "cgroup.subtree_control").write_text(_all_controllers(mount))
        (path / LEAF).mkdir()
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not unified() and (mount / file).exists():
            (path / file).write_text((mount / file).read_text())
    return path


def _all_controllers(path: Path) -> str:
    return " ".join(f"+{each}" for each in (path / "cgroup.controllers").read_text().split())


def _processes_below(top: Path) -> str:
    return "".join((Path(path) / "cgroup.procs").read_text() for path, _, _ in os.walk(top))
