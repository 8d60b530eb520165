"""Where below a container's cgroups exec puts a process."""

import pytest

from ocipy.cgroups.below import own_cgroup, sub_cgroups
from ocipy.errors import UsageError

PATHS = {"cpu,cpuacct": "/c/cpu/x", "memory": "/c/memory/x", "name=systemd": "/c/systemd/x", "": "/c/unified/x"}


def test_one_path_is_for_all():
    assert sub_cgroups(PATHS, ["a/./b/"]) == {name: f"{path}/a/b" for name, path in PATHS.items()}


def test_paths_for_controllers():
    changed = sub_cgroups(PATHS, ["cpu:a", "memory,name=systemd:/b"])
    assert changed == PATHS | {"cpu,cpuacct": "/c/cpu/x/a", "memory": "/c/memory/x/b", "name=systemd": "/c/systemd/x/b"}


def test_the_container_s_own():
    assert sub_cgroups(PATHS, ["/"]) == PATHS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["../x"], "no cgroup below"),
        (["a/../../x"], "no cgroup below"),
        (["cpu:.."], "no cgroup below"),
        (["a", "b"], "of several"),
        (["cpu:a", "b"], "of several"),
        (["cpu:a", "cpu:b"], "twice"),
        (["cpu,cpu:a"], "twice"),
        ([",cpu:a"], "empty controller"),
        ([":a"], "empty controller"),
        (["freezer:a"], "no cgroup of the controller freezer"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        sub_cgroups(PATHS, arguments)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("/box/init", "box/init"),
        ("/box/a/b", "box/a/b"),
        ("/outer/box/init", "box/init"),  # what is mounted may begin below our cgroup namespace's root
        ("/box", "box"),
        ("/elsewhere", "box"),
        ("/", "box"),
        ("/box/gone", "box"),
    ],
)
def test_where_init_is(tmp_path, monkeypatch, own, expected):
    for name in ("init", "a/b"):
        (tmp_path / "box" / name).mkdir(parents=True)
    mount = tmp_path
    if own.startswith("/outer"):
        (tmp_path / "outer").mkdir()
        (tmp_path / "box").rename(tmp_path / "outer/box")
        mount = tmp_path / "outer"
    monkeypatch.setattr("ocipy.files.read", lambda path: f"3:cpu:/other\n0::{own}\n".encode())
    assert own_cgroup(f"{mount}/box", 7) == f"{mount}/{expected}"
