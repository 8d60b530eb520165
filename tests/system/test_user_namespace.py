"""User namespaces: id maps, what belongs to whom on the host, and what the container gets."""

import os
import subprocess
from pathlib import Path

import pytest

from ocipy.capabilities import NAMES
from tests.system.looking import (
    add_mounts,
    bind,
    in_user_namespace,
    inside,
    mount_table,
    namespace_of,
    set_capabilities,
    set_namespaces,
    set_process,
    set_user,
    status_field,
    together,
    without_tty_group,
)

pytestmark = pytest.mark.root

HOST_ID = 100000
NOBODY = 65534


def test_ids_inside_and_on_the_host(ocipy, bundle):
    path = bundle("sleep", "1000", change=together(in_user_namespace, set_user(uid=1000, gid=1001)))
    container = ocipy.start(path)
    pid = ocipy.pid(container)
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(HOST_ID), "65536"]
    assert Path(f"/proc/{pid}/gid_map").read_text().split() == ["0", str(HOST_ID), "65536"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert status_field(status, "Uid").split() == [str(HOST_ID + 1000)] * 4
    assert status_field(status, "Gid").split() == [str(HOST_ID + 1001)] * 4
    assert status_field(status, "Groups") == ""
    assert namespace_of(pid, "user") != namespace_of("self", "user")
    assert Path(f"/proc/{pid}/setgroups").read_text() == "allow\n"


def test_files_made_inside(ocipy, bundle, tmp_path):
    def change(config):
        in_user_namespace(config)
        set_user(additionalGids=[7, 8])(config)

    tmp_path.chmod(0o755)
    path = bundle("sh", "-c", "id; touch /tmp/made; stat -c '%u:%g' / /tmp/made /proc/1 /dev/pts /dev/null",
                  change=change, own_rootfs=True)  # fmt: skip
    (path / "rootfs/tmp").mkdir(exist_ok=True)
    os.chown(path / "rootfs", HOST_ID, HOST_ID)
    os.chown(path / "rootfs/tmp", HOST_ID, HOST_ID)
    said = ocipy.run(path, status=0).stdout.splitlines()
    assert said[0] == "uid=0(root) gid=0(root) groups=7,8"
    assert said[1:] == ["0:0", "0:0", "0:0", "0:0", f"{NOBODY}:{NOBODY}"]
    made = (path / "rootfs/tmp/made").stat()
    assert (made.st_uid, made.st_gid) == (HOST_ID, HOST_ID)


def test_several_ranges(ocipy, bundle):
    ranges = [
        {"containerID": 0, "hostID": 200000, "size": 10},
        {"containerID": 1000, "hostID": 300000, "size": 1},
        {"containerID": 65534, "hostID": 400000, "size": 1},
        {"containerID": 5, "hostID": 500000, "size": 1},
    ]
    ranges[0]["size"] = 5

    def change(config):
        set_namespaces(user="")(config)
        config["linux"].update(uidMappings=ranges, gidMappings=ranges)

    said = inside(ocipy, bundle, "cat /proc/self/uid_map", change=together(change, set_user(uid=1000)))
    assert sorted(line.split() for line in said.splitlines()) == sorted(
        [str(entry["containerID"]), str(entry["hostID"]), str(entry["size"])] for entry in ranges
    )


def test_a_single_id(ocipy, bundle):
    """The group of devpts, 5, isn't mapped then, which is said before anything is made."""
    path = bundle(change=lambda config: in_user_namespace(config, host=HOST_ID, size=1))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert ": /mounts/2/options/5 (line " in line
    assert "gid=5: 5 is not mapped by linux.gidMappings" in line
    change = together(lambda config: in_user_namespace(config, host=HOST_ID, size=1), without_tty_group)
    assert inside(ocipy, bundle, "id -u; cat /proc/self/gid_map", change=change).split() == [
        "0", "0", str(HOST_ID), "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: in_user_namespace(config, size=0), "a range of no ids"),
        (set_user(uid=70000), "70000 is not mapped by linux.uidMappings"),
        (
            lambda config: config["linux"]["uidMappings"][0].update(containerID=1),
            "the container's id 0 is not mapped",
        ),
    ],
)
def test_maps_that_cannot_be(ocipy, bundle, change, words):
    path = bundle(change=together(in_user_namespace, change))
    assert words in ocipy("validate", "--bundle", path, status=1).stdout


def test_mounts_and_devices(ocipy, bundle):
    """proc, sysfs and mqueue belong to the container's own namespaces; devices are the host's nodes, bound."""
    script = """
        cat /proc/self/mountinfo; echo
        echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls -l /dev
        mknod /dev/mem c 1 1 || echo refused
    """
    path = bundle("sh", "-c", script, change=in_user_namespace)
    said, _, rest = ocipy.run(path, status=0).stdout.partition("\n\n")
    table = mount_table(said)
    assert {name: table[name].kind for name in ("/proc", "/sys", "/dev/mqueue", "/dev/pts", "/dev/shm")} == {
        "/proc": "proc", "/sys": "sysfs", "/dev/mqueue": "mqueue", "/dev/pts": "devpts", "/dev/shm": "tmpfs",
    }  # fmt: skip
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        assert table[f"/dev/{name}"].root == f"/{name}"
    assert rest.split()[0] == "3"
    assert "refused" in rest
    assert "ptmx -> pts/ptmx" in rest


def test_devices_of_the_config(ocipy, bundle):
    """A FIFO needs no rights to be made; a device node is the host's, where it has the same."""

    def change(config):
        in_user_namespace(config)
        config["linux"]["devices"] = [
            {"path": "/dev/fifo", "type": "p", "fileMode": 0o640},
            {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
        ]

    said = inside(ocipy, bundle, "stat -c '%n %A %t:%T' /dev/fifo /dev/kmsg", change=change).splitlines()
    assert said[0] == "/dev/fifo prw-r----- 0:0"
    assert said[1].endswith(" 1:b")

    def missing(config):
        in_user_namespace(config)
        config["linux"]["devices"] = [{"path": "/dev/no-such", "type": "c", "major": 1, "minor": 3}]

    line = ocipy.fails("run", "--bundle", bundle(change=missing), ocipy.new_id())
    assert line.startswith("linux.devices[0] (/dev/no-such): open the host's device /dev/no-such: ENOENT")

    def another(config):
        missing(config)
        config["linux"]["devices"][0].update(path="/dev/null", minor=5)

    line = ocipy.fails("run", "--bundle", bundle(change=another), ocipy.new_id())
    assert line.startswith("linux.devices[0] (/dev/null): the host has another device at /dev/null: ENODEV")


def test_all_capabilities_are_of_the_namespace_only(ocipy, bundle):
    sets = ("bounding", "effective", "permitted")
    change = together(in_user_namespace, set_process(capabilities={kind: list(NAMES) for kind in sets}))
    script = (
        "mount -t tmpfs none /mnt 2>/dev/null || mount -t tmpfs none /dev/shm && echo mounted; "
        "echo 1 > /proc/sys/vm/drop_caches || echo refused; hostname other && hostname"
    )
    assert inside(ocipy, bundle, script + " 2>&1", change=change, stderr=subprocess.DEVNULL).split()[-1] == "other"


def test_a_source_that_only_the_host_s_root_may_reach(ocipy, bundle, tmp_path):
    """As with runc and crun: the runtime opens it.  What the host's mount has locked stays so."""
    hidden = tmp_path / "hidden"
    (hidden / "data/sub").mkdir(parents=True)
    (hidden / "data/file").write_text("content\n")
    (hidden / "link").symlink_to("data/file")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid", "none", hidden / "data/sub"], check=True)
    hidden.chmod(0o700)
    mounts = (
        {"destination": "/tmp", "source": str(hidden / "data"), "options": ["rbind", "ro"]},
        {"destination": "/dev/one", "source": str(hidden / "link"), "options": ["bind"]},
    )
    change = together(in_user_namespace, add_mounts(*mounts))
    script = "cat /tmp/file /dev/one; touch /tmp/x 2>/dev/null || echo refused; grep /tmp /proc/mounts"
    try:
        said = inside(ocipy, bundle, script, change=change).splitlines()
        wrong = add_mounts({"destination": "/tmp", "source": str(hidden / "none"), "options": ["bind"]})
        line = ocipy.fails("run", "--bundle", bundle(change=together(in_user_namespace, wrong)), ocipy.new_id())
    finally:
        subprocess.run(["umount", hidden / "data/sub"], check=True)
    assert said[:3] == ["content", "content", "refused"]
    assert [row.split()[1] for row in said[3:]] == ["/tmp", "/tmp/sub"]
    assert "nosuid" in said[4]
    assert line.startswith(f"mounts[7] (/tmp): open the source {hidden}/none: ENOENT: no such file or directory")


@pytest.mark.parametrize("option", ["src-nofollow", "copy-symlink"])
def test_a_link_that_only_the_host_s_root_may_reach(ocipy, bundle, tmp_path, option):
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "link").symlink_to("to/where")
    change = together(in_user_namespace, add_mounts(bind(hidden / "link", "/dev/link", option)))
    assert inside(ocipy, bundle, "readlink /dev/link", change=change) == "to/where\n"


def closed_directory(tmp_path, owner):
    """A directory that nobody but its owner may enter, with a bundle's things in it."""
    directory = tmp_path / "closed"
    (directory / "shared").mkdir(parents=True)
    (directory / "shared/file").write_text("from the host\n")
    os.chown(directory / "shared", HOST_ID, HOST_ID)
    directory.chmod(0o700)
    os.chown(directory, owner, owner)
    return directory


@pytest.mark.parametrize("owner", [0, 1234])
def test_sources_in_a_directory_closed_to_the_container_s_root(ocipy, bundle, tmp_path, owner):
    """The runtime may enter it, the container's root, a user of the host, may not; the bundle lies in it too."""
    directory = closed_directory(tmp_path, owner)
    bundle.directory = directory
    binds = add_mounts(
        bind(directory / "shared", "/mnt"),
        bind(directory / "shared/file", "/tmp/file"),
        bind("../shared", "/opt", "ro"),
    )
    script = "cat /mnt/file /tmp/file /opt/file; echo x > /mnt/made; echo x > /opt/made || id -u"
    path = bundle("sh", "-c", script, change=together(in_user_namespace, binds), own_rootfs=True)
    for name in ("mnt", "tmp", "opt"):
        (path / "rootfs" / name).mkdir(exist_ok=True)
    (path / "rootfs/tmp/file").touch()
    done = ocipy.run(path, status=0)
    assert done.stdout == "from the host\n" * 3 + "0\n"
    assert (directory / "shared/made").stat().st_uid == HOST_ID


def test_a_joined_user_namespace_and_a_closed_directory(ocipy, bundle, tmp_path):
    first = ocipy.start(bundle("sleep", "1000", change=in_user_namespace))
    pid = ocipy.pid(first)
    bundle.directory = closed_directory(tmp_path, 1234)
    script = "cat /mnt/file; cat /proc/self/uid_map; readlink /proc/self/ns/user"
    change = together(
        set_namespaces(user=f"/proc/{pid}/ns/user"), add_mounts(bind(bundle.directory / "shared", "/mnt"))
    )
    path = bundle("sh", "-c", script, change=change, own_rootfs=True)
    (path / "rootfs/mnt").mkdir(exist_ok=True)
    done = ocipy.run(path, status=0)
    assert done.stdout.split() == ["from", "the", "host", "0", str(HOST_ID), "65536", namespace_of(pid, "user")]


def test_a_source_that_is_missing(ocipy, bundle, tmp_path):
    change = together(in_user_namespace, add_mounts(bind(tmp_path / "missing", "/tmp"), bind("/usr", "/tmp")))
    line = ocipy.fails("run", "--bundle", bundle(change=change), ocipy.new_id())
    assert line.startswith(f"mounts[7] (/tmp): open the source {tmp_path}/missing: ENOENT: ")


def test_a_root_that_is_a_file(ocipy, bundle, tmp_path):
    (tmp_path / "file").touch()
    change = together(in_user_namespace, lambda config: config["root"].update(path=str(tmp_path / "file")))
    assert "root.path" in ocipy.fails("run", "--bundle", bundle(change=change), ocipy.new_id())


def test_many_sources(ocipy, bundle, tmp_path):
    """More than fit a socket's buffer: init takes one while the next is being opened."""
    binds = [bind("/usr", f"/mnt/{number}") for number in range(300)]
    path = bundle(
        "sh", "-c", "ls /mnt | wc -l", change=together(in_user_namespace, add_mounts(*binds)), own_rootfs=True
    )
    for number in range(300):
        (path / f"rootfs/mnt/{number}").mkdir(parents=True)
    assert ocipy.run(path, status=0).stdout == "300\n"


def test_flags_of_a_source_stay_locked(ocipy, bundle, tmp_path):
    """What the host mounted read-only and nosuid can't be had otherwise inside (mount_namespaces(7))."""
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,nosuid,nodev", "none", place], check=True)
    try:
        everything = set_capabilities(*NAMES)
        script = "for o in rw suid dev; do mount -o remount,bind,$o /tmp 2>&1; done; cat /proc/self/mountinfo"
        change = together(in_user_namespace, everything, add_mounts(bind(place, "/tmp")))
        said = ocipy.run(bundle("sh", "-c", script, change=change), status=0).stdout
    finally:
        subprocess.run(["umount", place], check=True)
    assert {"ro", "nosuid", "nodev"} <= mount_table(said)["/tmp"].options
