"""Controllers of the unified hierarchy, enabled for a cgroup by those above it (cgroup-v2.rst, Enabling)."""

import errno
from pathlib import Path

import pytest

from ocipy import files
from ocipy.cgroups import delegation
from ocipy.errors import SyscallError


@pytest.fixture
def hierarchy(tree, monkeypatch):
    """``/``, ``/a`` and ``/a/b`` above the cgroup ``/a/b/box``; and what is written there, by the kernel's rules."""
    (tree / "a/b/box").mkdir(parents=True)
    for directory, present, enabled in ((tree, "cpu memory pids", "cpu pids"), (tree / "a", "cpu pids", "pids")):
        (directory / "cgroup.controllers").write_text(present)
        (directory / "cgroup.subtree_control").write_text(enabled)
    (tree / "a/b/cgroup.controllers").write_text("")
    (tree / "a/b/cgroup.subtree_control").write_text("")
    return Hierarchy(tree, monkeypatch)


class Hierarchy:
    def __init__(self, tree, monkeypatch):
        self.tree = tree
        self.written = []
        self.refused = {}  # (directory, controller) → errno
        monkeypatch.setattr(files, "write", self.write)

    def write(self, path, value):
        directory = path.removeprefix(str(self.tree)).removesuffix("/cgroup.subtree_control")
        names = [word.removeprefix("+") for word in value.split()]
        for name in names:
            if (directory, name) in self.refused:
                raise OSError(self.refused[directory, name], "refused", path)
        self.written.append((directory, value))
        for below in self.tree.glob(f"{directory.strip('/') or '.'}/*/cgroup.controllers"):
            below.write_text(" ".join([*below.read_text().split(), *names]))

    def enable(self, *needed, all_=True):
        delegation.enable_controllers(str(self.tree), f"{self.tree}/a/b/box", needed, all_=all_)


def test_all_that_there_are(hierarchy):
    hierarchy.enable()
    assert hierarchy.written == [("", "+memory"), ("/a", "+cpu +memory"), ("/a/b", "+cpu +memory")]


def test_only_those_needed(hierarchy):
    """In a hybrid host's unified hierarchy, of which nothing else is asked."""
    hierarchy.enable("cpu", all_=False)
    assert hierarchy.written == [("/a", "+cpu"), ("/a/b", "+cpu")]


def test_what_is_needed_is_enabled_where_not_all_can_be(hierarchy):
    """As cpu, while a real-time process runs in a cgroup below (cgroup-v2.rst, CPU)."""
    hierarchy.refused["/a", "cpu"] = errno.EINVAL
    (hierarchy.tree / "a/b/cgroup.controllers").write_text("pids")
    hierarchy.enable("memory")
    assert hierarchy.written == [("", "+memory"), ("/a", "+memory"), ("/a/b", "+pids +memory")]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EBUSY, "a cgroup with processes of its own can't hand controllers down"),
        (errno.EACCES, "run as root, or delegate it (systemd: Delegate=memory)"),
        (errno.EPERM, "run as root, or delegate it (systemd: Delegate=memory)"),
        (errno.ENOENT, "the kernel has it elsewhere"),
    ],
)
def test_what_can_t_be_enabled(hierarchy, number, hint):
    hierarchy.refused["", "memory"] = number
    with pytest.raises(SyscallError) as caught:
        hierarchy.enable("memory")
    assert str(caught.value).startswith(f"enable the memory controller in {hierarchy.tree}/cgroup.subtree_control: ")
    assert hint in str(caught.value)
    assert caught.value.errno == number


def test_a_controller_that_isn_t_handed_down(hierarchy):
    with pytest.raises(SyscallError, match=r"use the rdma controller in .*: ENOENT.*Delegate=rdma") as caught:
        hierarchy.enable("rdma")
    assert caught.value.path == str(hierarchy.tree)
    assert hierarchy.written == []


@pytest.fixture
def owned(tree, monkeypatch):
    """A cgroup's files, and who was made the owner of which."""
    (tree / "memory.max").touch()
    (tree / "cgroup.procs").touch()
    (tree / "cgroup.subtree_control").touch()
    texts = {"/proc/7/uid_map": "0 100000 1000\n1000 5000 1\n", "/sys/kernel/cgroup/delegate": ""}
    changed = {}

    def chown(path, uid, gid):
        assert gid == -1
        if not Path(path).exists():
            raise FileNotFoundError(path)
        changed[path.removeprefix(str(tree))] = uid

    def read(path):
        if not texts[path]:
            raise FileNotFoundError(path)
        return texts[path]

    monkeypatch.setattr(delegation, "read", read)
    monkeypatch.setattr("posix.chown", chown)
    return tree, texts, changed


@pytest.mark.parametrize(("uid", "owner"), [(0, 100000), (999, 100999), (1000, 5000)])
def test_a_cgroup_is_given_to_the_host_s_user(owned, uid, owner):
    """The directory and the specification's files, as far as they are there."""
    tree, _, changed = owned
    delegation.change_owner(str(tree), 7, uid)
    assert changed == dict.fromkeys(("", "/cgroup.procs", "/cgroup.subtree_control"), owner)


def test_the_files_are_those_that_the_kernel_lists(owned):
    tree, texts, changed = owned
    texts["/sys/kernel/cgroup/delegate"] = "cgroup.procs\nmemory.max\nmemory.reclaim\n"
    delegation.change_owner(str(tree), 7, 0)
    assert set(changed) == {"", "/cgroup.procs", "/memory.max"}


def test_a_user_that_isn_t_mapped(owned):
    with pytest.raises(SyscallError, match="give to user 1001 of the container .*doesn't map that id"):
        delegation.change_owner(str(owned[0]), 7, 1001)


@pytest.mark.parametrize("euid", [0, 1000])
def test_only_root_can_give_away(owned, monkeypatch, euid):
    def chown(path, uid, gid):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr("posix.chown", chown)
    monkeypatch.setattr("posix.geteuid", lambda: euid)
    warnings = []
    monkeypatch.setattr(delegation.log, "warning", warnings.append)
    if not euid:
        with pytest.raises(SyscallError, match="give to user 100000"):
            delegation.change_owner(str(owned[0]), 7, 0)
        return
    delegation.change_owner(str(owned[0]), 7, 0)
    assert warnings == [f"{owned[0]} stays the runtime's: only root can give it to user 100000"]
