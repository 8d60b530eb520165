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


def test_ancestors_that_somebody_else_uses_stay(tree, root):
    manager.create([f"{tree}/a/box"], str(root))
    (tree / "a/other").mkdir()
    manager.remove([f"{tree}/a/box"], str(root))
    assert below(tree) == ["a", "a/other"]


def test_names_that_are_no_utf8(tree, root):
    manager.create([f"{tree}/\udcff\u2028/box"], str(root))
    manager.remove([f"{tree}/\udcff\u2028/box"], str(root))
    assert below(tree) == []


def test_the_ledger_is_written_before_what_it_notes_is_made(tree, root, monkeypatch):
    """What a crash leaves is then known to be ours."""

    def crash(path, mode):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("posix.mkdir", crash)
        with pytest.raises(KeyboardInterrupt):
            manager.create([f"{tree}/a/box"], str(root))
    assert ledger(root) == [f"{tree}/a"]
    manager.create([f"{tree}/a/box"], str(root))
    manager.remove([f"{tree}/a/box"], str(root))
    assert below(tree) == []


def test_a_process_on_its_way_out_is_waited_for(tree, root, monkeypatch):
    """cgroupfs says EBUSY for a moment after the last process was reaped."""
    rmdir, busy = os.rmdir, [errno.EBUSY] * 3

    def remove(path):
        if busy:
            raise OSError(busy.pop(), "", path)
        rmdir(path)

    manager.create([f"{tree}/box"], str(root))
    monkeypatch.setattr("posix.rmdir", remove)
    manager.remove([f"{tree}/box"], str(root))
    assert below(tree) == []


def test_a_process_that_stays_is_an_error(tree, root, monkeypatch):
    def remove(path):
        raise OSError(errno.EBUSY, "", path)

    moments = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    manager.create([f"{tree}/box"], str(root))
    monkeypatch.setattr("posix.rmdir", remove)
    with pytest.raises(SyscallError, match=f"^remove the cgroup {tree}/box: EBUSY: "):
        manager.remove([f"{tree}/box"], str(root))


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


def test_a_cgroup_that_is_kept_loses_what_is_in_it(tree, root):
    for path in ("kept/made/inside", "own/made"):
        (tree / path).mkdir(parents=True)
    manager.remove([f"{tree}/kept", f"{tree}/own"], root, [f"{tree}/kept"])
    assert below(tree) == ["kept"]


def test_what_was_never_made_below_a_file_is_struck_out(tree, root):
    """A name that cgroupfs has for a file of its own."""
    (tree / "a").mkdir()
    (tree / "a/tasks").touch()
    with pytest.raises(SyscallError, match="ENOTDIR"):
        manager.create([f"{tree}/b/box", f"{tree}/a/tasks/x/box"], str(root))
    manager.remove([f"{tree}/b/box", f"{tree}/a/tasks/x/box"], str(root))
    assert below(tree) == ["a", "a/tasks"]
    assert ledger(root) == []


def test_a_file_of_the_cgroups_name_is_left_alone(tree, root):
    (tree / "tasks").touch()
    manager.remove([f"{tree}/tasks"], str(root))
    assert below(tree) == ["tasks"]


def test_on_a_full_disk_the_ledger_keeps_what_it_has(tree, root, monkeypatch):
    """Some bytes of the first write still find room."""
    first, second = f"{tree}/a/one", f"{tree}/b/two"
    manager.create([first], str(root))
    pwrite = os.pwrite

    def full(fd, data, offset):
        room = len(f"{tree}/a\n") + 3
        if offset >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, data[: room - offset], offset)

    monkeypatch.setattr("posix.pwrite", full)
    with pytest.raises(SyscallError, match=rf"write {root}/@cgroups: ENOSPC"):
        manager.create([second], str(root))
    monkeypatch.undo()
    assert below(tree) == ["a", "a/one"]
    manager.remove([first], str(root))
    assert below(tree) == []
    assert ledger(root) == []


def test_a_ledger_that_cannot_be_opened(tree, root):
    (root / "@cgroups").mkdir()
    with pytest.raises(SyscallError, match=rf"open {root}/@cgroups: EISDIR"):
        manager.create([f"{tree}/a/box"], str(root))


def test_a_long_ledger(tree, root):
    """Longer than any one read that isn't told its length."""
    noted = [f"/nowhere/{'x' * 4000}/{number}" for number in range(300)]
    (root / "@cgroups").write_text("".join(f"{line}\n" for line in noted))
    manager.create([f"{tree}/a/box"], str(root))
    manager.remove([f"{tree}/a/box"], str(root))
    assert below(tree) == []
    assert ledger(root) == noted
