"""The writer of cgroups, on a tree of plain directories in place of a hierarchy."""

import os

import pytest

from ocipy.cgroups import manager
from ocipy.errors import SyscallError


@pytest.fixture
def tree(tmp_path):
    """Two hierarchies, and the runtime's root directory."""
    for name in ("memory", "pids", "root"):
        (tmp_path / name).mkdir()
    return tmp_path


def paths(tree, cgroup):
    return [f"{tree}/memory/{cgroup}", f"{tree}/pids/{cgroup}"]


def cgroups(tree):
    found = [path.relative_to(tree) for name in ("memory", "pids") for path in (tree / name).rglob("*")]
    return sorted(map(str, found))


def make(tree, cgroup):
    manager.create(paths(tree, cgroup), f"{tree}/root")


def remove(tree, cgroup):
    manager.remove(paths(tree, cgroup), f"{tree}/root")


def test_what_was_made_is_removed(tree):
    make(tree, "a/b/c")
    assert cgroups(tree) == ["memory/a", "memory/a/b", "memory/a/b/c", "pids/a", "pids/a/b", "pids/a/b/c"]
    remove(tree, "a/b/c")
    assert cgroups(tree) == []
    assert (tree / "root/@cgroups").read_text() == ""


def test_what_was_there_before_stays(tree):
    (tree / "memory/a").mkdir()
    make(tree, "a/b/c")
    remove(tree, "a/b/c")
    assert cgroups(tree) == ["memory/a"]


def test_ancestors_stay_as_long_as_another_container_is_in_them(tree):
    make(tree, "a/b")
    make(tree, "a/c")
    remove(tree, "a/b")
    assert cgroups(tree) == ["memory/a", "memory/a/c", "pids/a", "pids/a/c"]
    remove(tree, "a/c")
    assert cgroups(tree) == []


def test_ancestors_stay_while_somebody_else_uses_them(tree):
    make(tree, "a/b")
    (tree / "memory/a/other").mkdir()
    remove(tree, "a/b")
    assert cgroups(tree) == ["memory/a", "memory/a/other"]


def test_children_that_the_container_made_go_with_it(tree):
    make(tree, "a")
    (tree / "memory/a/in/side").mkdir(parents=True)
    remove(tree, "a")
    assert cgroups(tree) == []


def test_removing_twice_and_removing_nothing(tree):
    make(tree, "a/b")
    remove(tree, "a/b")
    remove(tree, "a/b")
    remove(tree, "never/made")
    assert cgroups(tree) == []


def test_the_default_parent_goes_with_its_last_container_whoever_made_it(tree):
    (tree / "memory/ocipy").mkdir()
    make(tree, "ocipy/box")
    remove(tree, "ocipy/box")
    assert cgroups(tree) == []


def test_names_that_are_no_utf8(tree):
    make(tree, "\udcff/b")
    remove(tree, "\udcff/b")
    assert cgroups(tree) == []


def test_the_ledger_is_written_before_what_it_notes_is_made(tree, monkeypatch):
    """What a crash leaves is then known to be ours."""

    def crash(path, mode):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(manager.posix, "mkdir", crash)
        with pytest.raises(KeyboardInterrupt):
            make(tree, "a/b")
    assert (tree / "root/@cgroups").read_text().split() == [f"{tree}/memory/a", f"{tree}/pids/a"]
    make(tree, "a/b")
    remove(tree, "a/b")
    assert cgroups(tree) == []


def test_an_ancestor_that_vanishes_is_made_again(tree, monkeypatch):
    """Another container's end may remove it between our making it and our using it."""
    real, times = os.mkdir, []

    def mkdir(path, mode):
        real(path, mode)
        if path.endswith("memory/a") and not times:
            times.append(os.rmdir(path))

    monkeypatch.setattr(manager.posix, "mkdir", mkdir)
    make(tree, "a/b")
    assert times
    assert "memory/a/b" in cgroups(tree)


@pytest.mark.parametrize("present", ["cpu memory pids", "memory"])
def test_controllers_are_enabled_on_the_way_down(tree, monkeypatch, present):
    mount = tree / "memory"
    (mount / "a/b").mkdir(parents=True)
    for directory in (mount, mount / "a", mount / "a/b"):
        (directory / "cgroup.controllers").write_text(present + "\n")
        (directory / "cgroup.subtree_control").write_text("")
    written = []
    monkeypatch.setattr(manager, "write", lambda path, value: written.append((path, value)))
    manager.enable_controllers(str(mount), f"{mount}/a/b", ["memory", "pids"])
    wanted = [f"+{name}" for name in ("memory", "pids") if name in present]
    assert written == [(f"{at}/cgroup.subtree_control", name) for at in (mount, mount / "a") for name in wanted]


def test_writing(tree):
    (tree / "memory/memory.max").touch()
    manager.write(f"{tree}/memory/memory.max", "5")
    assert (tree / "memory/memory.max").read_text() == "5"
    with pytest.raises(
        SyscallError, match=r"write '5' to .*/absent: ENOENT: .* \(the controller or the file is missing"
    ):
        manager.write(f"{tree}/memory/absent", "5")


def test_processes(tree):
    make(tree, "a/b")
    for name, pids in (("a", "1\n2\n"), ("a/b", "3\n")):
        (tree / "pids" / name / "cgroup.procs").write_text(pids)
    assert manager.processes([f"{tree}/memory/a", f"{tree}/pids/a"]) == [1, 2, 3]
    assert manager.processes([f"{tree}/absent"]) == []
