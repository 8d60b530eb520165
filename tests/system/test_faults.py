"""A failure at every step of the plan: the message names the step, and nothing is left.

The steps a plan can have depend on the config and the host: several variants together have nearly every kind
(``UNREACHED`` lists the rest).
"""

import errno
import os
import platform
import socket
from pathlib import Path

import pytest

from ocipy import creation
from ocipy.container import Container
from ocipy.errors import StepError, describe_errno
from ocipy.handover import PidReport
from ocipy.host import probe
from ocipy.plan.ops import INIT, KINDS
from ocipy.plan.options import CreateOptions
from ocipy.pointers import dotted
from ocipy.state import StateDir
from tests.system.runtime import cgroups_of, children, mounts_below, until
from tests.system.seccomp_agent import Agent

pytestmark = pytest.mark.root

# Kinds no variant below has: the encoder puts the barriers in; test_labels.py and test_resctrl.py have those of kernels
# and processors that few have, test_systemd_fake.py those of scopes; network interfaces are the machine's
# (test_net_devices.py); with cgroup v1, devices are no matter of a filter, nor is the cgroup given away.
UNREACHED = {"barrier", "enter"}  # which the encoder adds
UNREACHED |= {"label", "file-label", "resctrl-group", "resctrl-monitor", "resctrl-join", "net-device"}
UNREACHED |= {"initial-affinity", "final-affinity", "outlive"}  # exec's: test_exec_faults.py
UNREACHED |= {"systemd-scope", "systemd-attach", "cgroup-enter", "cgroup-owner"}
UNREACHED |= {"device-filter"} if probe().hierarchies else set()
# A tmpfs can be id-mapped since Linux 6.3.
IDMAPS = tuple(map(int, platform.release().split(".")[:2])) >= (6, 3)
UNREACHED |= set() if IDMAPS else {"idmap-tree"}

HOOK = {"path": "/bin/true"}
AGENT = f"/tmp/ocipy-test-{os.getpid()}-agent.sock"


def everything(config):
    """Most kinds of steps, without a user namespace."""
    process, linux = config["process"], config["linux"]
    process["oomScoreAdj"] = 500
    process["noNewPrivileges"] = False
    process["cwd"] = "/tmp"
    process["scheduler"] = {"policy": "SCHED_BATCH"}
    process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 5}
    linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT"}
    linux["personality"] = {"domain": "LINUX"}
    linux["namespaces"].append({"type": "cgroup"})
    linux["resources"]["pids"] = {"limit": 100}
    linux["sysctl"] = {"net.ipv4.ip_forward": "0"}
    linux["rootfsPropagation"] = "rprivate"
    linux["devices"] = [{"path": "/dev/pipe", "type": "p"}]
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}],
    }
    config["domainname"] = "example.org"
    config["hooks"] = {kind: [HOOK] for kind in ("prestart", "createRuntime", "createContainer", "startContainer")}
    config["mounts"].append({"destination": "/mnt", "source": "/usr", "options": ["rbind", "ro"]})
    if IDMAPS:
        maps = [{"containerID": 0, "hostID": 1, "size": 1}]
        mount = {"destination": "/mnt", "source": "/dev/shm", "uidMappings": maps, "gidMappings": maps}
        config["mounts"].append(mount | {"options": ["bind", "idmap"]})


def with_a_terminal(config):
    config["process"]["terminal"] = True
    linux = config["linux"]
    dev = next(mount for mount in config["mounts"] if mount["destination"] == "/dev")
    dev["options"].append("ro")
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}],
    }


def with_a_user_namespace(config):
    linux = config["linux"]
    linux["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        linux[name] = [{"containerID": 0, "hostID": 0, "size": 65536}]


def with_an_agent(config):
    config["process"]["noNewPrivileges"] = True
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": AGENT,
        "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_NOTIFY"}],
    }


def without_a_mount_namespace(config):
    linux = config["linux"]
    linux["namespaces"] = [{"type": kind} for kind in ("pid", "ipc", "uts", "network")]
    linux.update(maskedPaths=[], readonlyPaths=[])
    config["mounts"] = []
    config["root"]["readonly"] = False


VARIANTS = {
    "everything": (everything, {}),
    "no pivot": (None, {"no_pivot": True}),
    "terminal": (with_a_terminal, {}),
    "sockets": (None, {"listen_fds": 1}),
    "agent": (with_an_agent, {}),
    "user namespace": (with_a_user_namespace, {}),
    "chroot": (without_a_mount_namespace, {}),
}


class Variant:
    """One config, and its plan."""

    def __init__(self, bundle, name):
        change, options = VARIANTS[name]
        # Without a mount namespace, devices and directories are made in the root filesystem itself.
        path = str(bundle("sleep", "1000", change=change, own_rootfs=name == "chroot"))
        self.options = lambda container: CreateOptions(container, path, **options)
        _, _, self.plan = creation.prepare(self.options("x"))


def open_fds():
    return sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd))


def _is_open(fd):
    try:
        os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # that of the listing itself
        return False
    return True


def create(ocipy, variant, container, fault, console):
    """creation.create with a fault."""
    directory = StateDir(str(ocipy.root), container)
    creation.create(directory, variant.options(container), console=console, fault=fault)


def check_message(problem, op, index):
    text = str(problem)
    assert "\n" not in text
    assert problem.index == index
    assert problem.pointer == op.pointer
    if op.name in ("find-program", "exec"):
        return
    assert problem.errno == errno.EDOM
    assert describe_errno(errno.EDOM) in text
    place = dotted(op.pointer)
    if op.name == "hook":
        place = f"error running {op.pointer.split('/')[2]} hook #0"
    assert text.startswith(place or op.name), text


def is_left(ocipy, test_name):
    """What there is after a failure: nothing."""
    assert children() == []
    assert ocipy.left() == []
    assert cgroups_of(test_name) == []
    assert mounts_below(ocipy.directory) == []


@pytest.fixture
def console():
    """A connected socket for the terminal's master, which lies in it: were it closed, init would get SIGHUP."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours.fileno()


@pytest.fixture
def agent():
    """A seccomp agent for the variant that has one."""
    with Agent(AGENT):
        yield
    os.unlink(AGENT)


@pytest.fixture
def third_descriptor():
    """Inheritable, as one that is handed over by LISTEN_FDS=1; it may be one of pytest's."""
    if _is_open(3):
        before = os.get_inheritable(3)
        os.set_inheritable(3, True)
        yield
        os.set_inheritable(3, before)
    else:
        with open("/dev/null", "rb") as null:
            os.dup2(null.fileno(), 3)
        yield
        os.close(3)


def wait_for(fds):
    """The agent, which is in this process, closes the listener of a process that has ended when it comes to it."""
    until(lambda: open_fds() == fds, "the same descriptors as before")


def _is_end(ops, index):
    """Whether it is the first or the last of its kind: in one plan all are tried, in the others these."""
    same = [number for number, op in enumerate(ops) if op.name == ops[index].name]
    return index in (same[0], same[-1])


@pytest.mark.usefixtures("agent", "third_descriptor")
@pytest.mark.parametrize("name", VARIANTS)
def test_a_fault_at_every_step(ocipy, bundle, test_name, name, console):
    variant = Variant(bundle, name)
    ops = variant.plan.ops
    wait = next(index for index, op in enumerate(ops) if op.name == "wait-start")
    fds = None
    for index, op in enumerate(ops):
        if name != "everything" and not _is_end(ops, index):
            continue
        container = f"{test_name}-{index}"
        if index > wait and op.actor == INIT:
            create(ocipy, variant, container, (index, errno.EDOM), console)
            with pytest.raises(StepError) as raised:
                Container(container, str(ocipy.root)).start()
            if op.name != "hook":  # after whose failure start has destroyed it
                assert Container(container, str(ocipy.root)).status == "stopped"
                Container(container, str(ocipy.root)).delete()
        else:
            with pytest.raises(StepError) as raised:
                create(ocipy, variant, container, (index, errno.EDOM), console)
        try:
            check_message(raised.value, op, index)
            is_left(ocipy, test_name)
            fds = fds or open_fds()
            wait_for(fds)
        except AssertionError as problem:
            raise AssertionError(f"step {index} ({op!r}): {raised.value}") from problem


def test_the_variants_have_every_kind_of_step(ocipy, bundle):
    met = {op.name for name in VARIANTS for op in Variant(bundle, name).plan.ops}
    assert set(KINDS) - met == UNREACHED


def test_a_fault_in_a_cgroup_that_holds_processes(ocipy, bundle, test_name):
    """A cgroup in use is refused, and its processes live on."""
    mount = Path("/sys/fs/cgroup/pids")
    if not mount.is_dir():
        pytest.skip("needs the v1 pids controller")
    path = bundle("true")
    occupied = mount / test_name / path.name / "below"
    occupied.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        import signal

        signal.pause()
        os._exit(0)
    try:
        (occupied / "cgroup.procs").write_text(str(child))
        message = ocipy.fails("create", "-b", path, ocipy.new_id())
        assert message.startswith("linux.cgroupsPath: ")
        assert str(occupied.parent) in message
        os.kill(child, 0)
        assert (occupied / "cgroup.procs").read_text().split() == [str(child)]
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        for directory in (occupied, occupied.parent, occupied.parent.parent):
            directory.rmdir()


def test_every_cgroup_hierarchys_root_is_refused():
    """cgroupsPath "/" would have the whole host killed with the container."""
    from ocipy.cgroups.paths import container_paths

    paths = container_paths(probe(), "/", "x")
    for name, path in paths.items():
        with pytest.raises(StepError, match="is in use"):
            creation._check_cgroups({name: path})


def test_a_failure_after_the_pid_file_takes_it_along(ocipy, bundle, tmp_path):
    container, path, pid_file = ocipy.new_id(), str(bundle("true")), tmp_path / "pid"
    plan = creation.prepare(CreateOptions(container, path))[2]
    index = next(number for number, op in enumerate(plan.ops) if op.name == "wait-start")
    directory = StateDir(str(ocipy.root), container)
    report = PidReport(str(pid_file))
    with pytest.raises(StepError):
        creation.create(directory, CreateOptions(container, path), report=report, fault=(index, errno.EIO))
    assert not pid_file.exists()


def test_what_cannot_be_undone_keeps_nothing_else(ocipy, bundle, monkeypatch):
    """Such as cgroups, for want of a descriptor to list them by."""
    from ocipy.cgroups import manager

    remove = manager.remove

    def failing(*arguments):
        remove(*arguments)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/sys/fs/cgroup")

    container, path = ocipy.new_id(), str(bundle("true"))
    monkeypatch.setattr(manager, "remove", failing)
    with pytest.raises(StepError, match="fault injected"):
        creation.create(StateDir(str(ocipy.root), container), CreateOptions(container, path), fault=(0, errno.EIO))
    assert ocipy.left() == []
    creation.create(StateDir(str(ocipy.root), container), CreateOptions(container, path))
    with pytest.raises(OSError, match="Too many open files"):
        Container(container, str(ocipy.root)).delete(force=True)
    assert ocipy.left() == []
