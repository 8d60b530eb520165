"""Mounts: those of the default config, bind mounts, filesystems and their options."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    SHOW_MOUNTS,
    add_mounts,
    bind,
    inside,
    mount_table,
    mounts_inside,
    set_capabilities,
)
from tests.system.runtime import unified

pytestmark = pytest.mark.root


def test_the_default_mounts(ocipy, bundle):
    table = mounts_inside(ocipy, bundle)
    hardened = {"nosuid", "nodev", "noexec"}
    assert {name: table[name].kind for name in table if name.startswith(("/dev", "/sys")) or name == "/proc"} == {
        "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue",
        "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2" if unified() else "tmpfs", "/sys/firmware": "tmpfs",
        **{name: "cgroup" for name in table if name.startswith("/sys/fs/cgroup/")},
    }  # fmt: skip
    assert table["/proc"].options == {"rw", "relatime"}
    assert table["/dev"].options == {"rw", "nosuid"}, "strictatime is the absence of the others"
    assert {"size=65536k", "mode=755"} <= table["/dev"].super_options
    assert table["/dev/pts"].options == {"rw", "nosuid", "noexec", "relatime"}
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= table["/dev/pts"].super_options
    assert table["/dev/shm"].options == {"rw", "relatime"} | hardened
    assert (table["/dev/shm"].source, "size=65536k" in table["/dev/shm"].super_options) == ("shm", True)
    assert table["/dev/mqueue"].options == {"rw", "relatime"} | hardened
    assert table["/sys"].options == {"ro", "relatime"} | hardened
    assert table["/sys/fs/cgroup"].options == {"ro", "relatime"} | hardened
    assert "ro" in table["/"].options


def test_nothing_of_the_host_s_is_left_after_the_pivot(ocipy, bundle, busybox_rootfs):
    for options in ([], ["--no-pivot"]):
        path = bundle("sh", "-c", f"{SHOW_MOUNTS}; ls /")
        done = ocipy.run(path, *options, status=0)
        lines = done.stdout.splitlines()
        names = [line for line in lines if " - " not in line]
        assert sorted(names) == sorted(os.listdir(busybox_rootfs)), options
        roots = [line for line in lines if " - " in line and line.split()[4] == "/"]
        assert len(roots) == 1
        assert not [line for line in lines if "/unified" in line or "/tmp/pytest" in line.split(" - ")[0].split()[4:5]]


def test_the_moved_root_has_no_way_back(ocipy, bundle):
    """The classic escape by chroot finds the container's root, not the host's."""
    script = "mkdir -p /tmp/x; cd /; ls -di / /.. /../.. | awk '{print $1}' | sort -u | wc -l; cat /proc/1/root/marker"

    def change(config):
        set_capabilities("CAP_SYS_CHROOT", "CAP_SYS_ADMIN")(config)

    for options in ([], ["--no-pivot"]):
        path = bundle("sh", "-c", script, change=change, own_rootfs=True)
        (path / "rootfs/marker").write_text("container\n")
        assert ocipy.run(path, *options, status=0).stdout.split() == ["1", "container"]


def test_bind_mounts(ocipy, bundle, tmp_path):
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "file").write_text("content\n")
    script = f"""
        cat /made/dir/file /made/one /etc/hostname-file
        echo new > /made/dir/new && echo writable
        echo new > /made/ro/new || echo read-only
        stat -c '%A %n' /made/dir /made/one
        {SHOW_MOUNTS}
    """
    path = bundle("sh", "-c", script + "2>/dev/null", own_rootfs=True, change=add_mounts(
        bind(source, "/made/dir"),
        bind(source / "file", "/made/one"),
        bind(source, "/made/ro", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"),
        bind(source / "file", "etc/hostname-file"),
        bind("relative", "/made/relative", "ro"),
        {"destination": "/made/none", "source": str(source), "type": "none", "options": ["rbind", "rprivate"]},
    ))  # fmt: skip
    (path / "relative").mkdir()
    done = ocipy.run(path, status=0)
    said = done.stdout.splitlines()
    assert said[:5] == ["content", "content", "content", "writable", "read-only"]
    assert said[5].startswith("drwxr-xr-x")
    assert said[6].startswith("-rw-r--r--")
    table = mount_table("\n".join(said[7:]))
    assert table["/made/ro"].options == {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"}
    assert table["/made/dir"].options >= {"rw"}
    assert table["/made/relative"].root.endswith("/relative")
    assert "ro" in table["/made/relative"].options
    assert table["/made/none"].tags == set()
    assert (source / "new").read_text() == "new\n"
    assert "relative to /" in done.stderr, "the warning about the deprecated form"
    assert sorted(os.listdir(path / "rootfs/made")) == ["dir", "none", "one", "relative", "ro"]


@pytest.fixture
def mounted_tree(tmp_path):
    """A directory with a tmpfs mounted below it, as other mounts may be."""
    top = tmp_path / "tree"
    (top / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", top / "sub"], check=True)
    (top / "sub/file").write_text("below\n")
    yield top
    subprocess.run(["umount", top / "sub"], check=True)


def test_recursive_binds(ocipy, bundle, mounted_tree):
    mounts = (
        bind(mounted_tree, "/tmp/flat"),
        {"destination": "/tmp/deep", "source": str(mounted_tree), "options": ["rbind", "ro"]},
        {"destination": "/tmp/all", "source": str(mounted_tree), "options": ["rbind", "rro", "rnosuid"]},
        {"destination": "/tmp/mixed", "source": str(mounted_tree), "options": ["rbind", "rro", "rw"]},
    )
    table = mounts_inside(ocipy, bundle, *mounts, own_rootfs=True)
    assert "/tmp/flat/sub" not in table
    assert ("ro" in table["/tmp/deep"].options, "ro" in table["/tmp/deep/sub"].options) == (True, False)
    assert {"ro", "nosuid"} <= table["/tmp/all"].options & table["/tmp/all/sub"].options
    assert "ro" in table["/tmp/mixed/sub"].options
    (top,) = (line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(mounted_tree) in line)
    assert " rw," in top, "the host's own mount stays writable"


def test_filesystems_and_their_options(ocipy, bundle):
    mounts = (
        {"destination": "/tmp/t", "type": "tmpfs", "source": "mine", "options": [
            "size=1m", "mode=1750", "uid=7", "gid=8", "noexec", "nosuid", "noatime", "nr_inodes=9", "silent", "sync"]},
        {"destination": "/tmp/ro", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "strictatime", "relatime"]},
        {"destination": "/tmp/contra", "type": "tmpfs", "source": "", "options": ["ro", "rw", "nodev", "dev"]},
    )  # fmt: skip
    script = f"stat -c %a:%u:%g /tmp/t; {SHOW_MOUNTS}"
    said = inside(ocipy, bundle, script, change=add_mounts(*mounts), own_rootfs=True)
    assert said.startswith("1750:7:8\n")
    table = mount_table(said.partition("\n")[2])
    assert table["/tmp/t"].options == {"rw", "noexec", "nosuid", "noatime"}
    assert {"size=1024k", "nr_inodes=9", "sync"} <= table["/tmp/t"].super_options
    assert table["/tmp/t"].source == "mine"
    assert table["/tmp/ro"].options == {"ro", "relatime"}
    assert table["/tmp/contra"].options == {"rw", "relatime"}


def test_a_source_longer_than_fsconfig_takes(ocipy, bundle):
    mount = {"destination": "/tmp", "type": "tmpfs", "source": "x" * 300, "options": ["size=1m"]}
    table = mount_table(inside(ocipy, bundle, SHOW_MOUNTS, change=add_mounts(mount)))
    assert table["/tmp"].source == "x" * 300


REFUSED = "EINVAL: invalid argument (the filesystem refused an option)"


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"options": ["size=many"]}, f"mount tmpfs: the kernel says: tmpfs: Bad value for 'size': {REFUSED}"),
        ({"options": ["bogus"]}, f"mount tmpfs: the kernel says: tmpfs: Unknown parameter 'bogus': {REFUSED}"),
        ({"type": "no"}, "fsopen no: ENODEV: no such device (this kernel doesn't have the filesystem)"),
        (
            {"source": "/missing", "options": ["bind"]},
            (
                "open the source /missing: ENOENT: no such file or directory "
                "(the source of a bind mount must exist on the host)"
            ),
        ),
        ({"options": ["bind", "size=1m"]}, "'size=1m' is an option of a filesystem: a bind mount has none of its own"),
        ({"type": ""}, "neither a type of filesystem, nor the option bind or rbind"),
        ({"type": "ramfs", "options": ["tmpcopyup"]}, "tmpcopyup is for a tmpfs only"),
        (
            {"type": "", "options": ["remount", "ro"]},
            "mount_setattr /mnt: EINVAL: invalid argument (nothing is mounted there)",
        ),
    ],
)
def test_mounts_that_cannot_be(ocipy, bundle, mount, message):
    path = bundle(change=add_mounts({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"} | mount))
    assert ocipy.fails("run", "--bundle", path, ocipy.new_id()) == f"mounts[7] (/mnt): {message}"


def test_a_mount_point_that_cannot_be_made(ocipy, bundle, busybox_rootfs):
    """The root is mounted read-only only at the end; a filesystem that is so itself can't get mount points."""
    path = bundle(change=add_mounts(bind("/etc", "/proc/missing")))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == "mounts[7] (/proc/missing): open the mount point /proc/missing: ENOENT: no such file or directory"
    path = bundle(change=add_mounts(bind("/etc", "/bin/busybox")))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("mounts[7] (/bin/busybox): move_mount to /bin/busybox: ENOTDIR: not a directory")
