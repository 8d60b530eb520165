"""Freezing and thawing, on plain files and pipes that stand for the kernel's."""

import threading

import pytest

from ocipy.cgroups import freezer, manager
from ocipy.errors import StateError
from ocipy.state import freezer_of, is_frozen


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ({"cpu,cpuacct": "/c", "freezer": "/f", "": "/u"}, ("/f", 1)),
        ({"pids,freezer": "/f"}, ("/f", 1)),
        ({"pids": "/p", "": "/u"}, ("/u", 2)),
        ({"": "/u"}, ("/u", 2)),
        ({"pids": "/p"}, ("", 0)),
        ({}, ("", 0)),
    ],
)
def test_which_cgroup_it_is(paths, found):
    """A limit goes to v1's hierarchy where there is one; so does this."""
    assert freezer_of(paths) == found


@pytest.mark.parametrize(
    ("name", "file", "text", "frozen"),
    [
        ("freezer", "freezer.state", "FROZEN\n", True),
        ("freezer", "freezer.state", "FREEZING\n", True),
        ("freezer", "freezer.state", "THAWED\n", False),
        ("", "cgroup.events", "populated 1\nfrozen 1\n", True),
        ("", "cgroup.events", "populated 1\nfrozen 0\n", False),
        ("", "cgroup.freeze", "1\n", False),
        ("pids", "cgroup.events", "frozen 1\n", False),
    ],
)
def test_whether_it_is_frozen(tree, name, file, text, frozen):
    (tree / file).write_text(text)
    assert is_frozen({name: str(tree)}) == frozen


def test_without_a_cgroup():
    with pytest.raises(StateError, match="no cgroup that could be frozen"):
        freezer.freeze({"pids": "/p"})
    freezer.thaw({})


class V1:
    """A freezer of v1 that is done after so many looks, if it is told once more after having been thawed."""

    def __init__(self, monkeypatch, looks, stuck=False):
        self.written = []
        self.looks = looks
        self.stuck = stuck
        monkeypatch.setattr(manager, "write", lambda path, value: self.written.append(value))
        monkeypatch.setattr(manager, "read", self.read)
        monkeypatch.setattr(freezer.time, "sleep", lambda seconds: None)

    def read(self, path):
        self.looks -= 1
        if self.stuck:
            return "FROZEN\n" if "THAWED" in self.written else "FREEZING\n"
        return "FREEZING\n" if self.looks > 0 else "FROZEN\n"


def test_v1_is_asked_until_it_is_done(monkeypatch):
    kernel = V1(monkeypatch, 3)
    freezer.freeze({"freezer": "/f"})
    assert kernel.written == ["FROZEN"] * 3


def test_v1_processes_that_hold_each_other_up(monkeypatch):
    kernel = V1(monkeypatch, 0, stuck=True)
    freezer.freeze({"freezer": "/f"})
    assert kernel.written.count("THAWED") == 1
    assert kernel.written[-1] == "FROZEN"


def test_v1_that_never_ends_is_thawed(monkeypatch):
    moments = iter(range(100))
    monkeypatch.setattr(freezer.time, "monotonic", lambda: next(moments))
    kernel = V1(monkeypatch, 1000)
    with pytest.raises(StateError, match="not all processes in /f could be frozen within 10 s"):
        freezer.freeze({"freezer": "/f"})
    assert kernel.written[-1] == "THAWED"


def v2(tree, frozen):
    (tree / "cgroup.events").write_text(f"populated 1\nfrozen {frozen}\n")
    (tree / "cgroup.freeze").touch()
    return {"": str(tree)}


def test_v2_is_waited_for(tree, monkeypatch):
    """A plain file is always ready to poll, so the wait is for its text alone; the kernel's wakes."""
    paths = v2(tree, 0)
    later = threading.Timer(0.05, (tree / "cgroup.events").write_text, ["populated 1\nfrozen 1\n"])
    later.start()
    monkeypatch.setattr(freezer.select, "poll", ReadyAlways)
    freezer.freeze(paths)
    later.join()
    assert (tree / "cgroup.freeze").read_text() == "1"


class ReadyAlways:
    def register(self, fd, events):
        pass

    def poll(self, timeout):
        return [(0, 0)]


@pytest.mark.parametrize(("wanted", "message"), [(1, "not all processes in .* could be"), (0, "a cgroup above .* is")])
def test_v2_that_never_comes(tree, monkeypatch, wanted, message):
    monkeypatch.setattr(freezer, "TIMEOUT", 0.01)
    paths = v2(tree, 1 - wanted)
    with pytest.raises(StateError, match=message):
        (freezer.freeze if wanted else freezer.resume)(paths)
    assert (tree / "cgroup.freeze").read_text() == "0"


def test_v1_below_a_frozen_one(monkeypatch):
    """Whose state stays what the cgroup above says."""
    V1(monkeypatch, 0)
    with pytest.raises(StateError, match="a cgroup above /f is frozen"):
        freezer.resume({"freezer": "/f"})


def test_a_cgroup_that_is_gone_needs_no_thawing(tree):
    freezer.thaw({"freezer": f"{tree}/gone"})
    freezer.thaw({"": f"{tree}/gone"})
