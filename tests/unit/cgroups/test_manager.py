"""Making and removing cgroups, on directories of our own that stand for a cgroup filesystem.

mkdir and rmdir behave alike on both, except that a cgroup's directory can be removed with its files in it.
"""

import errno
import os
import threading
from pathlib import Path

import pytest

from ocipy.cgroups import manager
from ocipy.errors import SyscallError


@pytest.fixture
def root(tmp_path):
    """The runtime's root directory."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def tree(tmp_path):
    """A hierarchy's mount point."""
    path = tmp_path / "cg"
    path.mkdir()
    return path


def ledger(root):
    return (root / "@cgroups").read_text().splitlines()


def below(tree):
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))


def test_made_with_missing_ancestors_and_removed_with_them(tree, root):
    path = f"{tree}/a/b/box"
    manager.create([path], str(root))
    assert below(tree) == ["a", "a/b", "a/b/box"]
    assert ledger(root) == [f"{tree}/a", f"{tree}/a/b"]
    manager.remove([path], str(root))
    assert below(tree) == []
    assert ledger(root) == []


def test_ancestors_that_were_there_stay(tree, root):
    (tree / "a").mkdir()
    manager.create([f"{tree}/a/b/box"], str(root))
    manager.remove([f"{tree}/a/b/box"], str(root))
    assert below(tree) == ["a"]


def test_without_missing_ancestors_there_is_no_ledger(tree, root):
    manager.create([f"{tree}/box"], str(root))
    manager.remove([f"{tree}/box"], str(root))
    assert below(tree) == []
    assert list(root.iterdir()) == []


def test_the_last_container_takes_the_shared_ancestors_along(tree, root):
    first, second = f"{tree}/shared/one", f"{tree}/shared/two"
    manager.create([first], str(root))
    manager.create([second], str(root))
    manager.remove([first], str(root))
    assert below(tree) == ["shared", "shared/two"]
    manager.remove([second], str(root))
    assert below(tree) == []
    assert ledger(root) == []


def test_one_cgroup_in_each_hierarchy(tree, root):
    paths = [f"{tree}/{name}/x/box" for name in ("memory", "cpu")]
    for name in ("memory", "cpu"):
        (tree / name).mkdir()
    manager.create(paths, str(root))
    assert all(Path(path).is_dir() for path in paths)
    manager.remove(paths, str(root))
    assert below(tree) == ["cpu", "memory"]


def test_an_existing_cgroup_is_used_as_it_is(tree, root):
    (tree / "box/child").mkdir(parents=True)
    manager.create([f"{tree}/box"], str(root))
    assert below(tree) == ["box", "box/child"]


def test_removal_takes_what_the_container_made_in_it(tree, root):
    manager.create([f"{tree}/box"], str(root))
    (tree / "box/one/two/three").mkdir(parents=True)
    (tree / "box/four").mkdir()
    manager.remove([f"{tree}/box"], str(root))
    assert below(tree) == []


def test_removing_twice_is_no_error(tree, root):
    manager.create([f"{tree}/a/box"], str(root))
    for _ in range(2):
        manager.remove([f"{tree}/a/box", f"{tree}/never/made"], str(root))
    assert below(tree) == []


def test_the_default_parent_goes_whoever_made_it(tree, root):
    """Containers of another root directory have another ledger."""
    (tree / "ocipy/box").mkdir(parents=True)
    manager.remove([f"{tree}/ocipy/box"], str(root))
    assert below(tree) == []


def test_the_default_parent_stays_while_it_is_in_use(tree, root):
    (tree / "ocipy/box").mkdir(parents=True)
    (tree / "ocipy/other").mkdir()
    manager.remove([f"{tree}/ocipy/box"], str(root))
    assert below(tree) == ["ocipy", "ocipy/other"]


def test_what_a_crash_left_noted_but_not_made_is_struck_out(tree, root):
    (root / "@cgroups").write_text(f"{tree}/a\n{tree}/a/b\n")
    (tree / "a").mkdir()
    manager.remove([f"{tree}/a/b/box"], str(root))
    assert below(tree) == []
    assert ledger(root) == []


def test_many_containers_at_once_leave_nothing(tree, root):
    """Each round the last of them removes the ancestors that another is about to use."""
    problems = []

    def live(number):
        path = f"{tree}/shared/deep/{number}"
        try:
            for _ in range(60):
                manager.create([path], str(root))
                assert Path(path).is_dir()
                manager.remove([path], str(root))
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert below(tree) == []
    assert ledger(root) == []


def test_an_ancestor_removed_between_the_note_and_the_making(tree, root, monkeypatch):
    """Another container's end struck it from the ledger, and removed it: it is noted and made anew."""
    mkdir = os.mkdir
    interrupted = []

    def make(path, mode):
        if path == f"{tree}/a/box" and not interrupted:
            interrupted.append(path)
            os.rmdir(f"{tree}/a")
            (root / "@cgroups").write_text("")
        mkdir(path, mode)

    monkeypatch.setattr("posix.mkdir", make)
    manager.create([f"{tree}/a/box"], str(root))
    assert interrupted
    assert ledger(root) == [f"{tree}/a"]
    assert below(tree) == ["a", "a/box"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_cgroup_that_may_not_be_made(tree, root, monkeypatch, number):
    def refuse(path, mode):
        raise OSError(number, "", path)

    monkeypatch.setattr("posix.mkdir", refuse)
    with pytest.raises(SyscallError) as caught:
        manager.create([f"{tree}/box"], str(root))
    assert str(caught.value).startswith(f"make the cgroup {tree}/box: {errno.errorcode[number]}: ")
    assert str(caught.value).endswith("(the runtime may not write to this cgroup; run as root, or on a delegated one)")


def test_a_cgroup_whose_ancestors_keep_vanishing(tree, root, monkeypatch):
    def vanish(path, mode):
        raise FileNotFoundError(errno.ENOENT, "", path)

    monkeypatch.setattr("posix.mkdir", vanish)
    with pytest.raises(SyscallError, match=f"^make the cgroup {tree}/box: ENOENT: "):
        manager.create([f"{tree}/box"], str(root))


def test_write(tree):
    (tree / "pids.max").write_text("max")
    manager.write(f"{tree}/pids.max", "123")
    assert manager.read(f"{tree}/pids.max") == "123"


def test_write_to_a_file_that_is_not_there(tree):
    with pytest.raises(SyscallError) as caught:
        manager.write(f"{tree}/pids.max", "5")
    assert str(caught.value) == (
        f"write '5' to {tree}/pids.max: ENOENT: no such file or directory "
        "(the controller or the file is missing on this host)"
    )


def test_processes_are_those_of_the_first_cgroup_that_exists(tree):
    (tree / "box/child").mkdir(parents=True)
    (tree / "box/cgroup.procs").write_text("12\n7\n")
    (tree / "box/child/cgroup.procs").write_text("99\n")
    assert manager.processes([f"{tree}/missing", f"{tree}/box"]) == [12, 7, 99]
    assert manager.processes([f"{tree}/missing"]) == []
    assert manager.processes([]) == []


def test_kill_all_by_the_kernel(tree):
    for file, text in (("cgroup.kill", ""), ("cgroup.procs", "")):
        (tree / file).write_text(text)
    manager.kill_all({"": str(tree)})
    assert (tree / "cgroup.kill").read_text() == "1"


def test_kill_all_one_by_one(tree, monkeypatch):
    """Until none is left: what a process forked meanwhile is found in the next round."""
    rounds = ["11\n12\n", "13\n", ""]
    (tree / "cgroup.procs").write_text(rounds[0])
    killed = []

    def kill(pid, signal):
        killed.append((pid, signal))
        if pid in (12, 13):
            rounds.pop(0)
            (tree / "cgroup.procs").write_text(rounds[0])
        if pid == 11:
            raise ProcessLookupError

    monkeypatch.setattr("posix.kill", kill)
    manager.kill_all({"memory": str(tree)})
    assert killed == [(11, 9), (12, 9), (13, 9)]


def controllers(directory, present, enabled=""):
    (directory / "cgroup.controllers").write_text(present)
    (directory / "cgroup.subtree_control").write_text(enabled)


def test_controllers_are_enabled_down_to_the_parent(tree, monkeypatch):
    (tree / "a/b/box").mkdir(parents=True)
    controllers(tree, "cpu memory pids", "cpu pids")
    controllers(tree / "a", "cpu memory pids", "pids")
    controllers(tree / "a/b", "cpu memory")
    written = []
    monkeypatch.setattr(manager, "write", lambda path, value: written.append((path.removeprefix(str(tree)), value)))
    manager.enable_controllers(str(tree), f"{tree}/a/b/box", ["cpu", "memory", "rdma"])
    assert written == [
        ("/cgroup.subtree_control", "+memory"),
        ("/a/cgroup.subtree_control", "+cpu"),
        ("/a/cgroup.subtree_control", "+memory"),
        ("/a/b/cgroup.subtree_control", "+cpu"),
        ("/a/b/cgroup.subtree_control", "+memory"),
    ]


def cpuset(directory, cpus="\n", mems="\n"):
    directory.mkdir(exist_ok=True)
    for name, text in (("cpuset.cpus", cpus), ("cpuset.mems", mems), ("cgroup.clone_children", "0\n")):
        (directory / name).write_text(text)


def test_an_empty_cpuset_is_filled_from_above(tree, root):
    """A v1 cpuset without cpus or mems takes no process (cgroup-v1/cpusets.rst)."""
    cpuset(tree, "0-3\n", "0\n")
    cpuset(tree / "a", "1-2\n")
    cpuset(tree / "a/b")
    cpuset(tree / "a/b/box")
    manager.create([f"{tree}/a/b/box"], str(root))
    for path in ("a/b", "a/b/box"):
        assert (tree / path / "cpuset.cpus").read_text().strip() == "1-2"
        assert (tree / path / "cpuset.mems").read_text().strip() == "0"
    assert (tree / "a/cpuset.cpus").read_text() == "1-2\n"


def test_a_cpuset_of_its_own_is_left_alone(tree, root):
    cpuset(tree, "0-3\n", "0\n")
    cpuset(tree / "box", "3\n", "0\n")
    manager.create([f"{tree}/box"], str(root))
    assert (tree / "box/cpuset.cpus").read_text() == "3\n"
