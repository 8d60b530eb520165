"""Device nodes and links of /dev, and the cgroup's rules on what may be opened."""

import os
import stat
from pathlib import Path

import pytest

from tests.system.looking import bind, inside, mount_table, set_capabilities, set_linux, together

pytestmark = pytest.mark.root

DEFAULT = {
    "/dev/null": "1:3",
    "/dev/zero": "1:5",
    "/dev/full": "1:7",
    "/dev/random": "1:8",
    "/dev/urandom": "1:9",
    "/dev/tty": "5:0",
}
LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/core": "/proc/kcore",
    "/dev/ptmx": "pts/ptmx",
}


def describe(*paths):
    return f"stat -c '%n %F %t:%T %a %u:%g' {' '.join(paths)}"


def test_default_devices_and_links(ocipy, bundle):
    script = f"{describe(*DEFAULT)}; for link in {' '.join(LINKS)}; do readlink $link; done; ls /dev"
    lines = inside(ocipy, bundle, script).splitlines()
    for line, (path, numbers) in zip(lines, DEFAULT.items(), strict=False):
        assert line == f"{path} character special file {numbers} 666 0:0"
    assert lines[6:12] == list(LINKS.values())
    assert lines[12:] == sorted([path.removeprefix("/dev/") for path in (*DEFAULT, *LINKS)] + ["mqueue", "pts", "shm"])


def test_they_work(ocipy, bundle):
    script = """
        echo x > /dev/null
        for name in zero urandom random; do head -c 2 /dev/$name | wc -c; done
        echo x > /dev/full || echo full
        echo to-stdout >> /dev/stdout; echo to-stderr >> /dev/stderr
    """
    path = bundle("sh", "-c", script)
    done = ocipy.run(path, status=0)
    assert done.stdout.split()[:5] == ["2", "2", "2", "full", "to-stdout"]
    assert "to-stderr" in done.stderr


def test_devices_of_the_config(ocipy, bundle):
    def change(config):
        config["linux"]["devices"] = [
            {"path": "/dev/char", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8},
            {"path": "/dev/block", "type": "b", "major": 7, "minor": 0, "fileMode": 0o600},
            {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
            {"path": "/dev/fifo", "type": "p", "fileMode": 0o622, "uid": 9},
            {"path": "/dev/deep/er/null", "type": "c", "major": 1, "minor": 3},
            {"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o400},
            {"path": "/elsewhere", "type": "c", "major": 1, "minor": 5},
        ]

    paths = ("/dev/char", "/dev/block", "/dev/unbuffered", "/dev/fifo", "/dev/deep/er/null", "/dev/full", "/elsewhere")
    lines = inside(ocipy, bundle, describe(*paths), change=change, own_rootfs=True).splitlines()
    assert lines == [
        "/dev/char character special file 1:5 640 7:8",
        "/dev/block block special file 7:0 600 0:0",
        "/dev/unbuffered character special file 1:3 666 0:0",
        "/dev/fifo fifo 0:0 622 9:0",
        "/dev/deep/er/null character special file 1:3 666 0:0",
        "/dev/full character special file 1:7 400 0:0",
        "/elsewhere character special file 1:5 666 0:0",
    ]


def test_a_device_through_a_link_stays_inside(ocipy, bundle, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    change = set_linux(devices=[{"path": "/link/node", "type": "c", "major": 1, "minor": 3}])
    path = bundle("true", own_rootfs=True, change=change)
    (path / "rootfs/link").symlink_to(outside)
    ocipy.run(path, status=0)
    assert os.listdir(outside) == []
    assert stat.S_ISCHR((path / "rootfs" / str(outside)[1:] / "node").stat().st_mode)


def test_dev_that_the_bundle_brings(ocipy, bundle, tmp_path):
    """A bind mount on /dev is used as it is."""
    own = tmp_path / "dev"
    own.mkdir()
    (own / "mine").write_text("")
    for name in ("pts", "shm", "mqueue"):
        (own / name).mkdir()

    def change(config):
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/dev"]
        config["mounts"].insert(0, bind(own, "/dev"))

    assert inside(ocipy, bundle, "ls /dev", change=change).split() == ["mine", "mqueue", "pts", "shm"]
    assert sorted(os.listdir(own)) == ["mine", "mqueue", "pts", "shm"]


def test_a_read_only_dev(ocipy, bundle):
    def change(config):
        (dev,) = (mount for mount in config["mounts"] if mount["destination"] == "/dev")
        dev["options"].append("ro")

    script = "touch /dev/x 2>/dev/null || echo refused; echo x > /dev/null && echo works; cat /proc/self/mountinfo"
    said = inside(ocipy, bundle, script, change=change)
    assert said.startswith("refused\nworks\n")
    table = mount_table(said.partition("works\n")[2])
    assert table["/dev"].options == {"ro", "nosuid"}
    assert "rw" in table["/dev/shm"].options


def test_a_root_filesystem_with_its_own_nodes(ocipy, bundle):
    """Without a mount on /dev the nodes are made in the root filesystem: those that are right already stay."""

    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]

    script = "stat -c %t:%T /dev/null /dev/zero; readlink /dev/fd; readlink /dev/ptmx"
    path = bundle("sh", "-c", script, own_rootfs=True, change=change)
    dev = path / "rootfs/dev"
    dev.mkdir(exist_ok=True)
    os.mknod(dev / "null", 0o020600, os.makedev(1, 3))
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "ptmx").write_text("")
    assert ocipy.run(path, status=0).stdout.split() == ["1:3", "1:5", "/proc/self/fd", "pts/ptmx"]


@pytest.mark.cgroup_v1("devices")
def test_the_default_rules(ocipy, bundle):
    """All is denied but the default devices: others can be made, not opened."""
    script = """
        mknod /dev/shm/mem c 1 1 2>/dev/null && echo made
        head -c 1 /tmp/mem > /dev/null 2>&1 || echo denied
        mknod /tmp/mem c 1 1; mknod /tmp/loop b 7 0; mknod /tmp/ok c 1 5; mknod /tmp/kmsg c 1 11
        for node in mem loop kmsg; do head -c 1 /tmp/$node 2>&1 | grep -ao 'not permitted'; done
        head -c 1 /tmp/ok | wc -c
    """
    change = set_capabilities("CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    said = inside(ocipy, bundle, script, change=change, own_rootfs=True)
    assert said.split() == ["made", "denied", *["not", "permitted"] * 3, "1"]


@pytest.mark.cgroup_v1("devices")
def test_rules_of_the_config(ocipy, bundle):
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"},
        {"allow": True, "type": "c", "major": 10, "access": "rw"},
    ]
    change = together(
        set_linux(resources={"devices": rules}), set_capabilities("CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_SYSLOG")
    )
    container = ocipy.start(bundle("sleep", "1000", change=change))
    for line in Path(f"/proc/{ocipy.pid(container)}/cgroup").read_text().splitlines():
        if line.split(":")[1] == "devices":
            listing = Path(f"/sys/fs/cgroup/devices{line.split(':')[2]}/devices.list").read_text().splitlines()
    assert {"c 1:11 r", "c 10:* rw", "c 1:3 rwm", "c 5:2 rwm", "c 136:* rwm", "c *:* m", "b *:* m"} <= set(listing)
    assert "a *:* rwm" not in listing

    script = "mknod /tmp/kmsg c 1 11; exec 3< /tmp/kmsg && echo readable; echo x 2>/dev/null > /tmp/kmsg || echo kept"
    assert inside(ocipy, bundle, script, change=change, own_rootfs=True).split() == ["readable", "kept"]


def test_a_node_over_something_else(ocipy, bundle):
    change = set_linux(devices=[{"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3}])
    line = ocipy.fails("run", "--bundle", bundle(change=change, own_rootfs=True), ocipy.new_id())
    assert line.startswith("linux.devices[0] (/etc/passwd): mknod /etc/passwd: EEXIST: file exists")
