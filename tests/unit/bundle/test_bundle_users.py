"""``--user`` in a root filesystem, and the id maps of a rootless container."""

import os
import pwd

import pytest

from ocipy.bundle import users
from ocipy.bundle.users import User, account_files, id_maps, resolve_user
from ocipy.errors import UsageError


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nbroken line\nbad:x:1x:1::/:\nweb:x:33:34::/www:/bin/sh\n7:x:70:71::/:\n"
    )
    (tmp_path / "etc/group").write_text("root:x:0:\nadm:x:4:web,other\nwww:x:34:web\ndisk:x:6:\nodd:x:y:web\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0)),
        ("0", User(0, 0)),
        ("web", User(33, 34, (4,))),
        ("33", User(33, 34, (4,))),
        ("1000", User(1000, 0)),
        ("1000:1001", User(1000, 1001)),
        ("1000:1001:4:6", User(1000, 1001, (4, 6))),
        ("web:disk", User(33, 6)),
        ("web:disk:adm", User(33, 6, (4,))),
        ("7", User(70, 71)),  # a name goes before a number, as in chown(1)
        ("4294967294", User(4294967294, 0)),
    ],
)
def test_resolve(rootfs, text, user):
    assert resolve_user(text, rootfs) == user


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nobody", "no user 'nobody'"),
        ("bad", "no user 'bad'"),
        (":5", "no user ''"),
        ("-1", "no user '-1'"),
        ("web:nogroup", "no group 'nogroup'"),
        ("web:", "no group ''"),
        ("4294967295", "more than the largest id"),
        ("0:4294967295", "more than the largest id"),
    ],
)
def test_refused(rootfs, text, reason):
    with pytest.raises(UsageError) as caught:
        resolve_user(text, rootfs)
    assert str(caught.value).startswith(f"--user {text}: ")
    assert reason in str(caught.value)


def test_config_leaves_out_no_groups():
    assert User(1, 2).config() == {"uid": 1, "gid": 2}
    assert User(1, 2, (3,)).config() == {"uid": 1, "gid": 2, "additionalGids": [3]}


def write(rootfs, passwd, group):
    os.makedirs(f"{rootfs}/etc", exist_ok=True)
    for name, text in (("passwd", passwd), ("group", group)):
        with open(f"{rootfs}/etc/{name}", "w") as file:
            file.write(text)


@pytest.mark.parametrize(
    "text", ["", "0", "nobody", "65534", "54321", "54321:777", "54321:777:8", "daemon", "daemon:tty"]
)
def test_made_files_know_the_user(tmp_path, text):
    passwd, group, account = account_files(text)
    write(tmp_path, passwd, group)
    user = resolve_user(text, str(tmp_path))
    names = {line.split(":")[0]: line.split(":") for line in passwd.splitlines()}
    assert {"root", "nobody"} <= names.keys()
    assert str(user.uid) in [row[2] for row in names.values()]
    if account is not None:
        assert names[account.name][5] == account.home == f"/home/{account.name}"
        assert (account.uid, account.gid) == (user.uid, user.gid)


def test_a_host_user_keeps_its_ids(tmp_path):
    daemon = pwd.getpwnam("daemon")
    write(tmp_path, *account_files("daemon")[:2])
    assert resolve_user("daemon", str(tmp_path)) == User(daemon.pw_uid, daemon.pw_gid)


def test_a_user_neither_here_nor_there():
    with pytest.raises(UsageError, match="no user 'nosuchuser' on this host"):
        account_files("nosuchuser")
    with pytest.raises(UsageError, match="no group 'nosuchgroup'"):
        account_files("0:nosuchgroup")


def test_single_map_without_ranges(monkeypatch):
    monkeypatch.setattr(users, "_subordinate_ranges", lambda _: [])
    assert id_maps(User(0, 0)) == {
        "uidMappings": [{"containerID": 0, "hostID": os.geteuid(), "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": os.getegid(), "size": 1}],
    }
    with pytest.raises(UsageError, match="id 5 is not among the 1 that --rootless can map.*newuidmap"):
        id_maps(User(0, 5))


def test_ranges_need_the_programs_that_write_them(monkeypatch):
    monkeypatch.setattr(users, "_subordinate_ranges", lambda _: [(100000, 65536)])
    monkeypatch.setattr(users.shutil, "which", lambda _: None)
    assert len(id_maps(User(0, 0))["uidMappings"]) == 1


def test_ranges_follow_from_one_on(monkeypatch):
    ranges = {"/etc/subuid": [(100000, 10), (300000, 5)], "/etc/subgid": [(200000, 10)]}
    monkeypatch.setattr(users, "_subordinate_ranges", lambda path: ranges[path])
    monkeypatch.setattr(users.shutil, "which", lambda name: f"/usr/bin/{name}")
    maps = id_maps(User(15, 10))
    assert [tuple(entry.values()) for entry in maps["uidMappings"]] == [
        (0, os.geteuid(), 1),
        (1, 100000, 10),
        (11, 300000, 5),
    ]
    with pytest.raises(UsageError, match="id 16 is not among the 16"):
        id_maps(User(16, 0))
    with pytest.raises(UsageError, match="id 11 is not among the 11"):
        id_maps(User(0, 0, (11,)))


def test_subordinate_ranges_by_name_and_number(tmp_path, monkeypatch):
    name, uid = "daemon", pwd.getpwnam("daemon").pw_uid
    monkeypatch.setattr(users.os, "geteuid", lambda: uid)
    file = tmp_path / "subuid"
    file.write_text(f"other:1:2\n{name}:100:20\n\n{uid}:300:40\n{name}:x:1\n{name}:5\n")
    assert users._subordinate_ranges(str(file)) == [(100, 20), (300, 40)]
    assert users._subordinate_ranges(str(tmp_path / "absent")) == []
