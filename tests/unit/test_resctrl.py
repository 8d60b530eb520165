"""The groups of resctrl, on a tree of directories that behaves like it."""

import pytest

from ocipy import resctrl
from ocipy.errors import SyscallError
from ocipy.plan.ops import Plan, SetupOp
from tests.system.resctrl_tree import Tree


@pytest.fixture
def tree(tmp_path, monkeypatch):
    return Tree(tmp_path, resctrl, monkeypatch)


@pytest.fixture
def group(tree):
    """A ``resctrl-group`` step."""

    def make(name, *schemata, create=True, named=True, equal=()):
        values = {"create": create, "named": named, "equal": list(equal), "schemata": list(schemata)}
        return SetupOp("resctrl-group", "", path=str(tree.mount / name), **values)

    return make


def test_a_group_is_made_and_written_to(tree, group):
    made = []
    resctrl.set_up(group("gold", "L3:0=f", "MB:0=10", "L3:1=1\nMB:1=20"), made)
    assert tree.log == [
        ("mkdir", "gold"),
        ("gold/schemata", "L3:0=f\n"),
        ("gold/schemata", "MB:0=10\n"),
        ("gold/schemata", "L3:1=1\nMB:1=20\n"),
    ]
    assert made == [str(tree.mount / "gold")], "of the config's own name: it outlives the container"


def test_a_group_of_the_container_s_own_name(tree, group):
    made = []
    resctrl.set_up(group("box", named=False), made)
    assert (tree.log, made) == ([("mkdir", "box")], [])


@pytest.mark.parametrize(
    "equal",
    [["L3:0=7ff"], ["L3:1=7FF;0=007ff", "MB:0=100"], ["MB: 0 = 100"], ["L3:0=7ff\nMB:1=100"], []],
)
def test_a_group_that_is_there_as_wanted(tree, group, equal):
    tree.add("gold")
    made = []
    resctrl.set_up(group("gold", "L3:0=7ff", equal=equal), made)
    assert (tree.log, made) == ([("gold/schemata", "L3:0=7ff\n")], [])


@pytest.mark.parametrize("equal", [["L3:0=7fe"], ["MB:0=100", "L3:2=7ff"], ["L2:0=1"], ["MB:0=10"]])
def test_a_group_that_is_there_but_another(tree, group, equal):
    tree.add("gold")
    with pytest.raises(SyscallError, match=r"use the resctrl group .*/gold: EEXIST: .*its schemata isn't"):
        resctrl.set_up(group("gold", *equal, equal=equal), [])
    assert tree.log == []
    assert tree.groups() == ["gold"]


def test_a_group_that_should_be_there(tree, group):
    with pytest.raises(SyscallError, match=r"look for the resctrl group .*/gold: ENOENT.*closID names a group"):
        resctrl.set_up(group("gold", create=False), [])
    assert tree.log == []
    tree.add("gold")
    resctrl.set_up(group("gold", create=False), [])
    assert tree.log == []


def test_a_schema_the_kernel_refuses(tree, group):
    """Its own words are told; the group just made is gone."""
    tree.refused = "beef"
    made = []
    with pytest.raises(SyscallError, match=r"write 'L3:0=beef' to .*/gold/schemata: EINVAL.* \(mask beef too big\)"):
        resctrl.set_up(group("gold", "MB:0=10", "L3:0=beef"), made)
    assert tree.log == [("mkdir", "gold"), ("gold/schemata", "MB:0=10\n"), ("rmdir", "gold")]
    assert (tree.groups(), made) == ([], [])
    tree.add("gold")
    with pytest.raises(SyscallError):
        resctrl.set_up(group("gold", "L3:0=beef"), made)
    assert tree.groups() == ["gold"], "it was there before"


def test_no_class_left(tree, group):
    tree.full = True
    with pytest.raises(SyscallError, match=r"make the resctrl group .*: ENOSPC: .* \(all that the processor has"):
        resctrl.set_up(group("gold"), [])


def test_monitoring(tree, group):
    resctrl.set_up(group("gold"), [])
    step = SetupOp("resctrl-monitor", "", path=str(tree.mount / "gold/mon_groups/box"))
    resctrl.monitor(step)
    resctrl.join(SetupOp("resctrl-join", "", paths=[str(tree.mount / "gold"), step.values["path"]]), 77)
    assert tree.log[1:] == [
        ("mkdir", "gold/mon_groups/box"),
        ("gold/tasks", "77"),
        ("gold/mon_groups/box/tasks", "77"),
    ]
    with pytest.raises(SyscallError, match="monitoring group .*/gold/mon_groups/box: EEXIST"):
        resctrl.monitor(step)


def test_what_goes_with_the_container(tree, group):
    monitor = SetupOp("resctrl-monitor", "", path=str(tree.mount / "box/mon_groups/box"))
    own = Plan([group("box", named=False), monitor], {}, console=False)
    paths = resctrl.to_remove(own)
    assert paths == [monitor.values["path"], str(tree.mount / "box")], "inner ones first"
    assert resctrl.to_remove(Plan([group("gold")], {}, console=False)) == []
    resctrl.set_up(own.ops[0], [])
    resctrl.monitor(monitor)
    assert resctrl.to_remove(own) == [], "what was there before stays"
    tree.log.clear()
    resctrl.remove(paths)
    assert tree.log == [("rmdir", "box/mon_groups/box"), ("rmdir", "box")]
    resctrl.remove(paths)
    assert len(tree.log) == 2, "what is gone is no error"


def test_a_group_that_can_t_be_removed(tree, monkeypatch):
    def rmdir(path):
        raise OSError(16, "busy")

    monkeypatch.setattr(resctrl.posix, "rmdir", rmdir)
    with pytest.raises(SyscallError, match="remove the resctrl group /x: EBUSY"):
        resctrl.remove(["/x"])
