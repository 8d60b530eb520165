"""The steps that make the container's cgroups and write its limits, on every layout of hosts."""

import pytest

from ocipy.errors import StepError
from ocipy.host import Hierarchy, HostInfo


def limits(make_plan, host, **resources):
    """path → value of the writes but those of devices; and the controllers to enable."""

    def change(config):
        config["linux"]["resources"] = resources

    plan = make_plan(change, host=host)
    (made,) = [op for op in plan.ops if op.name == "cgroup-create"]
    writes = [op.values for op in plan.ops if op.name == "cgroup-write" and "/devices." not in op.values["path"]]
    return {each["path"]: each["value"] for each in writes}, made.values["controllers"]


PAGES = [{"pageSize": "2MB", "limit": 9}]
UNIFIED = "/sys/fs/cgroup/unified/ocipy/box"


def test_on_a_hybrid_host_each_limit_goes_where_its_controller_is(make_plan):
    written, controllers = limits(
        make_plan, "divided", pids={"limit": 5}, hugepageLimits=PAGES, blockIO={"weight": 100}, memory={"limit": 1}
    )
    assert written == {
        "/sys/fs/cgroup/pids/ocipy/box/pids.max": "5",
        "/sys/fs/cgroup/memory/ocipy/box/memory.limit_in_bytes": "1",
        f"{UNIFIED}/hugetlb.2MB.max": "9",
        f"{UNIFIED}/hugetlb.2MB.rsvd.max": "9",
        f"{UNIFIED}/io.bfq.weight": "100",
    }
    assert controllers == ["hugetlb", "io"]


def test_on_a_hybrid_host_unified_is_for_the_unified_hierarchy(make_plan):
    written, controllers = limits(make_plan, "divided", unified={"hugetlb.2MB.max": "9", "cgroup.max.depth": "3"})
    assert written == {f"{UNIFIED}/hugetlb.2MB.max": "9", f"{UNIFIED}/cgroup.max.depth": "3"}
    assert controllers == ["hugetlb"]
    with pytest.raises(StepError, match="linux.resources.unified.memory.high: the memory controller is not available"):
        limits(make_plan, "divided", unified={"memory.high": "1"})


def test_on_a_v1_host_unified_is_refused(make_plan):
    with pytest.raises(StepError, match="^linux.resources.unified: this host has the cgroups of version 1 alone"):
        limits(make_plan, "v1", unified={"memory.high": "1"})
    assert limits(make_plan, "v1", unified={}) == ({}, [])


@pytest.mark.parametrize(
    ("host", "resources", "controller"),
    [
        ("v1", {"hugepageLimits": PAGES}, "hugetlb"),
        ("hybrid", {"hugepageLimits": PAGES}, "hugetlb"),
        ("hybrid", {"rdma": {"a": {"hcaObjects": 1}}}, "rdma"),
        ("unified", {"unified": {"misc.max": "a 1"}}, "misc"),
    ],
)
def test_a_controller_that_no_hierarchy_has(make_plan, host, resources, controller):
    with pytest.raises(StepError, match=f"the {controller} controller is not available on this host"):
        limits(make_plan, host, **resources)


def test_what_is_not_the_rule_is_in_the_step(make_plan, only):
    def change(config):
        config["linux"]["resources"] = {"blockIO": {"weight": 10}}

    step = only(make_plan(change, host="unified"), "cgroup-write")
    directory = "/sys/fs/cgroup/ocipy/box"
    assert step.values == {
        "path": f"{directory}/io.bfq.weight", "value": "10", "fallback": (f"{directory}/io.weight", "1"),
    }  # fmt: skip


def of_a_user(hierarchies, unified):
    """A rootless host: v1 hierarchies and the unified one's controllers (None: no such hierarchy), all delegated."""
    mount = "/sys/fs/cgroup/unified" if hierarchies else "/sys/fs/cgroup"
    return HostInfo(
        uid=1000,
        gid=1000,
        hierarchies=tuple(
            Hierarchy(name, (name,), f"/sys/fs/cgroup/{name}", "/own", "/own" if delegated else "")
            for name, delegated in hierarchies.items()
        ),
        unified=None if unified is None else Hierarchy("", unified, mount, "/own/me", "/own"),
    )


@pytest.mark.parametrize(
    ("host", "written"),
    [
        (of_a_user({}, ("memory",)), {"/sys/fs/cgroup/own/box/memory.max": "5"}),
        (of_a_user({"memory": True}, None), {"/sys/fs/cgroup/memory/own/box/memory.limit_in_bytes": "5"}),
        (
            of_a_user({"memory": True, "pids": False, "devices": True}, ()),
            {"/sys/fs/cgroup/memory/own/box/memory.limit_in_bytes": "5"},
        ),
    ],
)
def test_of_an_ordinary_user(make_plan, monkeypatch, hosts, host, written):
    """Its limits in the cgroups that are delegated to it; device rules, which take root, nowhere."""

    def change(config):
        config["linux"]["resources"] = {"memory": {"limit": 5}, "devices": [{"allow": False, "access": "rwm"}]}

    monkeypatch.setitem(hosts, "user", host)
    plan = make_plan(change, host="user", rootless=True)
    writes = {op.values["path"]: op.values["value"] for op in plan.ops if op.name == "cgroup-write"}
    assert writes == written
    assert "device-filter" not in [op.name for op in plan.ops]
    assert set(plan.cgroup_paths) == {
        each.name for each in (*host.hierarchies, host.unified) if each and each.delegated
    }


@pytest.mark.parametrize("host", [of_a_user({"memory": False, "pids": True}, ()), of_a_user({}, ("pids",))])
def test_limits_of_a_controller_that_is_not_delegated(make_plan, monkeypatch, hosts, host):
    def change(config):
        config["linux"]["resources"] = {"memory": {"limit": 5}}

    monkeypatch.setitem(hosts, "user", host)
    with pytest.raises(StepError, match=r"^linux.resources.memory.limit: no cgroup with its controller is delegated"):
        make_plan(change, host="user", rootless=True)


def test_root_that_calls_itself_rootless_keeps_its_device_rules(make_plan, monkeypatch, hosts):
    host = HostInfo(unified=Hierarchy("", (), "/sys/fs/cgroup", "/own", "/"), rootless=True)
    monkeypatch.setitem(hosts, "user", host)
    plan = make_plan(host="user")
    assert "device-filter" in [op.name for op in plan.ops]
    assert plan.cgroup_paths == {"": "/sys/fs/cgroup/box"}


def own(uid=1000, options=("nosuid",), namespaces=("cgroup", "user"), destination="/sys/fs/cgroup", source="cgroup"):
    """A config whose container is to own its cgroup, but for what the arguments change."""

    def change(config):
        linux = config["linux"]
        config["process"]["user"]["uid"] = uid
        config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/sys/fs/cgroup"]
        mount = {"destination": destination, "type": "cgroup", "source": source, "options": list(options)}
        config["mounts"].append(mount)
        linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] not in ("cgroup", "user")]
        linux["namespaces"] += [{"type": type_} for type_ in namespaces]
        if "user" in namespaces:
            linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]

    return change


@pytest.mark.parametrize("change", [own(), own(0), own(namespaces=("cgroup",))])
def test_the_container_s_user_owns_the_cgroup(make_plan, only, names, change):
    """config-linux.md, Cgroup ownership."""
    plan = make_plan(change, host="unified")
    step = only(plan, "cgroup-owner")
    assert step.values["path"] == plan.cgroup_paths[""]
    assert step.pointer.startswith("/mounts/")
    assert names(plan).index("spawn") < names(plan).index("cgroup-owner") < names(plan).index("created")


@pytest.mark.parametrize(
    ("change", "host"),
    [
        (own(), "hybrid"),  # delegation isn't secure in v1
        (own(namespaces=("user",)), "unified"),  # no cgroup namespace
        (own(options=("nosuid", "ro")), "unified"),
        (own(destination="/cgroup"), "unified"),
        (own(source="cgroup2"), "unified"),
        (own(0, namespaces=("cgroup",)), "unified"),  # the host's root is it already
    ],
)
def test_the_cgroup_stays_root_s(make_plan, names, change, host):
    assert "cgroup-owner" not in names(make_plan(change, host=host))
