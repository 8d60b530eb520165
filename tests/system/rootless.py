"""What the tests of ordinary users' containers share: the user, who runs the command and owns the bundle."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from ocipy.bundle.default_config import default_config
from tests.system.looking import write_config
from tests.system.runtime import RUNTIME, until

NOBODY = 65534
SUBORDINATE = 54321  # the uid and gid of the user with lines in subuid(5) and subgid(5)
SUBORDINATE_NAME = "ocipy-test-user"

UNIFIED = (
    "unshare", "-m", "sh", "-c",
    ("mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && "
    'exec "$@"'), "sh",
)  # fmt: skip


class User:
    """Runs the command as an ordinary user: real ids, no groups, no capabilities, a runtime directory of its own.

    ``home`` is a directory that is the user's; ``wrap`` the command, run by root, that a call is started by.
    """

    def __init__(self, ocipy, home, rootfs, uid=NOBODY, wrap=()):
        self.home = home
        self.rootfs = rootfs
        self.uid = uid
        self.wrap = wrap
        self.environment = {"XDG_RUNTIME_DIR": str(home / "run"), "PATH": os.environ["PATH"], "HOME": str(home)}
        self._ocipy = ocipy
        self._count = 0
        for directory in (home, home / "run"):
            directory.mkdir(mode=0o700)
            os.chown(directory, uid, uid)

    @property
    def root(self):
        """Where this user's containers are kept."""
        return self.home / "run/ocipy"

    def __call__(self, *argv, status=None, **options):
        """Run ``ocipy ARGV`` as that user."""
        return self.execute(RUNTIME, *map(str, argv), status=status, **options)

    def execute(self, *command, status=None, **options):
        """Run any command as that user."""
        usual = {"env": self.environment, "cwd": self.home}
        return self._ocipy.execute(*self._become(), *command, status=status, **(usual | options))

    def start(self, *argv, **options):
        """Start ``ocipy ARGV`` as that user: the Popen, whose pid is the command's."""
        command = [*self._become(), RUNTIME, *map(str, argv)]
        return subprocess.Popen(command, env=self.environment, cwd=self.home, **options)

    def _become(self):
        return (*self.wrap, "setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups")

    def fails(self, *argv, **options):
        """Run a command that has to fail, with one line on stderr and no container left: the line without the name."""
        done = self(*argv, status=1, **options)
        assert done.stderr.startswith("ocipy: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert self.left() == []
        return done.stderr.removeprefix("ocipy: ").rstrip("\n")

    def bundle(self, *args, change=None, own_rootfs=False):
        """A new bundle's path: what ``ocipy spec --rootless`` writes, with these ``args`` and without a terminal."""
        self._count += 1
        path = self.home / f"bundle-{self._count}"
        path.mkdir()
        config = default_config(rootless=True)
        map_ids((0, self.uid, 1))(config)
        config["process"].update(args=list(args) or ["true"], terminal=False)
        config["process"]["capabilities"]["ambient"] = []  # which aren't inheritable: a warning each time
        if own_rootfs:
            shutil.copytree(self.rootfs, path / "rootfs", symlinks=True)
            subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", path / "rootfs"], check=True)
            config["root"] = {"path": "rootfs", "readonly": False}
        else:
            config["root"]["path"] = str(self.rootfs)
        if change:
            change(config)
        write_config(path, config)
        os.chown(path, self.uid, self.uid)
        return path

    def inside(self, script, change=None, **keywords):
        """Run a shell script in a container of its own: what it printed."""
        done = self("run", "--bundle", self.bundle("sh", "-c", script, change=change, **keywords), "c1", status=0)
        assert not done.stderr, done.stderr
        return done.stdout

    def state(self, container):
        return json.loads(self("state", container, status=0).stdout)

    def wait_stopped(self, container):
        until(lambda: self.state(container)["status"] == "stopped", f"the end of {container}")

    def left(self):
        """Ids of containers that are still there."""
        if not self.root.exists():
            return []
        return sorted(entry.name for entry in self.root.iterdir() if not entry.name.startswith("@"))


def add_subordinate_user():
    """A user with ranges of ids: (first uid, first gid) of 65536 each; see ``remove_subordinate_user``."""
    name = SUBORDINATE_NAME
    if subprocess.run(["getent", "passwd", name], check=False, capture_output=True).returncode:
        subprocess.run(["useradd", "--no-create-home", "--uid", str(SUBORDINATE), name], check=True)
    firsts = []
    for file in ("/etc/subuid", "/etc/subgid"):
        lines = Path(file).read_text().splitlines()
        mine = [line.split(":") for line in lines if line.startswith(f"{name}:")]
        if not mine:
            mine = [[name, "700000", "65536"]]
            with open(file, "a") as append:
                append.write(":".join(mine[0]) + "\n")
        firsts.append(int(mine[0][1]))
    return tuple(firsts)


def remove_subordinate_user():
    """userdel(8) takes the ranges away as well."""
    subprocess.run(["userdel", SUBORDINATE_NAME], check=False, capture_output=True)


def map_ids(*ranges, groups=None):
    """A change of a config: map these ranges (inside, outside, size) of users, and of groups unless given apart."""

    def change(config):
        for name, listed in (("uidMappings", ranges), ("gidMappings", groups or ranges)):
            config["linux"][name] = [{"containerID": a, "hostID": b, "size": size} for a, b, size in listed]

    return change
