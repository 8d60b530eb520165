"""``process.terminal``: what the program finds as its terminal."""

import os
import subprocess

import pytest

from tests.system.looking import in_user_namespace, no_ambient, set_process, set_user, together
from tests.system.runtime import DEADLINE, RUNTIME

pytestmark = pytest.mark.root


@pytest.fixture
def session(ocipy, bundle):
    """Runs a shell script in a container with a terminal, ocipy itself having one too; the lines of its output."""

    def run(script, *changes):
        path = bundle("sh", "-c", script, change=together(no_ambient, set_process(terminal=True), *changes))
        command = (RUNTIME, "--root", str(ocipy.root), "run", "--bundle", str(path), ocipy.new_id())
        master, slave = os.openpty()
        try:
            done = subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, check=False, timeout=DEADLINE)
            output = os.read(master, 65536).decode()
        finally:
            os.close(master)
            os.close(slave)
        assert done.returncode == 0, output
        return output.splitlines()

    return run


def test_what_the_program_sees(session):
    script = """
        for fd in 0 1 2; do test -t $fd && readlink /proc/self/fd/$fd; done
        tty; stat -c '%F %t %a' /dev/console; echo x > /dev/tty && echo controlling
        awk '{print $5 == $6, $7}' /proc/1/stat; ls /dev/pts; grep ' /dev/console ' /proc/self/mountinfo
    """
    lines = session(script)
    assert lines[:4] == ["/dev/pts/0"] * 4
    assert lines[4] == "character special file 88 620"
    assert lines[5:7] == ["x", "controlling"]
    assert lines[7].startswith("1 "), "init leads the session's foreground group"
    assert lines[8].split() == ["0", "ptmx"]
    assert " - devpts devpts " in lines[9]


def test_its_owner(session):
    said = session("stat -c %u:%g /dev/pts/0; echo x > /dev/tty && echo mine", set_user(uid=1000, gid=1000))
    assert said == ["1000:5", "x", "mine"]


def test_no_newline_is_translated(ocipy, bundle):
    """As runc has it: bytes pass as they are."""
    path = bundle("sh", "-c", "echo one; echo two", change=together(no_ambient, set_process(terminal=True)))
    assert ocipy.run(path, status=0).stdout == "one\ntwo\n"


def test_without_a_terminal_there_is_no_console(ocipy, bundle):
    done = ocipy.run(bundle("sh", "-c", "ls /dev/console; ls /dev/pts; tty", change=no_ambient))
    assert done.stdout.split("\n")[0] == "ptmx"
    assert "not a tty" in done.stdout


def test_in_a_user_namespace(session):
    said = session("stat -c %u:%g /dev/pts/0; tty; echo x > /dev/console", in_user_namespace)
    assert said == ["0:5", "/dev/pts/0", "x"]


def test_a_config_without_devpts(ocipy, bundle):
    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "devpts"]
        config["process"]["terminal"] = True

    line = ocipy.fails("run", "--bundle", bundle(change=change), ocipy.new_id())
    assert line == (
        "process.terminal: open /dev/pts/ptmx: ENOENT: no such file or directory "
        "(process.terminal needs a devpts mount on /dev/pts)"
    )


def test_a_planted_multiplexer(ocipy, bundle):
    """A multiplexer's node in the image is none without devpts."""

    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
        config["process"]["terminal"] = True

    path = bundle(change=change, own_rootfs=True)
    pts = path / "rootfs/dev/pts"
    pts.mkdir(parents=True)
    os.mknod(pts / "ptmx", 0o020666, os.makedev(5, 2))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("process.terminal: /dev/pts/ptmx is not devpts' multiplexer: ENODEV")


def test_a_planted_console(ocipy, bundle):
    """A link on /dev/console leads nowhere: neither is its target hidden, nor made."""

    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev"]
        config["process"]["terminal"] = True

    path = bundle(change=change, own_rootfs=True)
    dev = path / "rootfs/dev"
    (dev / "pts").mkdir(parents=True)
    (dev / "console").symlink_to("/planted")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == (
        "process.terminal: open the mount point /dev/console: ELOOP: too many levels of symbolic links "
        "(a symbolic link in the root filesystem: mount a tmpfs on /dev)"
    )
    assert not (path / "rootfs/planted").exists()
