"""What single parts of a config become in the plan; and that planning leaves its input alone."""

import copy
import json

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.plan.create import create
from ocipy.plan.options import CreateOptions
from ocipy.plan.rlimits import NUMBERS
from ocipy.spec.checks import RLIMITS
from ocipy.spec.load import parse_config


def test_purity(hosts):
    """The same input makes the same plan, and is as it was."""
    config = parse_config(json.dumps(default_config()).encode(), "config.json")
    before = copy.deepcopy(config)
    first, second = (create(config, hosts["hybrid"], CreateOptions("box", "/bundle")) for _ in range(2))
    assert first.ops == second.ops
    assert first.cgroup_paths == second.cgroup_paths
    assert config == before


def in_process(**members):
    return lambda config: config["process"].update(members)


def in_linux(**members):
    return lambda config: config["linux"].update(members)


@pytest.mark.parametrize(
    ("members", "size"),
    [({}, (0, 0)), ({"consoleSize": {"width": 80, "height": 25}}, (80, 25))],
)
def test_terminal(make_plan, only, members, size):
    plan = make_plan(in_process(terminal=True, **members))
    assert only(plan, "console").values == {"columns": size[0], "rows": size[1], "bind": 1, "onlcr": 0}
    assert plan.console


def test_a_terminal_that_is_handed_over_is_as_the_kernel_makes_it(make_plan, only):
    plan = make_plan(in_process(terminal=True), console_socket=True)
    assert only(plan, "console").values["onlcr"] == 1


def test_no_terminal(make_plan, names):
    plan = make_plan(in_process(terminal=False))
    assert "console" not in names(plan)
    assert not plan.console


@pytest.mark.parametrize("score", [-1000, 0, 1000])
def test_oom_score(make_plan, only, score):
    assert only(make_plan(in_process(oomScoreAdj=score)), "oom-score").values == {"value": score}


def test_absent_is_no_oom_score(make_plan, names):
    assert "oom-score" not in names(make_plan())


def test_the_changes_of_directory_stand_around_the_change_of_user(make_plan):
    """A directory only root may enter, or only the user."""
    steps = [(op.name, op.values.get("last")) for op in make_plan().ops if op.name in ("cwd", "user")]
    assert steps == [("cwd", 0), ("user", None), ("cwd", 1)]


@pytest.mark.parametrize(("path", "full"), [("root", "/bundle/root"), ("/srv/root", "/srv/root")])
def test_a_relative_root_is_the_bundle_s(make_plan, only, path, full):
    plan = make_plan(lambda config: config["root"].update(path=path))
    assert only(plan, "root").values["path"] == full


def test_a_joined_namespace_is_not_made(make_plan, names, only):
    def join(config):
        config["linux"]["namespaces"] = [
            {"type": "mount"}, {"type": "uts"}, {"type": "network", "path": "/run/netns/a"}, {"type": "user",
             "path": "/proc/5/ns/user"}, {"type": "cgroup", "path": "/proc/5/ns/cgroup"},
        ]  # fmt: skip

    plan = make_plan(join)
    assert only(plan, "spawn").values["new"] == ["mount", "uts"]
    assert only(plan, "spawn").values["join"] == {
        "network": "/run/netns/a", "user": "/proc/5/ns/user", "cgroup": "/proc/5/ns/cgroup",
    }  # fmt: skip
    assert not {"id-map", "loopback", "cgroup-namespace"}.intersection(names(plan))
    assert all(op.values["bind"] for op in plan.ops if op.name == "device")  # no mknod(2) in a user namespace


def test_cgroups_of_v1(make_plan, names, only):
    plan = make_plan(in_linux(cgroupsPath="/a/b"))
    assert plan.cgroup_paths["memory"] == "/sys/fs/cgroup/memory/a/b"
    assert plan.cgroup_paths[""] == "/sys/fs/cgroup/unified/a/b"
    values = only(plan, "cgroup-create").values
    assert values == {"paths": plan.cgroup_paths, "mount": "/sys/fs/cgroup/unified", "controllers": []}
    assert "device-filter" not in names(plan)


def test_cgroups_of_v2(make_plan, names, only):
    plan = make_plan(in_linux(resources={"pids": {"limit": 5}}), host="unified")
    assert plan.cgroup_paths == {"": "/sys/fs/cgroup/ocipy/box"}
    values = only(plan, "cgroup-create").values
    assert values == {"paths": plan.cgroup_paths, "mount": "/sys/fs/cgroup", "controllers": ["pids"]}
    assert only(plan, "cgroup-write").values == {"path": "/sys/fs/cgroup/ocipy/box/pids.max", "value": "5"}
    assert names(plan).index("cgroup-write") < names(plan).index("device-filter") < names(plan).index("spawn")


def test_without_cgroups_the_spawn_is_first(make_plan, names):
    assert names(make_plan(in_linux(resources={}), host="none"))[0] == "spawn"


def test_names_of_the_host(make_plan, names, only):
    plan = make_plan(lambda config: config.update(hostname="web", domainname="example"))
    assert (only(plan, "hostname").values, only(plan, "domainname").values) == ({"name": "web"}, {"name": "example"})
    assert not {"hostname", "domainname"}.intersection(names(make_plan(lambda config: config.pop("hostname"))))


def ask(config):
    hook = [{"path": "/bin/hook"}]
    config["domainname"] = "example"
    config["hooks"] = dict.fromkeys(("prestart", "createRuntime", "createContainer", "startContainer"), hook)
    config["process"].update(cwd="/work", oomScoreAdj=5, terminal=True)
    config["linux"].update(rootfsPropagation="shared", cgroupsPath="/x", sysctl={"net.ipv4.conf.a/b.x": "1"})
    config["linux"]["devices"] = [{"path": "/dev/x", "type": "p"}]
    config["linux"]["resources"] = {"pids": {"limit": 5}, "devices": [{"allow": True, "access": "r"}]}
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 5, "size": 99}]


@pytest.mark.parametrize("host", ["hybrid", "unified"])
@pytest.mark.parametrize("no_pivot", [False, True])
def test_every_pointer_points_into_the_config(make_plan, host, no_pivot):
    """RFC 6901; the last part may be a property that is absent, such as the umask."""
    config = default_config()
    ask(config)
    config = parse_config(json.dumps(config).encode(), "config.json")
    plan = make_plan(ask, host=host, no_pivot=no_pivot)
    assert {op.pointer for op in plan.ops if not op.pointer.startswith("/")} == {""}
    for op in plan.ops:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in op.pointer.split("/")[1:]] or [""]
        place = config
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert not isinstance(place, list) or int(last) < len(place), op


def test_the_status_hooks_read(make_plan):
    """runtime.md, Lifecycle."""
    hooks = {op.pointer: json.loads(op.values["before_pid"] + "1" + op.values["after_pid"]) for op in make_plan(ask).ops
             if op.name == "hook"}  # fmt: skip
    assert {pointer: state["status"] for pointer, state in hooks.items()} == {
        "/hooks/createContainer/0": "creating", "/hooks/startContainer/0": "created",
    }  # fmt: skip
    assert all(state["pid"] == 1 and state["id"] == "box" for state in hooks.values())


def test_a_cgroup_mount_in_a_namespace_is_one_of_each_hierarchy(make_plan):
    ops = [op for op in make_plan(ask).ops if op.pointer == "/mounts/6"]
    assert [(op.name, op.values.get("type"), op.values.get("source"), op.values.get("data")) for op in ops] == [
        ("mount", "tmpfs", "tmpfs", ["mode=755"]),
        ("mount", "cgroup", "cgroup", ["cpu", "cpuacct"]),
        ("symlink", None, None, None),
        ("symlink", None, None, None),
        ("mount", "cgroup", "cgroup", ["memory"]),
        ("mount", "cgroup", "cgroup", ["devices"]),
        ("mount", "cgroup", "cgroup", ["pids"]),
        ("mount", "cgroup", "cgroup", ["none", "name=systemd"]),
        ("remount", None, None, []),
    ]
    assert ops[2].values == {"path": "/sys/fs/cgroup/cpu", "target": "cpu,cpuacct", "replace": 0}
    assert ops[-1].values == {
        "destination": "/sys/fs/cgroup", "data": [], "superblock": 0, "superblock_clear": 0, "set": 1, "clear": 0,
        "recursive_set": 0, "recursive_clear": 0, "propagation": 0,
    }  # fmt: skip


def test_the_numbers_of_all_limits():
    """asm-generic/resource.h."""
    names = ["CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING",
             "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"]  # fmt: skip
    assert {f"RLIMIT_{name}": number for number, name in enumerate(names)} == NUMBERS
    assert set(RLIMITS) == set(NUMBERS)
