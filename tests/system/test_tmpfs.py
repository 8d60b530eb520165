"""A tmpfs over a directory of the root filesystem: its mode, the content copied up, mounts in read-only ones."""

import os
import socket
import stat
import subprocess

import pytest

from tests.system.looking import add_mounts, bind, in_user_namespace, inside, together

pytestmark = pytest.mark.root


def tmpfs(destination, *options):
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": list(options)}


@pytest.mark.parametrize(
    ("options", "mode"), [([], "1750"), (["mode=711"], "711"), (["size=1m,mode=700"], "700"), (["tmpcopyup"], "1750")]
)
def test_the_mode_of_the_directory_below(ocipy, bundle, options, mode):
    """As runc and crun: what a package made private stays so; but a mode that is asked for is what counts."""
    path = bundle("stat", "-c", "%a %u:%g", "/made", "/new", own_rootfs=True,
                  change=add_mounts(tmpfs("/made", *options), tmpfs("/new", *options)))  # fmt: skip
    (path / "rootfs/made").mkdir()
    (path / "rootfs/made").chmod(0o1750)
    os.chown(path / "rootfs/made", 7, 8)
    made, new = ocipy.run(path, status=0).stdout.splitlines()
    assert made == f"{mode} {'7:8' if 'tmpcopyup' in options else '0:0'}"
    assert new == f"{mode if any('mode' in option for option in options) else '1777'} 0:0"


def fill(top):
    """Of everything a directory can hold, with links that lead astray."""
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_bytes(b"x" * 100_000)
    (top / "a/b/file").chmod(0o4750)
    os.chown(top / "a/b/file", 5, 6)
    (top / "a/b/file").chmod(0o4750)
    (top / "a/empty").touch()
    (top / "a/absolute").symlink_to("/etc/passwd")
    (top / "a/up").symlink_to("../../../../../../etc")
    os.chown(top / "a/up", 3, 4, follow_symlinks=False)
    os.mkfifo(top / "pipe", 0o640)
    os.mknod(top / "null", 0o020666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))
    for number in range(200):  # more than one buffer of names
        (top / f"{number}-{'n' * 40}").touch()
    (top / "a").chmod(0o2751)
    os.setxattr(top / "a/b/file", "trusted.mine", b"value")
    for path in (top / "a/up", top / "a/b/file", top / "a/b", top / "a", top):
        os.utime(path, (1_000_000_000, 1_100_000_000), follow_symlinks=False)


LOOK = "find /made | sort | xargs stat -c '%n %A %u:%g %s %t:%T %Y %N'"


def test_content_is_copied_up(ocipy, bundle):
    """Types, owners, modes, times, links and attributes; links are copied and never followed; the original is kept."""
    script = f"{LOOK}; md5sum /made/a/b/file; grep ' /made ' /proc/mounts; echo x > /made/a/b/file; rm /made/pipe"
    path = bundle("sh", "-c", script, own_rootfs=True, change=add_mounts(tmpfs("/made", "tmpcopyup")))
    top = path / "rootfs/made"
    top.mkdir()
    fill(top)
    said = ocipy.run(path, status=0).stdout
    lines = [line for line in said.splitlines() if line.startswith("/made")]
    assert len(lines) == 1 + 9 + 200
    found = {line.split()[0]: line.split()[1:] for line in lines}
    for name, values in found.items():
        file = top / name.removeprefix("/made").lstrip("/")
        status = file.lstat()
        assert values[:2] == [stat.filemode(status.st_mode), f"{status.st_uid}:{status.st_gid}"], name
        assert int(values[4]) == int(status.st_mtime), name
        if not file.is_dir() or file.is_symlink():
            assert int(values[2]) == status.st_size, name
    assert found["/made/a/up"][5:] == ["'/made/a/up'", "->", "'../../../../../../etc'"]
    assert found["/made/null"][3] == "1:3"
    assert "tmpfs" in said
    assert (top / "a/b/file").read_bytes() == b"x" * 100_000
    assert (top / "pipe").exists()


def test_extended_attributes_are_copied_up(ocipy, bundle):
    path = bundle("sleep", "1000", own_rootfs=True, change=add_mounts(tmpfs("/made", "tmpcopyup")))
    top = path / "rootfs/made"
    (top / "dir").mkdir(parents=True)
    (top / "file").touch()
    for name in (".", "dir", "file"):
        os.setxattr(top / name, "trusted.mine", name.encode())
    container = ocipy.start(path)
    inside_top = f"/proc/{ocipy.pid(container)}/root/made"
    assert [os.getxattr(f"{inside_top}/{name}", "trusted.mine") for name in (".", "dir", "file")] == [
        b".", b"dir", b"file",
    ]  # fmt: skip


def test_copying_up_where_only_mount_2_will_do(ocipy, bundle):
    path = bundle("ls", "/made", own_rootfs=True, change=add_mounts(tmpfs("/made", "iversion", "tmpcopyup")))
    (path / "rootfs/made").mkdir()
    (path / "rootfs/made/file").touch()
    assert ocipy.run(path, status=0).stdout == "file\n"


def test_copying_up_in_a_user_namespace(ocipy, bundle):
    def own(top):
        for directory, _, names in os.walk(top):
            for name in [*names, "."]:
                os.chown(f"{directory}/{name}", 100007, 100008, follow_symlinks=False)

    change = together(in_user_namespace, add_mounts(tmpfs("/made", "tmpcopyup")))
    path = bundle("stat", "-c", "%n %u:%g %a", "/made", "/made/x/y", own_rootfs=True, change=change)
    top = path / "rootfs/made"
    (top / "x").mkdir(parents=True)
    (top / "x/y").touch(mode=0o600)
    own(top)
    assert ocipy.run(path, status=0).stdout == "/made 7:8 755\n/made/x/y 7:8 600\n"


def test_a_link_as_the_destination_is_resolved_in_the_root(ocipy, bundle, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    path = bundle(
        "ls", "/real", own_rootfs=True, change=add_mounts(tmpfs("/link", "tmpcopyup"), tmpfs("/out", "tmpcopyup"))
    )
    root = path / "rootfs"
    (root / "real").mkdir()
    (root / "real/file").touch()
    (root / "link").symlink_to("/real")
    (root / "out").symlink_to(outside)
    assert ocipy.run(path, status=0).stdout == "file\n"
    assert list((root / str(outside)[1:]).iterdir()) == [], "made inside the root, with nothing of the host's in it"


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda top: (top / "big").write_bytes(bytes(100_000)), ["size=8k"], "copy up big: ENOSPC"),
        (
            lambda top: os.makedirs("/".join([str(top), *["d"] * 200])),
            [],
            "copy up directories nested too deeply: ELOOP",
        ),
    ],
)
def test_what_cannot_be_copied_up(ocipy, bundle, make, options, words):
    path = bundle(own_rootfs=True, change=add_mounts(tmpfs("/made", "tmpcopyup", *options)))
    (path / "rootfs/made").mkdir()
    make(path / "rootfs/made")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith(f"mounts[7] (/made): {words}: ")


def test_a_read_only_tmpfs_with_mounts_in_it(ocipy, bundle, tmp_path):
    """Its mount points are made before it becomes read-only, as runc has it."""
    (tmp_path / "file").write_text("bound\n")
    mounts = (tmpfs("/made", "ro", "tmpcopyup"), bind(tmp_path / "file", "/made/deep/file"), tmpfs("/made/other"))
    script = "cat /made/deep/file; touch /made/x 2>/dev/null || echo refused; touch /made/other/x && echo made"
    said = inside(ocipy, bundle, script, change=add_mounts(*mounts), own_rootfs=True)
    assert said.split() == ["bound", "refused", "made"]


def test_the_host_s_devtmpfs_is_left_as_it_is(ocipy, bundle):
    """It is one for all: a link made in it, or a node removed, would be the host's."""

    def change(config):
        dev = next(mount for mount in config["mounts"] if mount["destination"] == "/dev")
        dev.update(type="devtmpfs", options=["nosuid"])
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev/")]

    if (
        subprocess.run(["findmnt", "-no", "FSTYPE", "/dev"], capture_output=True, text=True, check=True).stdout
        != "devtmpfs\n"
    ):
        pytest.skip("needs a devtmpfs on /dev")
    before = {name: os.lstat(f"/dev/{name}").st_ino for name in os.listdir("/dev")}
    said = inside(ocipy, bundle, "stat -c %t:%T /dev/null; ls /dev", change=change).split()
    assert said[0] == "1:3"
    assert {name: os.lstat(f"/dev/{name}").st_ino for name in os.listdir("/dev")} == before
