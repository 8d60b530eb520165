"""Unpacking archives: what is kept, and that a hostile one writes nothing outside."""

import io
import os
import shutil
import stat
import subprocess
import tarfile

import pytest

from ocipy.bundle.archive import extract_archive
from ocipy.errors import OcipyError, UsageError


def member(name, kind=tarfile.REGTYPE, *, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.uid, info.gid = os.geteuid(), os.getegid()
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, kind, linkname=target)


@pytest.fixture
def unpack(tmp_path):
    def run(*members, mode="w"):
        archive = tmp_path / "rootfs.tar"
        with tarfile.open(archive, mode, format=tarfile.PAX_FORMAT) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return unpack_file(archive)

    def unpack_file(archive):
        root = tmp_path / "jail" / "rootfs"
        root.mkdir(parents=True)
        extract_archive(str(archive), str(root))
        return root

    run.file = unpack_file
    return run


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_contents_and_compressions(unpack, mode):
    root = unpack(
        member("./", tarfile.DIRTYPE, mode=0o755),
        member("./usr/bin/tool", content=b"#!/bin/sh\n" * 9999, mode=0o750, mtime=1_000_000),
        link("./bin", "usr/bin"),
        link("./usr/bin/same", "./usr/bin/tool", tarfile.LNKTYPE),
        link("./etc/mtab", "/proc/mounts"),
        member("./run/pipe", tarfile.FIFOTYPE),
        mode=mode,
    )
    tool = root / "usr/bin/tool"
    assert tool.read_bytes() == b"#!/bin/sh\n" * 9999
    assert stat.S_IMODE(tool.stat().st_mode) == 0o750
    assert tool.stat().st_mtime == 1_000_000
    assert tool.samefile(root / "usr/bin/same")
    assert os.readlink(root / "bin") == "usr/bin"
    assert os.readlink(root / "etc/mtab") == "/proc/mounts"
    assert stat.S_ISFIFO((root / "run/pipe").stat().st_mode)


@pytest.mark.tool("zstd")
def test_zstd(unpack, tmp_path):
    plain = tmp_path / "plain.tar"
    info, content = member("etc/file", content=b"text" * 100_000)
    with tarfile.open(plain, "w") as tar:
        tar.addfile(info, io.BytesIO(content))
    subprocess.run([shutil.which("zstd"), "-q", str(plain)], check=True)
    assert (unpack.file(f"{plain}.zst") / "etc/file").read_bytes() == content


@pytest.mark.tool("zstd")
def test_damaged_zstd_is_one_line(unpack, tmp_path):
    (tmp_path / "bad.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"nonsense" * 100)
    with pytest.raises(UsageError, match=r"^--rootfs .*bad\.zst: "):
        unpack.file(tmp_path / "bad.zst")


def test_zstd_is_missing(unpack, tmp_path, monkeypatch):
    (tmp_path / "x.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(OcipyError, match="apt install zstd"):
        unpack.file(tmp_path / "x.zst")


def everything_below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.mark.parametrize(
    "members",
    [
        [member("../../escaped", content=b"x")],
        [member("/escaped", content=b"x")],
        [member("a/../../../escaped", content=b"x")],
        [link("up", "../.."), member("up/escaped", content=b"x")],
        [link("up", "/"), link("again", "up"), member("again/escaped", content=b"x")],
        [link("escaped", "../../outside"), member("escaped", content=b"x")],
        [link("d", ".."), member("d/escaped", tarfile.DIRTYPE)],
    ],
)
def test_nothing_is_written_outside(unpack, tmp_path, members):
    (tmp_path / "outside").write_text("untouched")
    root = unpack(*members)
    assert (tmp_path / "outside").read_text() == "untouched"
    assert everything_below(tmp_path / "jail")[0] == "rootfs"
    assert all(name == "rootfs" or name.startswith("rootfs/") for name in everything_below(tmp_path / "jail"))
    assert not (tmp_path / "escaped").exists()
    assert (root / "escaped").exists()


def test_a_hard_link_stays_inside(unpack, tmp_path):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(OcipyError, match="hard link to '../../secret', which is no file in it"):
        unpack(link("stolen", "../../secret", tarfile.LNKTYPE))


def test_a_hard_link_through_a_symlink_stays_inside(unpack, tmp_path):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(OcipyError, match="no file in it"):
        unpack(link("up", str(tmp_path)), link("stolen", "up/secret", tarfile.LNKTYPE))


def test_a_directory_replaced_by_a_symlink_does_not_lend_its_mode(unpack, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    unpack(member("d", tarfile.DIRTYPE, mode=0o777, mtime=5), link("d", str(victim)))
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700
    assert victim.stat().st_mtime != 5


def test_directory_modes_come_last(unpack):
    root = unpack(member("sealed", tarfile.DIRTYPE, mode=0o555, mtime=7), member("sealed/file", content=b"x"))
    assert stat.S_IMODE((root / "sealed").stat().st_mode) == 0o555
    assert (root / "sealed").stat().st_mtime == 7
    (root / "sealed").chmod(0o755)


def test_a_later_member_replaces_an_earlier_one(unpack):
    root = unpack(member("f", content=b"old"), link("g", "f", tarfile.LNKTYPE), member("f", content=b"new"))
    assert (root / "f").read_bytes() == b"new"
    assert (root / "g").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("a", content=b""), member("a/b", content=b"")], "a"),
        ([member(".", content=b"x")], "would replace the root directory"),
        ([link("a", "b"), link("b", "a"), member("a/x")], "more than 40 symlinks"),
        ([member("f", mtime=1 << 70)], "damaged"),
        ([member("f", b"Z")], "unknown type"),
    ],
)
def test_nonsense_is_refused(unpack, members, reason):
    with pytest.raises((OcipyError, FileExistsError), match=reason):
        unpack(*members)


@pytest.mark.parametrize("content", [b"", b"not a tar archive" * 100, b"\x1f\x8b\x08broken"])
def test_not_an_archive(unpack, tmp_path, content):
    (tmp_path / "junk").write_bytes(content)
    with pytest.raises(UsageError, match=r"^--rootfs .*/junk: "):
        unpack.file(tmp_path / "junk")


def test_cut_short(unpack, tmp_path):
    unpack_source = tmp_path / "whole.tar.gz"
    with tarfile.open(unpack_source, "w:gz") as tar:
        info, content = member("big", content=os.urandom(50_000))
        tar.addfile(info, io.BytesIO(content))
    (tmp_path / "cut.tar.gz").write_bytes(unpack_source.read_bytes()[:20_000])
    with pytest.raises(UsageError, match="damaged"):
        unpack.file(tmp_path / "cut.tar.gz")


def test_absent(unpack, tmp_path):
    with pytest.raises(UsageError, match="no such directory or tar archive"):
        unpack.file(tmp_path / "absent.tar")


@pytest.mark.parametrize("name", ["manifest.json", "oci-layout"])
def test_an_image_is_no_root_filesystem(unpack, name):
    with pytest.raises(UsageError, match="is an image, not a root filesystem"):
        unpack(member(name, content=b"[]"), member("layer.tar", content=b""))


def test_without_privileges_no_owner_device_or_setuid(unpack, monkeypatch):
    monkeypatch.setattr("ocipy.bundle.archive.os.geteuid", lambda: 1000)
    root = unpack(
        member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("su", content=b"x", mode=0o4755, uid=12345, gid=12345),
    )
    assert not (root / "dev/null").exists()
    assert stat.S_IMODE((root / "su").stat().st_mode) == 0o755
    assert (root / "su").stat().st_uid == os.getuid()


@pytest.mark.root
def test_with_privileges_owner_device_and_setuid(unpack):
    root = unpack(
        member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("su", content=b"x", mode=0o4755, uid=123, gid=456),
        member("home", tarfile.DIRTYPE, uid=1000, gid=1000, mode=0o2750),
    )
    null = (root / "dev/null").stat()
    assert stat.S_ISCHR(null.st_mode)
    assert (os.major(null.st_rdev), os.minor(null.st_rdev), stat.S_IMODE(null.st_mode)) == (1, 3, 0o666)
    su = (root / "su").stat()
    assert (su.st_uid, su.st_gid, stat.S_IMODE(su.st_mode)) == (123, 456, 0o4755)
    home = (root / "home").stat()
    assert (home.st_uid, stat.S_IMODE(home.st_mode)) == (1000, 0o2750)


@pytest.mark.root
def test_file_capabilities_are_kept(unpack):
    # cap_net_raw+ep, VFS_CAP_REVISION_2 (linux/capability.h)
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    headers = {"SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape")}
    root = unpack(member("ping", content=b"x", pax_headers=headers))
    assert os.getxattr(root / "ping", "security.capability") == capability
