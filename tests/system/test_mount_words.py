"""Words of mount options on real mounts, as mountinfo shows them; remounts; a mount that becomes the root."""

import subprocess

import pytest

from tests.system.looking import (
    SHOW_MOUNTS,
    add_mounts,
    bind,
    in_user_namespace,
    inside,
    mount_table,
    mounts_inside,
    set_linux,
    together,
)

pytestmark = pytest.mark.root


@pytest.fixture
def restless(tmp_path):
    """A mount of the host with every attribute set, and one below it."""
    top = tmp_path / "restless"
    top.mkdir()
    options = "nosuid,nodev,noexec,noatime,nodiratime,nosymfollow"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", top], check=True)
    (top / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", top / "sub"], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", top / "sub"], check=True)
    subprocess.run(["mount", "-o", f"remount,bind,ro,{options}", top], check=True)
    yield top
    subprocess.run(["umount", "-R", top], check=True)


ALL = {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"}


@pytest.mark.parametrize(
    ("options", "top", "below"),
    [
        (["bind"], ALL, None),
        (["rbind"], ALL, ALL),
        (["rbind", "rw", "suid", "dev", "exec"], {"rw", "noatime", "nodiratime", "nosymfollow"}, ALL),
        (["rbind", "rrw", "rsuid", "rdev", "rexec", "rsymfollow", "rdiratime", "ratime"], {"rw", "relatime"}, "top"),
        (["rbind", "rstrictatime", "rdiratime"], ALL - {"noatime", "nodiratime"}, "top"),
        (["rbind", "rrw", "rro"], ALL, ALL),
        (["rbind", "rrelatime", "rnodiratime"], ALL - {"noatime"} | {"relatime"}, "top"),
        (["rbind", "rrw", "ro"], ALL - {"ro"} | {"rw"}, "top"),  # what is said of all has the last word
        (["bind", "atime"], ALL - {"noatime"} | {"relatime"}, None),
        (["bind", "norelatime", "nostrictatime", "noatime"], ALL, None),
    ],
)
def test_attributes_of_a_bind_mount(ocipy, bundle, restless, options, top, below):
    mount = {"destination": "/tmp/x", "source": str(restless), "options": options}
    table = mounts_inside(ocipy, bundle, mount, own_rootfs=True)
    assert table["/tmp/x"].options == top
    found = table["/tmp/x/sub"].options if "/tmp/x/sub" in table else None
    assert found == (top if below == "top" else below)


@pytest.mark.parametrize(
    ("words", "options", "super_options"),
    [
        (["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"], {"ro", "nosuid", "nodev", "noexec", "noatime"}, set()),
        (["nosymfollow", "nodiratime", "strictatime"], {"rw", "nosymfollow", "nodiratime"}, set()),
        (["sync", "dirsync", "lazytime"], {"rw", "relatime"}, {"sync", "dirsync", "lazytime"}),
        (["sync", "async", "lazytime", "nolazytime"], {"rw", "relatime"}, set()),
        (["iversion", "size=8k", "silent", "noexec"], {"rw", "noexec", "relatime"}, {"size=8k"}),
        (["iversion", "noiversion", "loud", "defaults", "auto", "x-what=ever"], {"rw", "relatime"}, set()),
        (["user", "dev"], {"rw", "nosuid", "noexec", "relatime"}, set()),
        (["size=8k,nr_inodes=9"], {"rw", "relatime"}, {"size=8k", "nr_inodes=9"}),
    ],
)
def test_words_for_a_filesystem(ocipy, bundle, words, options, super_options):
    mount = {"destination": "/tmp/x", "type": "tmpfs", "source": "tmpfs", "options": words}
    found = mounts_inside(ocipy, bundle, mount, own_rootfs=True)["/tmp/x"]
    assert found.options == options
    always = {"rw", "inode64", "mode=755"}
    assert found.super_options - always == super_options


def test_propagations_in_turn(ocipy, bundle, tmp_path):
    """As runc: a slave that is shared again, and what is private at the end."""
    change = set_linux(rootfsPropagation="shared")
    source = tmp_path / "source"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", source], check=True)
    try:
        subprocess.run(["mount", "--make-shared", source], check=True)
        mounts = [
            {"destination": f"/tmp/{number}", "source": str(source), "options": ["bind", *words]}
            for number, words in enumerate([["slave"], ["slave", "shared"], ["shared", "rprivate"], ["unbindable"]])
        ]
        table = mounts_inside(ocipy, bundle, *mounts, change=change, own_rootfs=True)
    finally:
        subprocess.run(["umount", source], check=True)
    tags = [{tag.partition(":")[0] for tag in table[f"/tmp/{number}"].tags} for number in range(4)]
    assert tags == [{"master"}, {"master", "shared"}, set(), {"unbindable"}]


def test_remounts(ocipy, bundle, tmp_path):
    mounts = (
        {"destination": "/tmp/t", "type": "tmpfs", "source": "t", "options": ["noexec", "size=1m"]},
        {"destination": "/tmp/t", "options": ["remount", "ro", "nosuid"]},
        {"destination": "/tmp/t", "type": "tmpfs", "options": ["remount", "size=2m", "sync"]},
        bind(tmp_path, "/tmp/b", "nodev"),
        bind("unused", "/tmp/b", "remount", "ro", "private"),
        {"destination": "/proc", "type": "proc", "options": ["remount", "bind", "nosuid"]},
    )
    table = mounts_inside(ocipy, bundle, *mounts, own_rootfs=True)
    assert table["/tmp/t"].options == {"ro", "noexec", "nosuid", "relatime"}
    assert {"size=2048k", "sync"} <= table["/tmp/t"].super_options
    assert {"ro", "nodev"} <= table["/tmp/b"].options
    assert table["/tmp/b"].tags == set()
    assert table["/proc"].options == {"rw", "nosuid", "relatime"}


def test_a_remount_says_what_the_kernel_says(ocipy, bundle):
    mounts = (
        {"destination": "/tmp", "type": "tmpfs", "options": []},
        {"destination": "/tmp", "type": "tmpfs", "options": ["remount", "size=lots"]},
    )
    line = ocipy.fails("run", "--bundle", bundle(change=add_mounts(*mounts)), ocipy.new_id())
    assert line == (
        "mounts[8] (/tmp): remount /tmp: the kernel says: tmpfs: Bad value for 'size': EINVAL: invalid argument"
    )


def test_flags_that_a_user_namespace_inherits_are_locked(ocipy, bundle, restless):
    """They stay, whatever else is asked for (mount_namespaces(7)); who asks to have one cleared is told."""
    for words in ([], ["ro"], ["nosuid", "noatime"], ["rro"]):
        mount = {"destination": "/tmp", "source": str(restless), "options": ["rbind", *words]}
        table = mounts_inside(ocipy, bundle, mount, change=in_user_namespace)
        assert table["/tmp"].options == table["/tmp/sub"].options == ALL, words
    for word in ("rw", "suid", "dev", "exec", "atime", "strictatime", "diratime", "rrw"):
        mount = {"destination": "/tmp", "source": str(restless), "options": ["rbind", word]}
        path = bundle(change=together(in_user_namespace, add_mounts(mount)))
        line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
        assert line.startswith("mounts[7] (/tmp): mount_setattr "), word
        assert line.endswith(
            "EPERM: operation not permitted (a flag locked by an outer user namespace can't be cleared)"
        )


@pytest.mark.parametrize("user_namespace", [False, True])
@pytest.mark.parametrize("options", [[], ["--no-pivot"]])
def test_a_mount_on_the_root_becomes_the_root(ocipy, bundle, busybox_rootfs, options, user_namespace):
    """What is mounted later lies in it; root.readonly is about it."""

    def change(config):
        config["root"]["path"] = "empty"
        config["mounts"].insert(0, {"destination": "/", "source": str(busybox_rootfs), "options": ["rbind", "nodev"]})
        if user_namespace:
            in_user_namespace(config)

    path = bundle("sh", "-c", f"touch /x 2>/dev/null || echo refused; {SHOW_MOUNTS}", change=change)
    (path / "empty").mkdir()
    said = ocipy.run(path, *options, status=0).stdout
    assert said.startswith("refused\n")
    table = mount_table(said.partition("\n")[2])
    assert {"ro", "nodev"} <= table["/"].options
    assert table["/"].root.endswith("/busybox/rootfs")
    assert table["/proc"].kind == "proc"
    assert list((path / "empty").iterdir()) == []


def test_a_filesystem_on_the_root(ocipy, bundle, busybox_rootfs):
    """Of a tmpfs with the root filesystem copied up: the program runs in it, and what it writes is gone."""

    def change(config):
        config["root"]["readonly"] = False
        config["mounts"].insert(
            0, {"destination": "/", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "iversion"][:1]}
        )

    before = sorted(busybox_rootfs.iterdir())
    said = inside(ocipy, bundle, "echo x > /written; ls / | head -1; mount | head -1", change=change).splitlines()
    assert said[0] == "bin"
    assert said[1].startswith("tmpfs on / type tmpfs (rw")
    assert sorted(busybox_rootfs.iterdir()) == before


PROC_RULE = "(only files such as /proc/meminfo may be replaced there)"


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (bind("/etc/hostname", "/proc/version"), "mount inside /proc, on /proc/version"),
        (bind("/etc", "/proc/sys"), "mount inside /proc, on /proc/sys"),
        (bind("/etc", "/link"), "mount inside /proc, on /proc/sys"),
        ({"destination": "/proc/sys/net", "type": "tmpfs"}, "mount inside /proc, on /proc/sys/net"),
        ({"destination": "/proc", "type": "tmpfs"}, "mount what is no procfs on /proc"),
        (bind("/etc", "/proc"), "mount what is no procfs on /proc"),
        (bind("/etc", "/other"), "mount what is no procfs on /proc"),
    ],
)
def test_nothing_is_mounted_over_parts_of_proc(ocipy, bundle, mount, words):
    """As runc: wherever a link leads there."""
    path = bundle(change=add_mounts(mount), own_rootfs=True)
    (path / "rootfs/link").symlink_to("/proc/self/../sys")
    (path / "rootfs/other").symlink_to("proc")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith(f"mounts[7] ({mount['destination']}): {words}: EPERM: operation not permitted")
    assert line.endswith(PROC_RULE) == ("inside" in words)


def test_what_may_be_mounted_in_proc(ocipy, bundle, tmp_path):
    """What lxcfs replaces, and a whole procfs."""
    names = ("meminfo", "uptime", "stat", "sys/kernel/ns_last_pid")
    for name in names:
        (tmp_path / name.replace("/", "-")).write_text(f"mine: {name}\n")
    mounts = [bind(tmp_path / name.replace("/", "-"), f"/proc/{name}", "ro") for name in names]
    script = " ".join(["cat", *(f"/proc/{name}" for name in names)])
    assert inside(ocipy, bundle, script, change=add_mounts(*mounts)).splitlines() == [f"mine: {name}" for name in names]

    def whole(config):
        config["mounts"][0] = {"destination": "/proc", "source": "/proc", "options": ["rbind"]}
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "pid"]

    assert mount_table(inside(ocipy, bundle, SHOW_MOUNTS, change=whole))["/proc"].kind == "proc"


def test_links_at_the_ends_of_a_bind_mount(ocipy, bundle, tmp_path):
    """Words of crun's: a link is bound, mounted on, or copied."""
    (tmp_path / "file").write_text("file\n")
    (tmp_path / "link").symlink_to("to/where")
    mounts = (
        {"destination": "/there", "source": str(tmp_path / "file"), "options": ["bind", "dest-nofollow"]},
        {"destination": "/made/copy", "source": str(tmp_path / "link"), "options": ["bind", "copy-symlink"]},
        {"destination": "/there-too", "source": str(tmp_path / "link"), "options": ["bind", "copy-symlink"]},
        {
            "destination": "/plain",
            "source": str(tmp_path / "file"),
            "options": ["bind", "copy-symlink", "src-nofollow"],
        },
        {
            "destination": "/linked",
            "source": str(tmp_path / "link"),
            "options": ["bind", "src-nofollow", "dest-nofollow"],
        },
    )
    script = "cat /there; readlink /made/copy; readlink /there-too; cat /plain; readlink /linked; cat /target"
    path = bundle("sh", "-c", script, change=add_mounts(*mounts), own_rootfs=True)
    root = path / "rootfs"
    (root / "target").write_text("target\n")
    for name, target in (("there", "target"), ("there-too", "to/where"), ("linked", "target")):
        (root / name).symlink_to(target)
    assert ocipy.run(path, status=0).stdout.split() == ["file", "to/where", "to/where", "file", "to/where", "target"]
    (root / "there-too").unlink()
    (root / "there-too").symlink_to("other")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == "mounts[9] (/there-too): symlink /there-too: EEXIST: file exists"
