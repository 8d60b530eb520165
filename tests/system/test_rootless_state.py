"""Where the state of ordinary users' containers lies, and what isn't fit to hold it."""

import os

import pytest

from tests.system.rootless import NOBODY

pytestmark = [pytest.mark.root, pytest.mark.rootless]


def test_the_default_root(as_user):
    """``$XDG_RUNTIME_DIR/ocipy``, the user's alone, and exempt from being cleared away by its sticky bit."""
    as_user("create", "--bundle", as_user.bundle("true"), "c1", status=0)
    found = as_user.root.stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o1700, NOBODY)
    assert (as_user.root / "c1").stat().st_mode & 0o777 == 0o700
    as_user("delete", "c1", status=0)


def test_another_root(as_user):
    path = as_user.bundle("sleep", "1000")
    elsewhere = as_user.home / "elsewhere/root"
    as_user("--root", elsewhere, "create", "--bundle", path, "c1", status=0)
    assert (elsewhere / "c1/state.json").exists()
    assert as_user("list", "-q", status=0).stdout == ""
    as_user("--root", elsewhere, "delete", "--force", "c1", status=0)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda run: run.chmod(0o777), "{run} may be written to by other users: chmod 700, or set XDG_RUNTIME_DIR, or"),
        (lambda run: os.chown(run, 1234, 1234), "{run} is no directory of this user's: set XDG_RUNTIME_DIR, or give"),
        (lambda run: run.rmdir(), "{run} is no directory of this user's: set XDG_RUNTIME_DIR, or give --root"),
    ],
)
@pytest.mark.parametrize("command", ["list", "state c1", "create c1"])
def test_a_runtime_directory_that_is_not_the_user_s_alone(as_user, change, line, command):
    run = as_user.home / "run"
    change(run)
    done = as_user(*command.split(), status=1)
    assert done.stderr.startswith("ocipy: " + line.format(run=run))
    assert done.stderr.count("\n") == 1


def test_a_root_that_others_may_write_to(as_user):
    as_user.execute("mkdir", "-m", "770", as_user.root, status=0)
    done = as_user("list", status=1)
    assert done.stderr.startswith(f"ocipy: {as_user.root} may be written to by other users: chmod 700")


def test_without_a_runtime_directory(as_user):
    """/run/user/UID, which isn't there."""
    del as_user.environment["XDG_RUNTIME_DIR"]
    done = as_user("list", status=1)
    assert done.stderr.startswith(f"ocipy: /run/user/{NOBODY} is no directory of this user's")
