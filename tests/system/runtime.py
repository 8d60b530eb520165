"""What system tests share: the command under test with a private root directory, bundles for it, and what is left."""

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

from ocipy.bundle.default_config import default_config
from ocipy.host import probe
from ocipy.init_process import open_pidfd

REPOSITORY = Path(__file__).resolve().parents[2]
RUNTIME = os.environ.get("RUNTIME") or str(REPOSITORY / "build/bin/ocipy")
DEADLINE = 10  # seconds: long after anything here has happened, or never will


def until(condition, what="the condition"):
    """Poll until ``condition()`` is true; its value.  Fails the test at the deadline."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {DEADLINE} s"
        time.sleep(0.002)
    return value


def wait_ended(pid):
    """Wait until the process has ended (a zombie has); reaps it if it is a child of this process."""
    try:
        pidfd = open_pidfd(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        assert poller.poll(DEADLINE * 1000), f"process {pid} still runs"
    finally:
        os.close(pidfd)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def change_at(*place, value):
    """A change for ``Bundles``: give the config's member at that place (names and indices) a value."""

    def change(config):
        *above, last = place
        for part in above:
            config = config[part]
        config[last] = value

    return change


class Bundles:
    """Makes bundles below ``directory``, on one root filesystem they share (it is mounted read-only by default)."""

    def __init__(self, directory, rootfs, cgroup):
        self.directory = directory
        self.rootfs = rootfs
        self.cgroup = cgroup
        self._count = 0

    def __call__(self, *args, change=None, own_rootfs=False):
        """A new bundle's path: the default config with ``args``, without a terminal.

        ``change`` is called with the config, to modify it in place; ``own_rootfs`` copies the root filesystem into
        the bundle and lets the container write to it.  Each bundle has a cgroup of its own, below the test's.
        """
        self._count += 1
        path = self.directory / f"bundle-{self._count}"
        path.mkdir()
        config = default_config()
        config["process"]["terminal"] = False
        config["process"]["args"] = list(args) or ["true"]
        # Which the default config asks for without the inheritable ones they need: a warning each time.
        del config["process"]["capabilities"]["ambient"]
        config["linux"]["cgroupsPath"] = f"/{self.cgroup}/{path.name}"
        if own_rootfs:
            shutil.copytree(self.rootfs, path / "rootfs", symlinks=True)
            config["root"] = {"path": "rootfs", "readonly": False}
        else:
            config["root"] = {"path": str(self.rootfs), "readonly": True}
        if change:
            change(config)
        (path / "config.json").write_text(json.dumps(config))
        return path


class Runtime:
    """The command under test.  What it prints goes through files: a container that lives on keeps no pipe open."""

    def __init__(self, directory, name):
        self.directory = directory
        self.root = directory / "root"
        self.name = name
        self._created = []
        self._count = itertools.count(1)  # next() is atomic: tests call from several threads

    def __call__(self, *argv, status=None, **options):
        """Run ``ocipy --root ROOT ARGV``; the finished process, with text.  ``status`` is the exit status expected.

        ``options`` are those of ``subprocess.run``; stdin is empty unless given.
        """
        return self.execute(RUNTIME, "--root", str(self.root), *map(str, argv), status=status, **options)

    def execute(self, *command, status=None, **options):
        """As a call, with the whole command line given."""
        number = next(self._count)
        out, err = (self.directory / f"std{name}-{number}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            usual = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
            done = subprocess.run(command, check=False, **(usual | options))
        done.stdout = done.stdout or out.read_text(errors="replace")
        done.stderr = done.stderr or err.read_text(errors="replace")
        done.output = out  # what a container that lives on prints later
        if status is not None:
            assert done.returncode == status, f"{command} exited with {done.returncode}: {done.stderr}{done.stdout}"
        return done

    def fails(self, *argv, status=1, **options):
        """Run a command that has to fail, with one line on stderr: that line, without the name before it."""
        done = self(*argv, status=status, **options)
        assert done.stderr.startswith("ocipy: "), done.stderr
        assert done.stderr.endswith("\n"), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not done.stdout
        return done.stderr.removeprefix("ocipy: ").rstrip("\n")

    def refused(self, path, container=None, command="create"):
        """The error line of a create or run of that bundle, which has to fail."""
        return self.fails(*command.split(), "--bundle", path, container or self.new_id())

    def new_id(self):
        """An id nobody else uses."""
        return f"{self.name}-{next(self._count)}"

    def expect(self, container_id):
        """Have the container deleted by force when the test is over."""
        self._created.append(container_id)
        return container_id

    def create(self, bundle, *options, **keywords):
        """``ocipy create``: the new container's id.  It is deleted by force when the test is over."""
        container_id = self.new_id()
        self("create", "--bundle", bundle, *options, container_id, status=0, **keywords)
        return self.expect(container_id)

    def start(self, bundle, *options, **keywords):
        """``ocipy run -d``: the new container's id.  It is deleted by force when the test is over."""
        container_id = self.new_id()
        self("run", "-d", "--bundle", bundle, *options, container_id, status=0, **keywords)
        return self.expect(container_id)

    def run(self, bundle, *options, **keywords):
        """``ocipy run``: the finished process."""
        return self("run", "--bundle", bundle, *options, self.new_id(), **keywords)

    def state(self, container_id):
        """The state document."""
        return json.loads(self("state", container_id, status=0).stdout)

    def status(self, container_id):
        return self.state(container_id)["status"]

    def pid(self, container_id):
        return self.state(container_id)["pid"]

    def delete_expected(self):
        """The last first: it may have joined the namespaces of one before, which can't end until we reap."""
        for container_id in reversed(self._created):
            self("delete", "--force", container_id)
            children()

    def left(self):
        """Ids of containers that are still there."""
        if not self.root.exists():
            return []
        return sorted(entry.name for entry in self.root.iterdir() if not entry.name.startswith("@"))


def cgroup_mounts():
    """Mount points of all cgroup hierarchies."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(line.split()[4]) for line in lines if line.partition(" - ")[2].startswith("cgroup")]


def unified():
    """Whether the host has cgroup v2 alone."""
    return probe().cgroup_mode == "unified"


def cgroups_of(name):
    """Every cgroup of that name below a hierarchy's mount point, with all below it."""
    tops = [mount / name for mount in cgroup_mounts() if (mount / name).is_dir()]
    return [Path(directory) for top in tops for directory, _, _ in os.walk(top)]


def mounts_below(*directories):
    """Lines of mountinfo about one of the directories: as mount point or as root of a mount."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if any(str(directory) in line for directory in directories)]


def children():
    """Pids of this process's children that have not ended; those that have are reaped."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += (task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has ended: its children are another's by now
    living = []
    for pid in map(int, found):
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None:
                living.append(pid)
        except ChildProcessError:
            continue
    return living


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
