"""The names of users, as ``state`` and ``list`` show them."""

import pwd

import pytest

from ocipy import files, owner


@pytest.fixture
def passwd(monkeypatch):
    """``passwd(text)``: /etc/passwd has that text, or (None) isn't there; the name service knows nobody."""

    def be(text):
        def read(path):
            assert path == "/etc/passwd"
            if text is None:
                raise FileNotFoundError(2, "No such file or directory", path)
            return text

        def getpwuid(uid):
            raise KeyError(uid)

        monkeypatch.setattr(files, "read", read)
        monkeypatch.setattr(pwd, "getpwuid", getpwuid)

    return be


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"root:x:0:0:::\nann:x:7:7:::\n", "ann"),
        (b"ann:x:7:7:::\nbob:x:7:8:::\n", "ann"),
        (b"short\n\n::\nann:x:7\n", "ann"),
        (b"ann:x:77:7:::\nbob:x:+7:7:::\n", "#7"),
        (b"\xff:x:7:7:::\n", "\udcff"),
        (b"", "#7"),
        (None, "#7"),
    ],
)
def test_names(passwd, text, name):
    passwd(text)
    assert owner.name(7) == name


def test_users_that_only_the_name_service_knows(passwd, monkeypatch):
    passwd(b"root:x:0:0:::\n")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("zoe", "x", uid, uid, "", "", "")))
    assert owner.name(7) == "zoe"
