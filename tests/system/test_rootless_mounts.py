"""Mounts of ordinary users' containers: what the kernel lets them mount, and what is bound in its place."""

import subprocess
from pathlib import Path

import pytest

from tests.system.looking import SHOW_MOUNTS, add_mounts, bind, mount_table, set_linux, set_namespaces, together
from tests.system.rootless import UNIFIED

pytestmark = [pytest.mark.root, pytest.mark.rootless]

HARDENED = {"ro", "nosuid", "nodev", "noexec"}


def sysfs(config):
    """A sysfs, where ``spec --rootless`` binds /sys."""
    for mount in config["mounts"]:
        if mount["destination"] == "/sys":
            mount.update(type="sysfs", source="sysfs", options=["nosuid", "noexec", "nodev", "ro"])


def test_sysfs_of_its_own_network(as_user):
    change = together(sysfs, set_namespaces(network=""))
    said = as_user.inside(f"{SHOW_MOUNTS}; ls /sys/class/net", change=change)
    assert mount_table(said)["/sys"].options >= HARDENED
    assert [line for line in said.splitlines() if " - " not in line] == ["lo"]


def test_sysfs_of_the_host_s_network(as_user):
    """The host's /sys is bound, with all below it, read-only as far down as was asked; masks apply."""
    change = together(sysfs, set_linux(maskedPaths=["/sys/kernel"], readonlyPaths=["/sys/class"]), no_cgroup)
    script = f"{SHOW_MOUNTS}; ls /sys/kernel | wc -l; ls /sys/class | grep -x net"
    said = as_user.inside(script, change=change)
    table = mount_table(said)
    assert {table["/sys"].kind, table["/sys/class"].kind} == {"sysfs"}
    assert table["/sys/kernel"].kind == "tmpfs"
    below = [name for name in table if name.startswith("/sys/") and name != "/sys/kernel"]
    assert all(table[name].options >= {"ro"} for name in below)
    assert table["/sys"].options >= HARDENED
    assert said.splitlines()[-2:] == ["0", "net"]


def no_cgroup(config):
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]


def test_message_queues_of_the_host(as_user):
    """Without an IPC namespace of its own; the host has to have them mounted."""
    change = set_namespaces(ipc=None)
    as_user.wrap = ("unshare", "-m", "sh", "-c", 'umount /dev/mqueue 2> /dev/null; exec "$@"', "sh")
    line = as_user.fails("run", "--bundle", as_user.bundle(change=change), "c1")
    assert line.startswith("mounts[4] (/dev/mqueue): mount mqueue: ")
    assert line.endswith("EPERM: operation not permitted (the IPC namespace is not owned by this user namespace; "
                         "add an ipc namespace)")  # fmt: skip
    as_user.wrap = ("unshare", "-m", "sh", "-c", f'{MESSAGE_QUEUES} && exec "$@"', "sh")
    mounted = mount_table(as_user.inside(SHOW_MOUNTS, change=change))["/dev/mqueue"]
    assert (mounted.kind, mounted.root) == ("mqueue", "/")
    assert mounted.options >= {"nosuid", "nodev", "noexec"}


# In a /dev in which a directory can be made without a trace on the host.
MESSAGE_QUEUES = """
    mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir -p /mnt/dev/mqueue &&
    cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt/dev && mount --bind /mnt/dev /dev &&
    mount -t mqueue mqueue /dev/mqueue"""


def test_proc_of_the_host_s_processes(as_user):
    """Without a PID namespace of its own; what is masked and read-only in it stays so."""
    script = (
        f"{SHOW_MOUNTS}; test -d /proc/1 && cat /proc/self/comm; wc -c < /proc/keys; echo 1 > /proc/sys/vm/x || echo no"
    )
    done = as_user(
        "run", "--bundle", as_user.bundle("sh", "-c", script + " 2>&1", change=set_namespaces(pid=None)), "c1"
    )
    table = mount_table(done.stdout)
    assert table["/proc"].kind == "proc"
    assert "ro" in table["/proc/sys"].options
    assert table["/proc/keys"].root == "/null"
    assert {"cat", "0", "no"} <= set(done.stdout.split())


def test_proc_of_a_joined_pid_namespace(as_user):
    """It belongs to the joined user namespace, which may mount it."""
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    pid = as_user.state("c1")["pid"]
    paths = {kind: f"/proc/{pid}/ns/{kind}" for kind in ("user", "pid", "ipc")}
    path = as_user.bundle(
        "sh", "-c", "cat /proc/1/comm; id -u; ls /proc/self/fd | wc -l", change=set_namespaces(**paths)
    )
    done = as_user("run", "--bundle", path, "c2", status=0)
    assert done.stdout.split()[:2] == ["sleep", "0"]


def test_a_pid_namespace_that_is_not_the_user_namespace_s(as_user):
    """Its processes may be seen by nobody there: proc is refused, and no other is bound in its place."""
    change = set_namespaces(pid="/proc/self/ns/pid")
    line = as_user.fails("run", "--bundle", as_user.bundle(change=change), "c1")
    assert "EPERM" in line


def test_the_terminals_group(as_user):
    """It isn't mapped: an error before anything is made, as with runc."""

    def change(config):
        config["mounts"][2]["options"].append("gid=5")

    line = as_user.fails("create", "--bundle", as_user.bundle(change=change), "c1")
    assert "gid=5: 5 is not mapped by linux.gidMappings" in line


def test_the_user_s_own_files(as_user):
    home = as_user.home
    as_user.execute(
        "sh", "-c", "mkdir -p data/deep && echo text > data/deep/file && ln -s deep/file data/link", status=0
    )
    change = add_mounts(bind(home / "data", "/mnt"), bind(home / "data", "/opt", "ro"),
                        bind(home / "data/deep/file", "/etc/file"), {"destination": "/media", "type": "tmpfs",
                        "source": "tmpfs", "options": ["size=64k", "mode=700"]})  # fmt: skip
    script = "cat /mnt/link /opt/deep/file /etc/file; echo new > /mnt/new; > /opt/x || echo no; stat -c %a /media"
    path = as_user.bundle("sh", "-c", script, change=change, own_rootfs=True)
    done = as_user("run", "--bundle", path, "c1", status=0)
    assert done.stdout.split() == ["text", "text", "text", "no", "700"]
    assert (home / "data/new").read_text() == "new\n"


def test_what_the_user_may_not_read(as_user, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    path = as_user.bundle(change=add_mounts(bind(closed / "file", "/tmp")))
    line = as_user.fails("run", "--bundle", path, "c1")
    assert line.startswith(f"mounts[7] (/tmp): open the source {closed}/file: EACCES: permission denied")


def test_devices_are_the_host_s(as_user):
    """Nodes can't be made in a user namespace: the default ones are bound, and so are those of the config."""

    def change(config):
        config["linux"]["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]

    said = as_user.inside("echo x > /dev/null; head -c 2 /dev/zero | wc -c; stat -c '%t:%T' /dev/null /dev/kmsg; "
                          "ls -l /dev/ptmx /dev/fd", change=change)  # fmt: skip
    assert said.split()[:3] == ["2", "1:3", "1:b"]
    assert "pts/ptmx" in said


def test_everything_is_gone_afterwards(as_user):
    """No mount of the container reaches the host, whatever the propagation."""
    before = Path("/proc/self/mountinfo").read_text()
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    assert Path("/proc/self/mountinfo").read_text() == before
    as_user("delete", "--force", "c1", status=0)
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.parametrize("namespace", [{}, {"cgroup": ""}])
def test_the_cgroups_of_a_unified_host(as_user, namespace):
    as_user.wrap = UNIFIED
    mounted = mount_table(as_user.inside(SHOW_MOUNTS, change=set_namespaces(**namespace)))["/sys/fs/cgroup"]
    assert (mounted.kind, "ro" in mounted.options) == ("cgroup2", True)


def test_flags_of_the_host_stay_locked(as_user, tmp_path):
    """A mount that is read-only on the host can't be made writable inside, by an option or later."""
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,nosuid,nodev,mode=755", "none", place], check=True)
    try:
        table = mount_table(as_user.inside(SHOW_MOUNTS, change=add_mounts(bind(place, "/tmp"))))
        path = as_user.bundle(change=add_mounts(bind(place, "/tmp", "rw")))
        line = as_user.fails("run", "--bundle", path, "c1")
    finally:
        subprocess.run(["umount", place], check=True)
    assert {"ro", "nosuid", "nodev"} <= table["/tmp"].options
    assert line.startswith("mounts[7] (/tmp): mount_setattr /tmp: EPERM")
    assert "locked" in line
