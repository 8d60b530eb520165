"""Walking a hostile root filesystem: nothing leads out of it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.bundle.within import find_command, make_directory_within, read_within, resolve_within
from ocipy.errors import OcipyError


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", ""),
        ("a/b", "/a/b"),
        ("//a/./b/", "/a/b"),
        ("../../etc/passwd", "/etc/passwd"),
        ("a/../../../x", "/x"),
        ("absolute/shadow", "/etc/shadow"),
        ("climbing/x", "/x"),
        ("absolute", "/etc"),
        ("chain", "/etc"),
        ("dangling/y", "/nowhere/y"),
    ],
)
def test_resolves_as_after_chroot(tmp_path, path, resolved):
    root = str(tmp_path)
    os.symlink("/etc", f"{root}/absolute")
    os.symlink("../../../..", f"{root}/climbing")
    os.symlink("absolute", f"{root}/chain")
    os.symlink("/nowhere", f"{root}/dangling")
    assert resolve_within(root, path) == root + resolved


def test_the_last_link_can_be_kept(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    assert resolve_within(str(tmp_path), "link", follow_last=False) == f"{tmp_path}/link"


def test_loop(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OcipyError, match="more than 40 symlinks"):
        resolve_within(str(tmp_path), "a/x")


@given(st.lists(st.sampled_from(["..", ".", "", "a", "link"]), max_size=12))
def test_never_leaves_the_root(tmp_path_factory, names):
    root = tmp_path_factory.getbasetemp() / "within"
    root.mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("../../a/../..")
    found = resolve_within(str(root), "/".join(names))
    assert found == str(root) or found.startswith(f"{root}/")
    assert ".." not in found[len(str(root)) :].split("/")


def test_make_directory_ignores_the_umask(tmp_path):
    (tmp_path / "link").symlink_to("/real")
    old = os.umask(0o077)
    try:
        made = make_directory_within(str(tmp_path), "link/deep/er", 0o1777)
    finally:
        os.umask(old)
    assert made == f"{tmp_path}/real/deep/er"
    assert [os.stat(f"{tmp_path}/real{part}").st_mode & 0o7777 for part in ("", "/deep", "/deep/er")] == [
        0o755,
        0o755,
        0o1777,
    ]


def test_read(tmp_path):
    (tmp_path / "etc").mkdir()
    assert read_within(str(tmp_path), "/etc/passwd") == ""
    assert read_within(str(tmp_path), "/etc/passwd/more") == ""
    (tmp_path / "etc/real").write_text("line\n")
    (tmp_path / "etc/passwd").symlink_to("/etc/real")
    assert read_within(str(tmp_path), "/etc/passwd") == "line\n"


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "passwd")
    with pytest.raises(OcipyError, match="not a regular file"):
        read_within(str(tmp_path), "/passwd")


def test_find_command(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    program = tmp_path / "usr/bin/tool"
    program.write_text("")
    assert find_command(str(tmp_path), "tool", "/sbin:/bin") is None
    program.chmod(0o755)
    assert find_command(str(tmp_path), "tool", "/sbin:/bin") == "/bin/tool"
    assert find_command(str(tmp_path), "tool", "/sbin") is None
    assert find_command(str(tmp_path), "/usr/bin/tool", "") == "/usr/bin/tool"
    assert find_command(str(tmp_path), "./tool", "", cwd="/usr/bin") == "/usr/bin/./tool"
    assert find_command(str(tmp_path), "usr/bin", "") is None
