"""A bundle is there whole or not at all, and only a bundle made here is ever replaced."""

import json
import os

import pytest

from ocipy.bundle import builder, make_bundle
from ocipy.bundle.replace import _mount_below
from ocipy.errors import OcipyError, SyscallError, UsageError


def listing(directory):
    return sorted(os.listdir(directory))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rootfs": "/absent"}, "^--rootfs /absent: no such"),
        ({"rootfs": "/"}, "^--rootfs /: "),
        ({"busybox": True}, "^only one of --from-host, --busybox and --rootfs"),
        ({"hello": True, "args": ["ls"]}, "^--hello"),
        ({"user": "nosuch"}, "^--user nosuch"),
        ({"memory": 1}, "^--memory"),
        ({"cpus": 0.0}, "^--cpus"),
        ({"pids": 0}, "^--pids"),
        ({"cwd": "relative"}, "^--cwd"),
        ({"hostname": "a b"}, "^--hostname"),
        ({"env": ["X"]}, "^--env"),
        ({"rootfs": "", "from_host": ["no-such-program"]}, "^--from-host: no-such-program is not in PATH"),
    ],
)
def test_an_error_leaves_nothing_behind(make, tmp_path, fields, reason):
    before = listing(tmp_path)
    with pytest.raises(OcipyError, match=reason):
        make(**fields)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_leaves_nothing_behind(make, tmp_path, monkeypatch, interruption):
    before = listing(tmp_path)
    seen = []

    def interrupt(path, config):
        seen.append(listing(tmp_path))
        raise interruption

    monkeypatch.setattr(builder, "write_config", interrupt)
    with pytest.raises(interruption):
        make(rootfs="", from_host=["ls"])
    assert len(seen[0]) == len(before) + 1, "the half-made bundle was beside its place"
    assert listing(tmp_path) == before


def test_an_oserror_is_one_line_with_its_path(make, tmp_path, monkeypatch):
    def fail(path, config):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(builder, "write_config", fail)
    with pytest.raises(SyscallError, match=r"^make bundle: /.*config\.json: ENOSPC: no space left on device$"):
        make()


def test_twice_is_one_clear_error(make, tmp_path):
    make(hostname="first")
    before = listing(tmp_path)
    with pytest.raises(UsageError, match=r"^/.*/bundle exists and is not empty \(--force replaces it\)$"):
        make(hostname="second")
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"
    assert listing(tmp_path) == before


def test_force_replaces_a_bundle_and_nothing_is_left_of_the_old(make, tmp_path):
    make(hostname="first")
    (tmp_path / "bundle/extra").mkdir()
    (tmp_path / "bundle/extra/file").write_text("")
    before = listing(tmp_path)
    assert make(hostname="second", force=True)["hostname"] == "second"
    assert listing(tmp_path / "bundle") == ["config.json"]
    assert listing(tmp_path) == before


def test_force_makes_one_that_is_not_there(make):
    assert make(force=True)


def test_force_that_fails_keeps_the_old(make, tmp_path):
    make(hostname="first")
    with pytest.raises(UsageError, match=r"^--env"):
        make(force=True, env=["X"])
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"


def test_a_failing_rename_puts_the_old_one_back(make, tmp_path, monkeypatch):
    make(hostname="first")
    before = listing(tmp_path)
    rename = os.rename

    def fail(source, destination):
        if destination == str(tmp_path / "bundle") and not source.endswith("/old"):
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        make(hostname="second", force=True)
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "config",
    [None, "", "{}", "[]", "broken", '{"annotations": {"other": "1"}}', '{"annotations": ["org.ocipy.bundle"]}'],
)
def test_force_never_removes_what_is_not_ours(make, tmp_path, config):
    directory = tmp_path / "bundle"
    (directory / "precious").mkdir(parents=True)
    if config is not None:
        (directory / "config.json").write_text(config)
    with pytest.raises(UsageError, match="is not a bundle made by ocipy"):
        make(force=True)
    assert (directory / "precious").is_dir()


def test_force_refuses_while_something_is_mounted_below(make, tmp_path, monkeypatch):
    make()
    monkeypatch.setattr("ocipy.bundle.replace._mount_below", lambda directory: f"{directory}/rootfs/data")
    with pytest.raises(OcipyError, match="/rootfs/data is mounted in it"):
        make(force=True)


def test_mount_points_are_read_from_mountinfo():
    assert _mount_below("/proc") == "/proc"
    assert _mount_below("/proc/self/no") == ""
    assert _mount_below("/pro") == ""


def test_an_empty_directory_is_taken(make, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert make()


def test_places_that_can_not_be(make, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a directory"):
        make_bundle(tmp_path / "file")
    with pytest.raises(UsageError, match="there is no directory"):
        make_bundle(tmp_path / "absent/bundle")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the current directory"):
        make_bundle(".")
