"""Control groups of ordinary users' containers: where one is delegated to the user, and where none is."""

import os
from pathlib import Path

import pytest

from tests.system.looking import set_linux, set_namespaces, together, writable_cgroups
from tests.system.rootless import NOBODY, UNIFIED
from tests.system.runtime import cgroup_mounts, until, wait_ended

pytestmark = [pytest.mark.root, pytest.mark.rootless]

FOREVER = ("sleep", "1000")
# Moves itself into the cgroups whose cgroup.procs are its arguments up to "--", then runs the rest.
MOVE = ("sh", "-c", 'while [ "$1" != -- ]; do echo 0 > "$1" || exit; shift; done; shift; exec "$@"', "sh")


class Delegated:
    """``/NAME`` of some hierarchies as the user's own, with ``me`` in it, where the runtime runs.

    ``tops`` are the directories, by the name of the hierarchy's mount point.
    """

    def __init__(self, name, user, mounts):
        self.tops = {mount.name: mount / name for mount in mounts}
        for top in self.tops.values():
            for directory in (top, top / "me"):
                directory.mkdir()
                _fill_cpuset(directory)
                for path in (directory, directory / "cgroup.procs", *directory.glob("cgroup.subtree_control")):
                    os.chown(path, NOBODY, NOBODY)
        user.wrap = (*user.wrap, *MOVE, *(str(top / "me/cgroup.procs") for top in self.tops.values()), "--")

    def places(self, container):
        """Names of the hierarchies in which the container has a cgroup below ours."""
        return sorted(name for name, top in self.tops.items() if list(top.glob(f"**/{container}/cgroup.procs")))

    def remove(self):
        for top in self.tops.values():
            (top / "me").rmdir()
            top.rmdir()


def _fill_cpuset(directory):
    """A v1 cpuset takes no process before it has these."""
    if (directory / "cpuset.cpus").exists() and (directory / "cgroup.clone_children").exists():
        for name in ("cpuset.cpus", "cpuset.mems"):
            (directory / name).write_text((directory.parent / name).read_text())


@pytest.fixture
def delegate(as_user, test_name):
    """``delegate()``, or ``delegate("memory", "unified")``: cgroups of the user's in all or some hierarchies."""
    made = []

    def delegate_(*names):
        mounts = [mount for mount in cgroup_mounts() if not names or mount.name in names]
        made.append(Delegated(test_name, as_user, mounts))
        return made[-1]

    yield delegate_
    for container in as_user.left():
        as_user("delete", "--force", container, status=0)
    for each in made:
        each.remove()


def cgroups_of_process(pid):
    """Hierarchy (controllers, or "") → cgroup."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return dict(line.split(":", 2)[1:] for line in lines)


def test_none_is_delegated(as_user):
    """The container stays where the runtime is, which --debug says."""
    done = as_user("--debug", "run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    assert "no cgroup is delegated to this user" in done.stderr
    assert "warning" not in done.stderr
    assert cgroups_of_process(as_user.state("c1")["pid"]) == cgroups_of_process("self")


def test_limits_where_none_is_delegated(as_user):
    path = as_user.bundle(change=set_linux(resources={"pids": {"limit": 5}}))
    assert as_user.fails("create", "--bundle", path, "c1").startswith(
        "linux.resources.pids.limit: no cgroup with its controller is delegated to this user (run in a delegated one ("
    )


def test_device_rules_are_no_limits(as_user):
    """Engines send them always; what they forbid, making and opening nodes, an ordinary user can't do anyway."""
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}]
    path = as_user.bundle("sh", "-c", "! mknod /dev/x c 1 3 2>&1", change=set_linux(resources={"devices": rules}))
    assert "Operation not permitted" in as_user("run", "--bundle", path, "c1", status=0).stdout


def test_a_path_where_none_is_delegated(as_user, test_name):
    """Who names a cgroup gets that one or an error (config-linux.md, Cgroups Path), and nothing is left of it."""
    path = as_user.bundle(change=set_linux(cgroupsPath=f"/{test_name}"))
    line = as_user.fails("create", "--bundle", path, "c1")
    assert line.startswith("linux.cgroupsPath: make the cgroup /sys/fs/cgroup/")
    assert "EACCES" in line
    assert "on a delegated one" in line


def test_every_hierarchy(as_user, delegate):
    """The container's cgroups are beside the runtime's (v2), or below it (v1); the user can undo all of it."""
    cgroups = delegate()
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    pid = as_user.state("c1")["pid"]
    assert cgroups.places("c1") == sorted(cgroups.tops)
    assert {path.rpartition("/")[2] for path in cgroups_of_process(pid).values()} == {"c1"}
    as_user("kill", "--all", "c1", "KILL", status=0)
    as_user.wait_stopped("c1")
    as_user("delete", "c1", status=0)
    assert cgroups.places("c1") == []


@pytest.mark.cgroup_v1("memory", "pids")
def test_limits(as_user, delegate):
    cgroups = delegate()
    change = set_linux(resources={"pids": {"limit": 5}, "memory": {"limit": 1 << 26}, "cpu": {"shares": 99}})
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER, change=change), "c1", status=0)
    found = [
        (cgroups.tops[name] / "me/c1" / file).read_text().strip()
        for name, file in (("pids", "pids.max"), ("memory", "memory.limit_in_bytes"), ("cpu", "cpu.shares"))
    ]
    assert found == ["5", str(1 << 26), "99"]


@pytest.mark.cgroup_v1("memory", "pids")
def test_some_hierarchies(as_user, delegate):
    """The container is in those; a limit is kept where its controller is, or refused before anything is made."""
    cgroups = delegate("pids", "freezer")
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER, change=set_linux(resources={"pids": {"limit": 5}})), "c1",
            status=0)  # fmt: skip
    found = cgroups_of_process(as_user.state("c1")["pid"])
    assert {name for name, path in found.items() if path.endswith("/me/c1")} == {"pids", "freezer"}
    as_user("delete", "--force", "c1", status=0)
    path = as_user.bundle(change=set_linux(resources={"pids": {"limit": 5}, "memory": {"limit": 1 << 26}}))
    assert as_user.fails("create", "--bundle", path, "c1").startswith("linux.resources.memory.limit: no cgroup with")
    assert cgroups.places("c1") == []


@pytest.mark.cgroup_v1("memory", "pids", "freezer")
def test_update_and_pause(as_user, delegate):
    """In the hierarchies where the container has a cgroup; device rules are none of a user's, here either."""
    cgroups = delegate("pids", "freezer")
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER, change=set_linux(resources={"pids": {"limit": 5}})), "c1",
            status=0)  # fmt: skip
    document = as_user.home / "update.json"
    document.write_text('{"pids": {"limit": 6}, "devices": [{"allow": true, "access": "rwm"}]}')
    document.chmod(0o644)
    as_user("update", "--resources", document, "c1", status=0)
    assert (cgroups.tops["pids"] / "me/c1/pids.max").read_text() == "6\n"
    done = as_user("update", "--pids-limit", 7, "--memory", "64m", "c1", status=1)
    assert done.stderr.startswith("ocipy: linux.resources.memory.limit: no cgroup with its controller is delegated")
    assert (cgroups.tops["pids"] / "me/c1/pids.max").read_text() == "6\n"
    as_user("pause", "c1", status=0)
    assert as_user.state("c1")["status"] == "paused"
    as_user("resume", "c1", status=0)


def test_update_without_a_cgroup(as_user):
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    done = as_user("update", "--pids-limit", 7, "c1", status=1)
    assert done.stderr == "ocipy: the container has no cgroup that could keep limits\n"


def test_a_path(as_user, delegate, test_name):
    """An absolute one, with ancestors to be made, which go with the container; and one relative to the runtime's."""
    cgroups = delegate()
    for name, path in (("c1", f"/{test_name}/a/b/c1"), ("c2", "c2")):
        as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER, change=set_linux(cgroupsPath=path)), name, status=0)
        assert cgroups.places(name) == sorted(cgroups.tops)
        as_user("delete", "--force", name, status=0)
        assert cgroups.places(name) == []
    assert not [top for top in cgroups.tops.values() if (top / "a").exists()]


def test_a_path_of_which_half_is_not_delegated(as_user, delegate, test_name):
    """What was made before the error is removed."""
    mounts = sorted(mount.name for mount in cgroup_mounts())
    if len(mounts) < 2:
        pytest.skip("needs two hierarchies")
    cgroups = delegate(*mounts[:-1])
    path = as_user.bundle(change=set_linux(cgroupsPath=f"/{test_name}/c1"))
    assert "EACCES" in as_user.fails("create", "--bundle", path, "c1")
    assert cgroups.places("c1") == []


def test_a_failure_leaves_no_cgroup(as_user, delegate):
    cgroups = delegate()
    assert as_user.fails("run", "--bundle", as_user.bundle("no-such-program"), "c1").startswith("exec no-such-program")
    assert cgroups.places("c1") == []


def test_processes_end_with_a_container_that_has_no_pid_namespace(as_user, delegate):
    """By the cgroup they are found."""
    delegate()
    change = together(set_namespaces(pid=None), no_proc_mount)
    path = as_user.bundle("sh", "-c", "sleep 1000 & echo $! > /dev/shm/pid; exec sleep 1000", change=change)
    as_user("run", "-d", "--bundle", path, "c1", status=0)
    pid = as_user.state("c1")["pid"]
    children = until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    as_user("delete", "--force", "c1", status=0)
    wait_ended(int(children[0]))


def no_proc_mount(config):
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/proc"]


def test_neither_cgroup_nor_pid_namespace(as_user):
    """It is warned of: processes that outlive init can't be found; kill --all is refused."""
    path = as_user.bundle(*FOREVER, change=together(set_namespaces(pid=None), no_proc_mount))
    done = as_user("run", "-d", "--bundle", path, "c1", status=0)
    assert "without a cgroup and a PID namespace, processes that outlive" in done.stderr
    done = as_user("kill", "--all", "c1", "KILL", status=1)
    assert done.stderr == "ocipy: container 'c1' has no cgroup to know its processes by: leave --all out\n"


def test_kill_all_without_a_cgroup(as_user):
    """With a PID namespace SIGKILL of init is SIGKILL of all; another signal can't reach the others."""
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    done = as_user("kill", "--all", "c1", "TERM", status=1)
    assert "has no cgroup to know its processes by" in done.stderr
    as_user("kill", "--all", "c1", "KILL", status=0)
    as_user.wait_stopped("c1")
    as_user("kill", "--all", "c1", "KILL", status=0)  # engines make sure


def test_rootless_false_insists(as_user):
    """Then errors of cgroups aren't forgiven: the default cgroup is root's."""
    line = as_user.fails("--rootless=false", "create", "--bundle", as_user.bundle(), "c1")
    assert line.startswith("linux.cgroupsPath: make the cgroup")
    assert "EACCES" in line


def test_root_may_call_itself_rootless(ocipy, bundle):
    """Then its default cgroup is below its own, and limits are kept there."""

    def change(config):
        del config["linux"]["cgroupsPath"]

    container = ocipy.new_id()
    ocipy("--rootless=true", "run", "-d", "--bundle", bundle(*FOREVER, change=change), container, status=0)
    ocipy.expect(container)
    found = cgroups_of_process(ocipy.pid(container))
    own = cgroups_of_process("self")
    assert all(path == f"{own[name].rstrip('/')}/{container}" for name, path in found.items() if name)


class TestUnified:
    """A host whose cgroups are those of version 2 alone."""

    @pytest.fixture(autouse=True)
    def unified(self, as_user):
        as_user.wrap = UNIFIED

    @pytest.fixture
    def delegate(self, as_user, test_name):
        (mount,) = [each for each in cgroup_mounts() if ((each / "cgroup.procs").exists() and each.name == "unified")
                    or each == Path("/sys/fs/cgroup")]  # fmt: skip
        made = Delegated(test_name, as_user, [mount])
        # Before the private /sys/fs/cgroup is made, whose paths are others.
        as_user.wrap = (*as_user.wrap[len(UNIFIED) :], *UNIFIED)
        yield made.tops[mount.name]
        for container in as_user.left():
            as_user("delete", "--force", container, status=0)
        made.remove()

    def test_beside_the_runtime_s_own(self, as_user, delegate):
        """Not below it: a cgroup with processes can't hand controllers down."""
        as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
        pid = as_user.state("c1")["pid"]
        assert cgroups_of_process(pid)[""] == f"/{delegate.name}/c1"
        assert (delegate / "c1").stat().st_uid == NOBODY
        as_user("kill", "--all", "c1", "KILL", status=0)
        as_user.wait_stopped("c1")
        as_user("delete", "c1", status=0)
        assert not (delegate / "c1").exists()

    def test_the_user_may_freeze_it(self, as_user, delegate):
        as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
        as_user.execute("sh", "-c", f"echo 1 > /sys/fs/cgroup/{delegate.name}/c1/cgroup.freeze", status=0)
        until(lambda: "frozen 1" in (delegate / "c1/cgroup.events").read_text())
        as_user("delete", "--force", "c1", status=0)

    def test_a_setting(self, as_user, delegate):
        change = set_linux(resources={"unified": {"cgroup.max.descendants": "7"}})
        as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER, change=change), "c1", status=0)
        assert (delegate / "c1/cgroup.max.descendants").read_text() == "7\n"

    def test_the_container_s_own_cgroup_namespace(self, as_user, delegate):
        """It may make cgroups below its own, which go with it."""
        change = together(set_namespaces(cgroup=""), writable_cgroups)
        path = as_user.bundle(
            "sh", "-ec", "cat /proc/self/cgroup; mkdir -p /sys/fs/cgroup/x/y; sleep 1000", change=change
        )
        done = as_user("run", "-d", "--bundle", path, "c1", status=0)
        until((delegate / "c1/x/y").exists)
        assert "0::/\n" in done.output.read_text()
        as_user("delete", "--force", "c1", status=0)
        assert not (delegate / "c1").exists()

    def test_from_outside_of_what_is_delegated(self, as_user, delegate):
        """The right to write to the cgroup isn't enough: the process has to be moved by who owns both ends."""
        as_user.wrap = UNIFIED
        as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c0", status=0)
        assert cgroups_of_process(as_user.state("c0")["pid"]) == cgroups_of_process("self")
        as_user("delete", "--force", "c0", status=0)
        path = as_user.bundle(change=set_linux(cgroupsPath=f"/{delegate.name}/c1"))
        line = as_user.fails("create", "--bundle", path, "c1")
        assert line.startswith(f"linux.namespaces: clone3 into /sys/fs/cgroup/{delegate.name}/c1: EACCES: ")
        assert "cgroup.procs of the first cgroup above it and the runtime's own" in line
        assert not (delegate / "c1").exists()
