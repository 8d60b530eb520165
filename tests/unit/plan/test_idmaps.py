"""Id-mapped mounts as steps: the trees made before the container is, and the binds that attach them."""

import pytest

from ocipy.errors import StepError

OWN = [{"containerID": 0, "hostID": 5000, "size": 10}]
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def asking(*mounts, namespace=None, **linux):
    """A config with these mounts at the end of the list, and a user namespace ("": a new one)."""

    def change(config):
        config["mounts"] = [{"destination": f"/m{i}", "source": f"/s{i}"} | mount for i, mount in enumerate(mounts)]
        config["linux"].update(linux)
        if namespace is not None:
            entry = {"type": "user"} | ({"path": namespace} if namespace else {})
            config["linux"]["namespaces"].append(entry)
            config["linux"].update(uidMappings=MAPS, gidMappings=MAPS)

    return change


def own(*options):
    return {"options": list(options), "uidMappings": OWN, "gidMappings": OWN}


def trees(plan):
    return [op for op in plan.ops if op.name == "idmap-tree"]


def test_a_plain_container_has_none(make_plan, names):
    assert "idmap-tree" not in names(make_plan(asking({"options": ["bind"]})))


def test_trees_are_made_in_the_container_s_mount_namespace_and_attached_by_number(make_plan, names):
    """After the change of propagation, which is that of the copies then, and before the first mount."""
    plan = make_plan(asking(own("bind"), {"options": ["bind"]}, own("rbind", "ridmap")))
    made = trees(plan)
    assert [(op.pointer, op.values["source"]) for op in made] == [("/mounts/0", "/s0"), ("/mounts/2", "/s2")]
    places = [plan.ops.index(op) for op in made]
    assert (names(plan)[places[0] - 1], names(plan)[places[1] + 1]) == ("propagation", "root")
    assert [op.values["tree"] for op in plan.ops if op.name == "bind" and op.pointer.startswith("/mounts")] == [1, 0, 2]


@pytest.mark.parametrize(
    ("options", "recursive", "all_"),
    [(["bind"], False, False), (["bind", "idmap"], False, False), (["rbind", "idmap"], True, False),
     (["rbind", "ridmap"], True, True), (["rbind", "ridmap", "idmap"], True, False)],
)  # fmt: skip
def test_how_far_the_maps_reach(make_plan, options, recursive, all_):
    (op,) = trees(make_plan(asking(own(*options))))
    assert (op.values["recursive"], op.values["map_all"]) == (recursive, all_)


@pytest.mark.parametrize(
    ("mount", "namespace", "uid"),
    [
        (own("bind", "idmap"), None, [(0, 5000, 10)]),
        (own("bind", "idmap"), "", [(0, 5000, 10)]),
        (own("bind", "idmap"), "/proc/1/ns/user", [(0, 5000, 10)]),
        ({"options": ["bind", "idmap"]}, "", []),
        ({"options": ["bind", "ridmap"]}, "/proc/1/ns/user", []),
    ],
)
def test_whose_maps(make_plan, mount, namespace, uid):
    """config.md: the mount's own; without, those of the container's user namespace."""
    (op,) = trees(make_plan(asking(mount, namespace=namespace)))
    assert (op.values["uid"], op.values["gid"]) == (uid, uid)


def test_no_more_than_a_message_takes(make_plan):
    assert len(trees(make_plan(asking(*[own("bind")] * 253)))) == 253
    with pytest.raises(StepError, match=r"^mounts\[253\] \(/m253\): more than 253 id-mapped mounts"):
        make_plan(asking(*[own("bind")] * 254))


def test_for_root_only(make_plan):
    def change(config):
        asking(own("bind"))(config)

    with pytest.raises(StepError, match=r"^mounts\[0\] \(/m0\): id-mapped mounts are for root only"):
        make_plan(change, host="rootless", rootless=True)


@pytest.mark.parametrize(
    ("ranges", "uid", "gid"),
    [
        ("uids=0-1-10#10-11-10;gids=0-100-10", [(0, 1, 10), (10, 11, 10)], [(0, 100, 10)]),
        ("gids=@5-7-3;uids=@0-0-65536", [(0, 100000, 65536)], [(5, 100007, 3)]),
    ],
)
def test_ranges_as_crun_has_them(make_plan, ranges, uid, gid):
    (op,) = trees(make_plan(asking({"options": ["bind", f"idmap={ranges}"]}, namespace="")))
    assert (op.values["uid"], op.values["gid"]) == (uid, gid)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("idmap=uids=0-1-10", "needs both uids and gids"),
        ("idmap=ids=0-1-10;gids=0-1-10", "expected uids=... or gids=..."),
        ("idmap=uids=0-1;gids=0-1-10", "expected three numbers"),
        ("idmap=uids=0--1-1;gids=0-1-10", "expected three numbers"),
        ("ridmap=uids=@0-65000-1000;gids=0-1-1", "no range of the container's user namespace"),
    ],
)
def test_ranges_that_are_none(make_plan, option, words):
    with pytest.raises(StepError, match=r"^mounts\[0\] \(/m0\): ") as raised:
        make_plan(asking({"options": ["bind", option]}, namespace=""))
    assert words in str(raised.value)


def test_only_bind_mounts(make_plan):
    with pytest.raises(StepError, match="only bind mounts can be id-mapped"):
        make_plan(asking({"type": "tmpfs", "options": ["idmap=uids=0-1-1;gids=0-1-1"]}))
