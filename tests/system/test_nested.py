"""ocipy inside a container of ocipy's with a user namespace: as root of that namespace, and in one more below it."""

import os

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.capabilities import NAMES
from tests.system.looking import (
    in_user_namespace,
    set_namespaces,
    together,
    without_tty_group,
    writable_cgroups,
    write_config,
)
from tests.system.runtime import REPOSITORY, RUNTIME

pytestmark = pytest.mark.root

HOST_ID = 100000
SETS = ("bounding", "effective", "permitted")
OWN = ("proc", "sys", "dev", "tmp", "run")  # of the directories below /, those the outer container has of its own


class Outer:
    """A container with the host's programs, all capabilities and nothing masked, in which ocipy runs as root.

    ``directory`` is the same inside, and belongs to the container's root.  Where /proc is masked, the kernel lets
    nobody mount another (mount_too_revealing in fs/namespace.c): whoever nests containers has to leave that out.
    """

    def __init__(self, ocipy, bundle, directory, rootfs):
        self.directory = directory / "outer"
        self.rootfs = rootfs
        self._ocipy = ocipy
        self._bundle = bundle
        for path in (self.directory, self.directory / "run"):
            path.mkdir()
            os.chown(path, HOST_ID, HOST_ID)

    def run(self, script, *changes):
        """Run a shell script in it, ``$OCIPY`` being the command: what it printed."""
        path = self._bundle("/bin/sh", "-ec", script, change=together(in_user_namespace, self._change, *changes))
        self._fill(path / "rootfs")
        done = self._ocipy.run(path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
        return done.stdout

    def bundle(self, name, *args, change=None, rootless=False):
        """A bundle for the inner ocipy."""
        config = default_config(rootless)
        config["root"]["path"] = str(self.rootfs)
        config["process"].update(args=list(args), terminal=False)
        del config["process"]["capabilities"]["ambient"]
        if change:
            change(config)
        path = self.directory / name
        path.mkdir()
        os.chown(path, HOST_ID, HOST_ID)
        write_config(path, config)

    def _change(self, config):
        set_namespaces(cgroup="")(config)
        config["linux"].update(maskedPaths=[], readonlyPaths=[])
        config["root"] = {"path": "rootfs", "readonly": True}
        config["process"].update(
            cwd=str(self.directory),
            env=[f"PATH={os.environ['PATH']}", f"OCIPY={RUNTIME} --root {self.directory}/run"],
            capabilities={kind: list(NAMES) for kind in SETS},
            noNewPrivileges=False,
        )
        for place in (*_host_directories(), str(REPOSITORY), str(self.rootfs)):
            config["mounts"].append({"destination": place, "source": place, "options": ["rbind", "ro"]})
        config["mounts"].append(
            {"destination": str(self.directory), "source": str(self.directory), "options": ["bind"]}
        )

    def _fill(self, root):
        """Places for what is bound: the root filesystem itself is read-only, and holds nothing else."""
        names = (*_host_directories(), *(f"/{name}" for name in OWN), str(REPOSITORY), str(self.rootfs))
        for place in (*names, str(self.directory)):
            (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir("/"):
            if entry.is_symlink():
                (root / entry.name).symlink_to(os.readlink(entry.path))


def _host_directories():
    return sorted(
        entry.path for entry in os.scandir("/") if entry.is_dir(follow_symlinks=False) and entry.name not in OWN
    )


@pytest.fixture
def outer(ocipy, bundle, tmp_path, busybox_rootfs):
    return Outer(ocipy, bundle, tmp_path, busybox_rootfs)


def mapped(host, size):
    """A change: a user namespace of its own with ids from 0 on, among which the terminals' group needn't be."""
    return together(lambda config: in_user_namespace(config, host=host, size=size), without_tty_group)


LIFE = """
    $OCIPY create --bundle inner c1
    $OCIPY state c1 | grep -o '"status": "created"'
    $OCIPY start c1
    pid=$($OCIPY state c1 | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
    cat /proc/$pid/comm
    $OCIPY list -q
    $OCIPY kill c1 KILL
    until $OCIPY state c1 | grep -o stopped; do sleep 0.01; done
    $OCIPY delete c1
    $OCIPY list -q | wc -l
    ls run
"""


@pytest.mark.parametrize("change", [None, mapped(0, 65536), mapped(1000, 10)], ids=["root", "all ids", "some ids"])
def test_the_life_of_a_container_in_a_container(outer, change):
    outer.bundle("inner", "sleep", "1000", change=change)
    assert outer.run(LIFE).split() == ['"status":', '"created"', "sleep", "c1", "stopped", "0"]


def test_what_the_inner_container_is(outer):
    """It has namespaces and devices of its own; its root is the outer one's."""
    script = "id -u; cat /proc/self/uid_map; echo $$; hostname; echo x > /dev/null; ls /dev/pts; cat /proc/net/dev"
    outer.bundle("inner", "sh", "-c", script)
    said = outer.run("$OCIPY run --bundle inner c1")
    assert said.split()[:7] == ["0", "0", str(HOST_ID), "65536", "1", "runc", "ptmx"]
    assert [line.split(":")[0].strip() for line in said.splitlines() if ":" in line] == ["lo"]


def test_a_rootless_config(outer):
    """The network isn't the inner user namespace's, so /sys is bound; ids of its own are one."""
    outer.bundle("inner", "sh", "-c", "cat /proc/self/uid_map; ls /sys | grep -c class", rootless=True)
    assert outer.run("$OCIPY run --bundle inner c1").split() == ["0", "0", "1", "1"]


def test_a_joined_user_namespace(outer):
    """The one of another inner container, by path, with its PID namespace; what is new belongs to it."""
    script = "cat /proc/self/uid_map; echo $$; readlink /proc/self/ns/user; hostname"
    paths = {"user": "/proc/PID/ns/user", "pid": "/proc/PID/ns/pid"}
    outer.bundle("first", "sleep", "1000", change=mapped(1000, 10))
    outer.bundle("second", "sh", "-c", script, change=together(set_namespaces(**paths), without_tty_group))
    *mapping, pid, namespace, host, wanted = outer.run("""
        $OCIPY run -d --bundle first c1
        pid=$($OCIPY state c1 | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
        sed -i s/PID/$pid/g second/config.json
        $OCIPY run --bundle second c2
        readlink /proc/$pid/ns/user
        $OCIPY delete --force c1
    """).split()
    assert (mapping, namespace, host) == (["0", "1000", "10"], wanted, "runc")
    assert pid != "1"


def test_hooks(outer):
    def change(config):
        config["hooks"] = {
            kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $(id -u) >> {outer.directory}/log"]}]
            for kind in ("createRuntime", "poststart", "poststop")
        }

    outer.bundle("inner", "true", change=change)
    assert outer.run("$OCIPY run --bundle inner c1; cat log").splitlines() == [
        "createRuntime 0", "poststart 0", "poststop 0",
    ]  # fmt: skip


def test_limits_where_no_cgroup_may_be_made(outer):
    """The outer container's cgroup is the host's root's."""
    outer.bundle("inner", "true", change=lambda config: config["linux"]["resources"].update(pids={"limit": 10}))
    said = outer.run("! $OCIPY run --bundle inner c1 2>&1; ls run")
    assert said.startswith("ocipy: linux.resources.pids.limit: ")
    assert said.count("\n") == 1


def test_cgroups_delegated_to_the_outer_container_s_root(outer):
    """Then the inner container has its own below the outer one's, in every hierarchy."""
    give = "for d in /sys/fs/cgroup/*/$0 /sys/fs/cgroup/$0; do [ ! -d $d ] || chown -R 100000:100000 $d; done"

    def hand_over(config):
        """By a hook of the runtime's, where an engine does it itself."""
        hook = {"path": "/bin/sh", "args": ["sh", "-c", give, config["linux"]["cgroupsPath"]]}
        config["hooks"] = {"createRuntime": [hook | {"env": ["PATH=/bin:/usr/bin"]}]}

    outer.bundle("inner", "cat", "/proc/self/cgroup")
    look = "ls -d /sys/fs/cgroup/c1 /sys/fs/cgroup/*/c1 2> /dev/null | wc -l"
    script = f"cat /proc/self/cgroup; $OCIPY run --bundle inner c1; {look}"
    *lines, left = outer.run(script, hand_over, writable_cgroups).splitlines()
    # A hybrid host's unified hierarchy is none that the container finds mounted.
    paths = [line.split(":", 2)[2] for line in lines if len(lines) == 2 or not line.startswith("0::")]
    assert paths == ["/"] * (len(paths) // 2) + ["/c1"] * (len(paths) // 2)
    assert left == "0"


def test_a_masked_proc(outer):
    """Then a user namespace below can't have one of its own; the error says so."""
    outer.bundle("inner", "true", change=mapped(0, 65536))
    said = outer.run(
        "! $OCIPY run --bundle inner c1 2>&1; ls run",
        lambda config: config["linux"].update(maskedPaths=["/proc/keys"]),
    )
    assert said.startswith("ocipy: mounts[0] (/proc): mount proc: ")
    assert "the host's /proc is masked" in said


def test_exec(outer):
    outer.bundle("inner", "sleep", "1000")
    script = """
    $OCIPY run -d -b inner c
    $OCIPY exec -u 3:4 c id
    $OCIPY exec c sh -c '[ $(readlink /proc/self/ns/mnt) = $(readlink /proc/1/ns/mnt) ]'
    $OCIPY delete -f c
    """
    assert outer.run(script) == "uid=3 gid=4\n"
