"""Fifty lives leave nothing; and nothing of the host is in a container that waits or runs."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from ocipy.container import Container
from tests.system.runtime import cgroup_mounts, children, until

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
_F_GET_SEALS = 1034
_ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8


def census(ocipy, name):
    """Descriptors of this process, mounts, cgroups, processes, state directories: all that could be left."""
    return {
        "fds": len(os.listdir("/proc/self/fd")),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "cgroups": [str(mount / name) for mount in cgroup_mounts() if (mount / name).exists()],
        "processes": children(),
        "state": ocipy.left(),
    }


def test_fifty_rounds_of_the_library(ocipy, bundle, test_name):
    path, root = str(bundle(*FOREVER)), str(ocipy.root)
    before = None
    for number in range(51):  # the first round loads modules and makes the root directory
        container = Container.create(f"round-{number}", path, root=root)
        container.start()
        container.kill("KILL")
        assert container.wait() == 137
        container.delete()
        before = before or census(ocipy, test_name)
    assert census(ocipy, test_name) == before


def test_rounds_of_the_command(ocipy, bundle, test_name):
    path = bundle(*FOREVER)
    before = census(ocipy, test_name)
    for number in range(10):
        container = f"round-{number}"
        ocipy("create", "-b", path, container, status=0)
        ocipy("start", container, status=0)
        ocipy("kill", container, "KILL", status=0)
        ocipy("delete", "--force", container, status=0)
    children()  # reaps
    assert census(ocipy, test_name) == before


def test_failures_leave_no_fds(ocipy, bundle, test_name):
    path, root = str(bundle("no-such-program")), str(ocipy.root)
    before = None
    for number in range(10):
        with pytest.raises(Exception, match=r"executable file not found in \$PATH"):
            Container.create(f"round-{number}", path, root=root)
        before = before or census(ocipy, test_name)
    assert census(ocipy, test_name) == before


def test_a_created_containers_program_is_a_sealed_memfd(ocipy, bundle):
    pid = ocipy.pid(ocipy.create(bundle(*FOREVER)))
    assert os.readlink(f"/proc/{pid}/exe") == "/memfd:ocipy-init (deleted)"
    fd = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
    try:
        assert fcntl.fcntl(fd, _F_GET_SEALS) & _ALL_SEALS == _ALL_SEALS
    finally:
        os.close(fd)
    with pytest.raises(OSError, match="exe") as raised:
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)
    assert raised.value.errno in (errno.EPERM, errno.ETXTBSY)


def test_a_created_container_holds_nothing_of_the_host(ocipy, bundle):
    """No mapping of a file of the host, no directory outside the container's root, no environment."""
    path = bundle(*FOREVER)
    pid = ocipy.pid(ocipy.create(path))
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    files = {line.split(maxsplit=5)[5] for line in maps if len(line.split(maxsplit=5)) == 6}
    assert {name for name in files if name.startswith("/")} <= {
        "/memfd:ocipy-init (deleted)",
        "/memfd:ocipy-plan (deleted)",
    }
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    others = {name for fd, name in links.items() if int(fd) > 2}
    assert all(name.startswith("socket:") for name in others), links
    assert os.readlink(f"/proc/{pid}/root") == "/"
    assert os.stat(f"/proc/{pid}/root").st_ino == os.stat(ocipy.state(ocipy.left()[0])["rootfs"]).st_ino


def test_a_running_container_has_stdio_only(ocipy, bundle):
    pid = ocipy.pid(ocipy.start(bundle(*FOREVER)))
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    assert os.readlink(f"/proc/{pid}/exe") == "/bin/busybox"
    host = {Path(f"/proc/self/ns/{kind}").readlink() for kind in ("mnt", "pid", "net", "ipc", "uts")}
    own = {Path(f"/proc/{pid}/ns/{kind}").readlink() for kind in ("mnt", "pid", "net", "ipc", "uts")}
    assert not host & own


@pytest.mark.parametrize("as_link", [False, True])
def test_proc_self_exe_as_entrypoint_reaches_no_host_file(ocipy, bundle, as_link):
    """CVE-2019-5736: the container runs its own runtime again, in the hope to find a host's binary."""
    path = bundle("/run-me" if as_link else "/proc/self/exe", own_rootfs=True)
    (path / "rootfs/run-me").symlink_to("/proc/self/exe")
    done = ocipy.run(path)
    assert done.returncode != 0
    assert done.stderr == "ocipy-init: started by ocipy only\n"
    assert done.stdout == ""


def test_proc_self_exe_with_arguments_of_its_own(ocipy, bundle):
    """Descriptors it might be made to use are not there."""
    done = ocipy.run(bundle("/proc/self/exe", "3"))
    assert done.returncode != 0
    assert done.stderr == "ocipy-init: no plan\n"


def test_the_memfd_cannot_be_written_from_inside(ocipy, bundle):
    """A process that shares the PID namespace looks at init's executable while it is there."""
    holder = ocipy.start(bundle(*FOREVER))
    namespace = f"/proc/{ocipy.pid(holder)}/ns/pid"

    def join(config):
        next(each for each in config["linux"]["namespaces"] if each["type"] == "pid")["path"] = namespace

    waiting = ocipy.create(bundle(*FOREVER, change=join))
    pid_inside = Path(f"/proc/{ocipy.pid(waiting)}/status").read_text().partition("NSpid:")[2].split()[1]
    spy = bundle("sh", "-c", f"readlink /proc/{pid_inside}/exe; echo x > /proc/{pid_inside}/exe", change=join)
    done = ocipy.run(spy)
    assert done.returncode != 0
    assert "can't create" in done.stderr
    assert done.stdout in ("", "/memfd:ocipy-init (deleted)\n")


def test_no_interpreter_is_among_the_containers_processes(ocipy, bundle):
    container = ocipy.expect(ocipy.new_id())
    script = "for p in /proc/[0-9]*; do readlink $p/exe; done; echo end; sleep 1000"
    done = ocipy("run", "-d", "-b", bundle("sh", "-c", script), container, status=0)
    until(lambda: done.output.read_text().endswith("end\n"), "the output")
    assert set(done.output.read_text().splitlines()) == {"/bin/busybox", "end"}
