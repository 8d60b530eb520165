"""``linux.intelRdt``: on a tree of directories that behaves like resctrl, which needs a processor that few have."""

import json
from pathlib import Path

import pytest

from ocipy import creation, host_facts, resctrl
from ocipy.container import Container
from ocipy.errors import OcipyError, StepError
from ocipy.host import Resctrl
from ocipy.plan.options import CreateOptions
from ocipy.state import StateDir
from tests.system.looking import set_linux, set_namespaces, together
from tests.system.resctrl_tree import DEFAULT, Tree
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

MOUNTED = " - resctrl " in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    tree = Tree(tmp_path, resctrl, monkeypatch)
    monkeypatch.setattr(host_facts, "resctrl", lambda: Resctrl(str(tree.mount), ("L3", "L3_MON", "MB")))
    return tree


@pytest.fixture
def create(ocipy, bundle, tree):
    """Create a container with that intelRdt, in this process."""

    def make(*changes, **wanted):
        path = bundle("sleep", "1000", change=together(set_linux(intelRdt=wanted), *changes))
        container = Container.create(ocipy.new_id(), str(path), root=str(ocipy.root))
        ocipy.expect(container.id)
        return container

    return make


def test_a_group_of_the_container_s_own(create, tree):
    container = create(l3CacheSchema="L3:0=f", memBwSchema="MB:0=10", schemata=["L3:1=1"])
    name, pid = container.id, str(container.pid)
    assert tree.log == [
        ("mkdir", name),
        (f"{name}/schemata", "L3:0=f\n"),
        (f"{name}/schemata", "MB:0=10\n"),
        (f"{name}/schemata", "L3:1=1\n"),
        (f"{name}/tasks", pid),
    ]
    container.start()
    assert tree.groups() == [name]
    container.delete(force=True)
    assert tree.log[-1] == ("rmdir", name)
    assert tree.groups() == []


@pytest.mark.parametrize("kinds", [{}, {"time": ""}])
def test_the_process_that_joins_is_the_container_s(create, tree, kinds):
    """Not a go-between that made it."""
    offsets = set_linux(timeOffsets={"boottime": {"secs": 1}}) if kinds else None
    container = create(set_namespaces(**kinds), offsets)
    assert tree.read(f"{container.id}/tasks") == str(container.pid)


def test_a_class_of_the_config_s_own_name(create, tree):
    container = create(closID="gold", l3CacheSchema="L3:0=7ff", enableMonitoring=True)
    monitor = f"gold/mon_groups/{container.id}"
    assert tree.log == [
        ("mkdir", "gold"),
        ("gold/schemata", "L3:0=7ff\n"),
        ("mkdir", monitor),
        ("gold/tasks", str(container.pid)),
        (f"{monitor}/tasks", str(container.pid)),
    ]
    (tree.mount / "gold/schemata").write_text(DEFAULT)  # as the kernel shows it
    second = create(closID="gold", l3CacheSchema="L3:0=7ff")
    assert tree.read("gold/tasks") == str(second.pid)
    for each in (container, second):
        each.delete(force=True)
    assert ("rmdir", monitor) in tree.log
    assert tree.groups() == ["gold"], "config-linux.md: it must not be removed"


def test_the_default_class(create, tree):
    container = create(closID="/", enableMonitoring=True)
    assert tree.read("tasks") == str(container.pid)
    container.delete(force=True)
    assert tree.groups() == []
    assert list((tree.mount / "mon_groups").iterdir()) == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"closID": "gold"}, "look for the resctrl group .*/gold: ENOENT"),
        ({"closID": "silver", "l3CacheSchema": "L3:0=1"}, "use the resctrl group .*/silver: EEXIST"),
        ({"closID": "gold", "schemata": ["L3:0=beef"]}, r"write 'L3:0=beef' to .*EINVAL.*\(mask beef too big\)"),
        ({"schemata": ["L2:0=f"]}, "has no resource 'L2'"),
    ],
)
def test_what_can_t_be(ocipy, create, tree, wanted, words):
    """Nothing else has been made by then."""
    tree.add("silver")
    tree.refused = "beef"
    with pytest.raises(StepError, match=f"^linux.intelRdt.*{words}"):
        create(**wanted)
    assert tree.groups() == ["silver"]
    assert ocipy.left() == []


@pytest.mark.parametrize("closid", ["", "gold"])
def test_a_create_that_fails_later_leaves_no_group(ocipy, bundle, tree, closid):
    """At whichever step: one of the plan, the joining itself, or the last."""
    tree.add("silver")
    wanted = {"closID": closid, "schemata": ["L3:0=f"], "enableMonitoring": True}
    path = bundle("sleep", "1000", change=set_linux(intelRdt=wanted))
    container = ocipy.new_id()
    options = CreateOptions(container, str(path))
    names = [op.name for op in creation.prepare(options)[2].ops]
    for name in ("resctrl-monitor", "spawn", "resctrl-join", "session", "created"):
        with pytest.raises(OcipyError):
            creation.create(StateDir(str(ocipy.root), container), options, fault=(names.index(name), 33))
        assert tree.groups() == ["silver"], name
        assert ocipy.left() == []


def test_no_resctrl(ocipy, bundle):
    if MOUNTED:
        pytest.skip("resctrl is mounted here")
    assert ocipy.refused(bundle(change=set_linux(intelRdt={}))) == (
        "linux.intelRdt: no resctrl filesystem is mounted (mount -t resctrl resctrl /sys/fs/resctrl)"
    )
    assert not list(ocipy.root.iterdir())


def test_the_mount_is_found(ocipy, bundle, tmp_path):
    """By the command itself, whose mountinfo is another file for once: a mount point with a blank in its name."""
    tree = tmp_path / "re sctrl"
    for directory in ("info/L3", "gold"):
        (tree / directory).mkdir(parents=True)
    for name, text in (("schemata", DEFAULT), ("tasks", "")):
        (tree / "gold" / name).write_text(text)
    line = f"99 1 0:99 / {tree} rw - resctrl resctrl rw\n".replace(str(tree), str(tree).replace(" ", "\\040"))
    (tmp_path / "mountinfo").write_text(Path("/proc/self/mountinfo").read_text() + line)
    path = bundle("sleep", "1000", change=set_linux(intelRdt={"closID": "gold", "l3CacheSchema": "L3:1=7ff"}))
    container = ocipy.new_id()
    script = f'mount --make-rprivate / && mount --bind {tmp_path}/mountinfo /proc/$$/mountinfo && exec "$@"'
    command = ("unshare", "-m", "sh", "-c", script, "sh", RUNTIME, "--root", str(ocipy.root))
    done = ocipy.execute(*command, "create", "--bundle", path, container, status=0)
    assert not done.stderr
    ocipy.expect(container)
    assert (tree / "gold/schemata").read_text().startswith("L3:1=7ff\n")
    assert (tree / "gold/tasks").read_text() == str(ocipy.pid(container))
    state = json.loads((ocipy.root / container / "state.json").read_text())
    assert state["resctrl"] == []


class TestUpdate:
    """``update --l3-cache-schema --mem-bw-schema``."""

    def test_of_a_container_s_own_group(self, create, tree):
        container = create(l3CacheSchema="L3:0=f")
        container.update(l3_cache_schema="L3:0=3", mem_bw_schema="MB:0=20")
        name = container.id
        assert tree.log[-2:] == [(f"{name}/schemata", "L3:0=3\n"), (f"{name}/schemata", "MB:0=20\n")]

    def test_of_a_shared_group(self, create, tree):
        container = create(closID="gold", l3CacheSchema="L3:0=f")
        container.update(l3_cache_schema="L3:0=3")
        assert tree.log[-1] == ("gold/schemata", "L3:0=3\n")

    def test_of_a_container_without_one(self, ocipy, bundle, tree):
        """It gets one, with all its processes, and loses it with the container."""
        container = Container.create(ocipy.new_id(), str(bundle("sleep", "1000")), root=str(ocipy.root))
        ocipy.expect(container.id)
        container.update(mem_bw_schema="MB:0=20")
        name = container.id
        assert tree.log == [("mkdir", name), (f"{name}/tasks", str(container.pid)), (f"{name}/schemata", "MB:0=20\n")]
        container.update(mem_bw_schema="MB:0=30")
        assert tree.log[-1] == (f"{name}/schemata", "MB:0=30\n")
        container.delete(force=True)
        assert tree.groups() == []

    def test_what_is_refused_leaves_nothing(self, ocipy, bundle, tree):
        container = Container.create(ocipy.new_id(), str(bundle("sleep", "1000")), root=str(ocipy.root))
        ocipy.expect(container.id)
        tree.refused = "MB:0=20\n"
        with pytest.raises(OcipyError, match="write 'MB:0=20' to"):
            container.update({"pids": {"limit": 20}}, mem_bw_schema="MB:0=20")
        assert tree.groups() == []
        state = json.loads((ocipy.root / container.id / "state.json").read_text())
        assert state["resources"].get("pids") is None
        assert "resctrl_group" not in state

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("l3_cache_schema", "L2:0=1", "--l3-cache-schema: .* has no resource 'L2'"),
            ("mem_bw_schema", "L2:0=1", "--mem-bw-schema: .* has no resource 'L2'"),
        ],
    )
    def test_a_resource_that_isn_t_there(self, create, name, value, message):
        with pytest.raises(StepError, match=message):
            create().update(**{name: value})

    def test_without_resctrl(self, ocipy, bundle):
        if MOUNTED:
            pytest.skip("resctrl is mounted")
        container = ocipy.create(bundle("sleep", "1000"))
        line = ocipy.fails("update", "--l3-cache-schema", "L3:0=f", container)
        assert line.startswith("--l3-cache-schema: no resctrl filesystem is mounted")
