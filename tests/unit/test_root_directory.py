"""Where containers are kept, unless the caller says."""

import os
import posix

import pytest

from ocipy import host
from ocipy.errors import UsageError
from ocipy.root_directory import default_root


@pytest.fixture
def surroundings(monkeypatch):
    """``surroundings(directory, user=None, namespace=False, modes={})``: what the default root depends on."""

    def set_(directory, user=None, namespace=False, owner=1000, modes=None):
        for name, value in ((b"XDG_RUNTIME_DIR", directory), (b"USER", user)):
            if value is None:
                monkeypatch.delitem(posix.environ, name, raising=False)
            else:
                monkeypatch.setitem(posix.environ, name, os.fsencode(value))

        def stat_(path):
            if modes and path in modes:
                return os.stat_result((modes[path], 0, 0, 0, owner, 0, 0, 0, 0, 0))
            raise FileNotFoundError(2, "", path)

        monkeypatch.setattr("posix.stat", stat_)
        monkeypatch.setattr(host, "in_user_namespace", lambda: namespace)

    return set_


@pytest.mark.parametrize(
    ("directory", "user", "namespace"),
    [("/d", None, False), (None, None, True), ("", "me", True), ("/d", "root", True)],
)
def test_default_root_of_root(surroundings, directory, user, namespace):
    """runc's rule: the variable may be left over from the user that root once was."""
    surroundings(directory, user, namespace)
    assert default_root(0) == "/run/ocipy"


@pytest.mark.parametrize("user", ["me", None])
def test_default_root_of_root_of_a_user_namespace(surroundings, user):
    surroundings("/d", user, namespace=True, owner=0, modes={"/d": 0o700})
    assert default_root(0) == "/d/ocipy"


@pytest.mark.parametrize(
    ("directory", "modes", "message"),
    [
        ("/d", {}, "^/d is no directory of this user's: set XDG_RUNTIME_DIR, or give --root$"),
        (None, {}, "^/run/user/1000 is no directory of this user's"),
        ("/d", {"/d": 0o720}, "^/d may be written to by other users: chmod 700, or set XDG"),
        ("/d", {"/d": 0o700, "/d/ocipy": 0o702}, "^/d/ocipy may be written to by other users"),
    ],
)
def test_default_root_that_is_not_the_user_s_alone(surroundings, directory, modes, message):
    """In a directory that others could have made, or may write to, state can't be trusted."""
    surroundings(directory, modes=modes)
    with pytest.raises(UsageError, match=message):
        default_root(1000)


def test_default_root_of_another_user_s_directory(surroundings):
    surroundings("/d", owner=1001, modes={"/d": 0o700})
    with pytest.raises(UsageError, match="^/d is no directory of this user's"):
        default_root(1000)


@pytest.mark.parametrize("directory", ["/d", None, "/\udcff"])
def test_default_root_of_an_ordinary_user(surroundings, directory):
    place = directory or "/run/user/1000"
    for modes in ({place: 0o755}, {place: 0o700, f"{place}/ocipy": 0o1700}):
        surroundings(directory, modes=modes)
        assert default_root(1000) == f"{place}/ocipy"
