"""Mounts: those of the default config, bind mounts and their options, propagation; what a hostile root may try."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    add_mounts,
    bind,
    inside,
    mount_table,
    read_config,
    set_capabilities,
    set_linux,
    set_namespaces,
    together,
)
from tests.system.runtime import until

pytestmark = pytest.mark.root

SHOW = "cat /proc/self/mountinfo"


def show(ocipy, bundle, *mounts, change=None, **keywords):
    return mount_table(inside(ocipy, bundle, SHOW, change=together(add_mounts(*mounts), change), **keywords))


def test_the_default_mounts(ocipy, bundle):
    table = show(ocipy, bundle)
    hardened = {"nosuid", "nodev", "noexec"}
    assert {name: table[name].kind for name in table if name.startswith(("/dev", "/sys")) or name == "/proc"} == {
        "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue",
        "/sys": "sysfs", "/sys/fs/cgroup": "tmpfs", "/sys/firmware": "tmpfs",
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
        path = bundle("sh", "-c", f"{SHOW}; ls /")
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
        {SHOW}
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
    table = show(ocipy, bundle, *mounts, own_rootfs=True)
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
    script = f"stat -c %a:%u:%g /tmp/t; {SHOW}"
    said = inside(ocipy, bundle, script, change=add_mounts(*mounts), own_rootfs=True)
    assert said.startswith("1750:7:8\n")
    table = mount_table(said.partition("\n")[2])
    assert table["/tmp/t"].options == {"rw", "noexec", "nosuid", "noatime"}
    assert {"size=1024k", "nr_inodes=9", "sync"} <= table["/tmp/t"].super_options
    assert table["/tmp/t"].source == "mine"
    assert table["/tmp/ro"].options == {"ro", "relatime"}
    assert table["/tmp/contra"].options == {"rw", "relatime"}


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
        ({"options": ["tmpcopyup"]}, "mount option 'tmpcopyup' is not supported yet"),
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
    assert line.startswith("mounts[7] (/bin/busybox): move_mount to /bin/busybox: E")


# A hostile root filesystem: links that lead out of it.


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that no container may touch, and the check that none did."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "kept").write_text("kept\n")
    yield directory
    assert os.listdir(directory) == ["kept"]
    assert (directory / "kept").read_text() == "kept\n"


def test_links_on_the_way_stay_inside(ocipy, bundle, tmp_path, outside):
    path = bundle("sh", "-c", f"find / -xdev -name 'in-*' | sort; {SHOW}", own_rootfs=True, change=add_mounts(
        bind(outside, "/absolute/in-1", "ro"),
        bind(outside, "/climbing/in-2", "ro"),
        bind(outside, "/chain/in-3", "ro"),
        bind(outside, "/../../../../in-4", "ro"),
        bind(outside / "kept", "/absolute/in-file", "ro"),
        {"destination": "/tofs/in-5", "type": "tmpfs", "source": "tmpfs"},
        bind(outside, "/dangling", "ro"),
        bind(outside / "kept", "/dangling-file", "ro"),
    ))  # fmt: skip
    root = path / "rootfs"
    (root / "absolute").symlink_to(outside)  # inside the root that path isn't there: it's made
    (root / "climbing").symlink_to("../" * 20 + str(outside)[1:])
    (root / "chain").symlink_to("absolute/../chained")
    (root / "tofs").symlink_to("/etc")
    (root / "dangling").symlink_to("/run/not/there")
    (root / "dangling-file").symlink_to("../run/resolve/stub.conf")
    said = ocipy.run(path, status=0).stdout
    table = mount_table("\n".join(line for line in said.splitlines() if " - " in line))
    inner = str(outside)
    for point in (f"{inner}/in-1", f"{inner}/in-2", f"{tmp_path}/chained/in-3", "/in-4", f"{inner}/in-file",
                  "/etc/in-5", "/run/not/there", "/run/resolve/stub.conf"):  # fmt: skip
        assert point in table, point
    assert (root / inner[1:]).is_dir()
    assert not os.path.lexists("/etc/in-5")
    assert not os.path.lexists(f"{tmp_path}/chained")


@pytest.mark.parametrize("target", ["/etc", "../../../../etc", "/proc-elsewhere", "missing"])
def test_proc_and_sys_are_never_mounted_through_a_link(ocipy, bundle, target):
    for name, index in (("proc", 0), ("sys", 5)):
        path = bundle(own_rootfs=True)
        directory = path / "rootfs" / name
        if directory.exists():
            directory.rmdir()
        directory.symlink_to(target)
        line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
        assert line == (
            f"mounts[{index}] (/{name}): open the mount point /{name}: ELOOP: too many levels of symbolic links "
            "(a symbolic link in the root filesystem stands where this must be mounted)"
        )


def test_dev_as_a_link(ocipy, bundle, outside):
    """/dev, /dev/pts and /dev/shm through links: contained, and working."""
    path = bundle("sh", "-c", f"echo x > /dev/null; {SHOW}", own_rootfs=True)
    root = path / "rootfs"
    for name in ("dev", "elsewhere"):
        if (root / name).exists():
            (root / name).rmdir()
    (root / "dev").symlink_to(outside)
    table = mount_table(ocipy.run(path, status=0).stdout)
    assert table[str(outside)].kind == "tmpfs"
    assert table[f"{outside}/pts"].kind == "devpts"

    def without_dev(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev"]

    path = bundle("sh", "-c", SHOW, own_rootfs=True, change=without_dev)
    (path / "rootfs/dev").mkdir(exist_ok=True)
    (path / "rootfs/dev/pts").symlink_to("../" * 20 + str(outside)[1:])
    table = mount_table(ocipy.run(path, status=0).stdout)
    assert table[str(outside)].kind == "devpts"
    assert (path / "rootfs" / str(outside)[1:]).is_dir()


def test_a_link_that_loops(ocipy, bundle):
    path = bundle(own_rootfs=True, change=add_mounts(bind("/etc", "/loop/x")))
    (path / "rootfs/loop").symlink_to("loop")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("mounts[7] (/loop/x): open the mount point /loop/x: ELOOP")


def test_a_magic_link_of_proc_is_no_way_out(ocipy, bundle, outside):
    path = bundle(own_rootfs=True, change=add_mounts(bind(outside, "/proc/self/cwd/x")))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("mounts[7] (/proc/self/cwd/x): open the mount point /proc/self/cwd/x: E")


# Propagation.


@pytest.fixture
def host_shared(tmp_path):
    """A shared mount of the host, to see whether mounts travel; and to mount in."""
    top = tmp_path / "shared"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", top], check=True)
    subprocess.run(["mount", "--make-shared", top], check=True)
    (top / "point").mkdir()
    yield top
    subprocess.run(["umount", "-R", top], check=True)


def mounted(directory):
    return any(line.split()[4] == str(directory) for line in Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.parametrize(
    ("options", "tag", "into", "out_of"),
    [(["rslave"], "master", True, False), (["rprivate"], "", False, False), (["rshared"], "shared", True, True)],
)
def test_propagation_of_a_bind_mount(ocipy, bundle, host_shared, options, tag, into, out_of):
    """``into``: the host's later mounts come to be seen inside; ``out_of``: the container's on the host."""

    def change(config):
        config["linux"]["rootfsPropagation"] = "rshared" if out_of else "rslave"
        add_mounts({"destination": "/mnt", "source": str(host_shared), "options": ["rbind", *options]})(config)
        set_capabilities("CAP_SYS_ADMIN")(config)

    # It signals by a file in the mount, and waits for one of the host's.
    script = (
        "mkdir /mnt/inner; mount -t tmpfs none /mnt/inner; touch /mnt/ready; "
        "until [ -e /mnt/go ]; do usleep 1000; done; grep /mnt /proc/self/mountinfo > /mnt/seen; touch /mnt/done; "
        "exec sleep 1000"
    )
    container = ocipy.start(bundle("sh", "-c", script, change=change, own_rootfs=True))
    until((host_shared / "ready").exists)
    assert mounted(host_shared / "inner") == out_of
    subprocess.run(["mount", "-t", "tmpfs", "none", host_shared / "point"], check=True)
    (host_shared / "go").touch()
    until((host_shared / "done").exists)
    table = mount_table((host_shared / "seen").read_text())
    assert ("/mnt/point" in table) == into
    assert "".join(sorted(word.partition(":")[0] for word in table["/mnt"].tags)) == tag
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize(
    ("wanted", "tags"), [("", set()), ("private", set()), ("rprivate", set()), ("slave", set()), ("rslave", set()),
                         ("shared", {"shared"}), ("rshared", {"shared"}), ("unbindable", {"unbindable"})],
)  # fmt: skip
def test_propagation_of_the_root(ocipy, bundle, wanted, tags):
    """Nothing of the container's shows on the host, not even with a shared root: its mount was made private."""
    before = Path("/proc/self/mountinfo").read_text()
    table = show(ocipy, bundle, change=set_linux(rootfsPropagation=wanted))
    assert {tag.partition(":")[0] for tag in table["/"].tags} - {"master"} == tags
    assert Path("/proc/self/mountinfo").read_text() == before


def test_without_a_mount_namespace_nothing_is_left_mounted(ocipy, bundle):
    """The container's mounts would be the host's; so such a config may have none."""

    def change(config):
        set_namespaces(mount=None)(config)
        set_linux(maskedPaths=[], readonlyPaths=[])(config)
        config["root"]["readonly"] = False

    before = Path("/proc/self/mountinfo").read_text()
    path = bundle("true", change=change)
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert "mount namespace" in line
    assert Path("/proc/self/mountinfo").read_text() == before

    def bare(config):
        change(config)
        config["mounts"] = []

    path = bundle("sh", "-c", "ls /; echo hello", change=bare, own_rootfs=True)
    said = ocipy.run(path, status=0).stdout.split()
    assert said[-1] == "hello"
    assert sorted(said[:-1]) == sorted(os.listdir(path / "rootfs"))
    assert Path("/proc/self/mountinfo").read_text() == before
    assert read_config(path)["mounts"] == []
