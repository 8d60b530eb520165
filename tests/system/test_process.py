"""The process: user, groups, limits, working directory, descriptors."""

import contextlib
import fcntl
import os
import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    add_mounts,
    bind,
    inside,
    set_capabilities,
    set_linux,
    set_process,
    set_user,
    status_field,
    together,
)
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root


# Who it is.


def test_user_and_groups(ocipy, bundle):
    change = set_user(uid=1000, gid=1001, additionalGids=[5, 7, 4000000000])
    said = inside(ocipy, bundle, "cat /proc/self/status", change=change)
    assert status_field(said, "Uid").split() == ["1000"] * 4
    assert status_field(said, "Gid").split() == ["1001"] * 4
    assert status_field(said, "Groups").split() == ["5", "7", "4000000000"]
    said = inside(ocipy, bundle, "cat /proc/self/status")
    assert status_field(said, "Groups") == "", "the runtime's own groups are gone"


@pytest.mark.parametrize(("values", "mask"), [({}, "0022"), ({"umask": 0}, "0000"), ({"umask": 0o77}, "0077")])
def test_umask(ocipy, bundle, values, mask):
    assert inside(ocipy, bundle, "umask", change=set_user(**values)).strip() == mask


@pytest.mark.parametrize("flag", [True, False])
def test_no_new_privileges(ocipy, bundle, flag):
    said = inside(ocipy, bundle, "cat /proc/self/status", change=set_process(noNewPrivileges=flag))
    assert status_field(said, "NoNewPrivs") == str(int(flag))


# What it may use.


def limits(text):
    table = {}
    for line in text.splitlines()[1:]:
        table[line[:26].strip()] = tuple(line[26:].split()[:2])
    return table


def test_limits(ocipy, bundle):
    def lower(kind, most):
        hard = resource.getrlimit(kind)[1]
        return most if hard == resource.RLIM_INFINITY else min(most, hard)

    names = {
        "RLIMIT_NOFILE": ("Max open files", 64, 128),
        "RLIMIT_CORE": ("Max core file size", 0, 0),
        "RLIMIT_CPU": ("Max cpu time", 50, 60),
        "RLIMIT_FSIZE": ("Max file size", 1 << 20, 1 << 21),
        "RLIMIT_STACK": ("Max stack size", 1 << 22, 1 << 23),
        "RLIMIT_NPROC": ("Max processes", 1000, 2000),
        "RLIMIT_MEMLOCK": ("Max locked memory", 4096, 8192),
        "RLIMIT_AS": ("Max address space", 1 << 32, 1 << 33),
        "RLIMIT_MSGQUEUE": ("Max msgqueue size", 1000, lower(resource.RLIMIT_MSGQUEUE, 2000)),
        "RLIMIT_SIGPENDING": ("Max pending signals", 10, 20),
    }
    rlimits = [{"type": kind, "soft": soft, "hard": hard} for kind, (_, soft, hard) in names.items()]
    change = together(set_process(rlimits=rlimits), set_user(uid=1000, gid=1000))
    table = limits(inside(ocipy, bundle, "cat /proc/self/limits", change=change))
    for line, soft, hard in names.values():
        assert table[line] == (str(soft), str(hard)), line


def test_limits_are_the_program_s_alone(ocipy, bundle):
    """So low that the setup itself couldn't work under them."""
    rlimits = [{"type": "RLIMIT_NOFILE", "soft": 4, "hard": 4}, {"type": "RLIMIT_FSIZE", "soft": 0, "hard": 0}]
    path = bundle("sleep", "1000", change=set_process(rlimits=rlimits))
    pid = ocipy.pid(ocipy.start(path))
    table = limits(Path(f"/proc/{pid}/limits").read_text())
    assert (table["Max open files"], table["Max file size"]) == (("4", "4"), ("0", "0"))


WITHOUT_SYS_RESOURCE = ("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", RUNTIME)


def test_a_limit_above_the_hard_one(ocipy, bundle):
    """It takes CAP_SYS_RESOURCE, which the runtime is made to lack."""
    path = bundle(change=set_process(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 1001}]))
    command = ("prlimit", "--nofile=1000:1000", *WITHOUT_SYS_RESOURCE)
    done = ocipy.execute(*command, "--root", ocipy.root, "run", "--bundle", path, ocipy.new_id(), status=1)
    assert done.stderr == (
        "ocipy: process.rlimits[0] (RLIMIT_NOFILE): prlimit to 100:1001: EPERM: operation not permitted "
        "(raising a hard limit takes CAP_SYS_RESOURCE, which the runtime doesn't hold)\n"
    )


def test_oom_score(ocipy, bundle):
    assert inside(ocipy, bundle, "cat /proc/self/oom_score_adj", change=set_process(oomScoreAdj=321)) == "321\n"
    here = Path("/proc/self/oom_score_adj").read_text()
    assert inside(ocipy, bundle, "cat /proc/self/oom_score_adj") == here


def test_an_oom_score_below_ours(ocipy, bundle):
    path = bundle(change=set_process(oomScoreAdj=-900))
    command = (*WITHOUT_SYS_RESOURCE, "--root", ocipy.root, "run", "--bundle", path, ocipy.new_id())
    done = ocipy.execute(*command, status=1)
    assert re.sub("[0-9]+/", "PID/", done.stderr) == (
        "ocipy: process.oomScoreAdj: write '-900' to /proc/PID/oom_score_adj: EACCES: permission denied "
        "(lowering it takes CAP_SYS_RESOURCE, which the runtime doesn't hold)\n"
    )


# Where it is.


def test_working_directories(ocipy, bundle):
    path = bundle("sh", "-c", "pwd; stat -c %a:%u .", own_rootfs=True, change=set_process(cwd="/made/on/the/way"))
    assert ocipy.run(path, status=0).stdout == "/made/on/the/way\n755:0\n"
    assert inside(ocipy, bundle, "pwd", change=set_process(cwd="/bin/../etc/.")) == "/etc\n"


@pytest.mark.parametrize(("owner", "mode"), [(1000, 0o700), (0, 0o700), (1000, 0o500)])
def test_a_directory_for_some_only(ocipy, bundle, owner, mode):
    """One that only root, or only the user may enter: before or after the change of user, one of them gets in."""
    path = bundle("sh", "-c", "readlink /proc/self/cwd", own_rootfs=True, change=together(
        set_process(cwd="/private"), set_user(uid=1000, gid=1000), set_capabilities()))  # fmt: skip
    private = path / "rootfs/private"
    private.mkdir(mode)
    os.chown(private, owner, owner)
    assert ocipy.run(path, status=0).stdout == "/private\n"


def test_a_working_directory_that_is_none(ocipy, bundle):
    path = bundle(change=set_process(cwd="/etc/passwd"))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == "process.cwd (/etc/passwd): chdir to /etc/passwd: ENOTDIR: not a directory"


@pytest.mark.parametrize("number", range(3, 13))
def test_no_descriptor_leads_to_the_host(ocipy, bundle, number):
    """CVE-2024-21626: a working directory by way of a descriptor the runtime left open."""
    for directory in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/../../.."):
        path = bundle("sh", "-c", "ls -a ..", change=set_process(cwd=directory))
        line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
        assert re.match(rf"process\.cwd \({directory}\): (mkdir|chdir to) {directory}: E", line)


@contextlib.contextmanager
def from_three_on(*fds):
    """Have these descriptors be 3, 4, …; what was there before (it is pytest's) is put back."""
    places = range(3, 3 + len(fds))
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
    saved = [fcntl.fcntl(place, fcntl.F_DUPFD_CLOEXEC, 100) if is_open(place) else None for place in places]
    try:
        for fd, place in zip(high, places, strict=True):
            os.dup2(fd, place)
        yield
    finally:
        for before, place in zip(saved, places, strict=True):
            if before is None:
                os.close(place)
            else:
                os.dup2(before, place, inheritable=False)
        for fd in (*high, *filter(None, saved)):
            os.close(fd)


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_link_to_a_descriptor_of_the_host(ocipy, bundle, tmp_path):
    """The same by a link of the image, with a directory that the caller itself passes on."""
    fd = os.open(tmp_path, os.O_RDONLY)
    path = bundle("sh", "-c", "pwd", own_rootfs=True, change=set_process(cwd="/trap"))
    (path / "rootfs/trap").symlink_to("/proc/self/fd/3")
    with from_three_on(fd):
        line = ocipy.fails("run", "--preserve-fds", "1", "--bundle", path, ocipy.new_id(), pass_fds=[3])
    os.close(fd)
    assert line.startswith("process.cwd (/trap): mkdir /trap: E")


# What it holds.


def test_descriptors(ocipy, bundle, tmp_path):
    """Stdio and what is asked for, nothing else."""
    script = "ls -l /proc/self/fd | awk 'NR > 1 {print $9}'"
    with (tmp_path / "passed").open("w+") as file:
        os.set_inheritable(file.fileno(), True)
        done = ocipy.run(bundle("sh", "-c", script), status=0, pass_fds=[file.fileno()])
        assert done.stdout.split() == ["0", "1", "2", "3"], "3 is the directory that ls reads"

        script = "echo to-three >&3; echo to-four >&4; ls /proc/self/fd | wc -l"
        with from_three_on(file.fileno(), file.fileno()):
            done = ocipy.run(bundle("sh", "-c", script), "--preserve-fds", "2", status=0, pass_fds=[3, 4])
        assert done.stdout.split() == ["6"]
        assert (tmp_path / "passed").read_text() == "to-three\nto-four\n"


def test_stdio_belongs_to_the_user(ocipy, bundle):
    """A pipe that root made can be reopened as /dev/stdout."""
    read, write = os.pipe()
    try:
        path = bundle("sh", "-c", "echo reopened > /dev/stdout", change=set_user(uid=1000, gid=1000))
        ocipy.run(path, status=0, stdout=write)
        assert os.read(read, 100) == b"reopened\n"
        assert os.fstat(write).st_uid == 1000
    finally:
        os.close(read)
        os.close(write)
    before = os.stat("/dev/null").st_uid
    ocipy.run(path, stdout=subprocess.DEVNULL)
    assert os.stat("/dev/null").st_uid == before


def test_sockets_as_stdio(ocipy, bundle):
    """A reopened /dev/stdout can't work then, the rest does."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ocipy.run(bundle("sh", "-c", "read line; echo got $line", change=set_user(uid=1000, gid=1000)), status=0,
                  stdin=theirs if ours.send(b"hello\n") else None, stdout=theirs)  # fmt: skip
        assert ours.recv(100) == b"got hello\n"


def test_a_session_keyring_of_its_own(ocipy, bundle):
    path = bundle("sh", "-c", "cat /proc/keys | grep -o '_ses[^:]*'; true", change=set_linux(maskedPaths=[]))
    container = ocipy.new_id()
    done = ocipy("run", "--bundle", path, container, status=0)
    assert f"_ses.{container}" in done.stdout
    container = ocipy.new_id()
    done = ocipy("run", "--no-new-keyring", "--bundle", path, container, status=0)
    assert f"_ses.{container}" not in done.stdout


def test_a_file_mounted_over_passwd(ocipy, bundle, tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0::/mounted:/bin/sh\n")
    change = add_mounts(bind(tmp_path / "passwd", "/etc/passwd"))
    assert inside(ocipy, bundle, "echo $HOME", change=change) == "/mounted\n"
