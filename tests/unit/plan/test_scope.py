"""The systemd driver's steps: a scope takes the process that the spawn made, before init does anything."""

import pytest

from ocipy.cgroups.systemd import Manager
from ocipy.errors import StepError


@pytest.fixture
def plan_of(make_plan, hosts, monkeypatch):
    def make(host, path="", user=False, cgroup="/", **resources):
        monkeypatch.setattr(hosts[host], "systemd", Manager(user, 252, cgroup))

        def change(config):
            config["annotations"] = {"org.systemd.property.Nice": "5"}
            config["linux"].update(cgroupsPath=path, resources=resources)

        return make_plan(change, host=host, rootless=user, systemd_cgroup=True)

    return make


def test_on_v2(plan_of, names, only):
    plan = plan_of("unified", "a-b.slice:docker:x", pids={"limit": 5})
    path = "/sys/fs/cgroup/a.slice/a-b.slice/docker-x.scope"
    assert plan.cgroup_paths == {"": path}
    found = names(plan)
    order = ["spawn", "systemd-scope", "cgroup-write", "device-filter", "session"]
    assert [name for name in found if name in order] == order
    assert not {"cgroup-create", "cgroup-enter"} & set(found)
    assert (only(plan, "spawn").values["unified"], only(plan, "spawn").values["tasks"]) == ("", [])
    scope = only(plan, "systemd-scope").values
    assert (scope["unit"], scope["user"], scope["path"], scope["controllers"]) == (
        "docker-x.scope",
        False,
        path,
        ["pids"],
    )
    properties = {name: value for name, _, value in scope["properties"]}
    assert properties["Slice"] == "a-b.slice"
    assert (properties["TasksMax"], properties["Nice"], properties["DevicePolicy"]) == (5, 5, "strict")
    assert only(plan, "cgroup-write").values == {"path": f"{path}/pids.max", "value": "5"}


def test_on_a_hybrid_host(plan_of, names, only):
    """systemd makes cgroups only where it needs them; the process is moved into the others by us."""
    plan = plan_of("hybrid", memory={"limit": 5})
    assert plan.cgroup_paths["memory"] == "/sys/fs/cgroup/memory/system.slice/ocipy-box.scope"
    order = ["spawn", "systemd-scope", "cgroup-create", "cgroup-enter", "cgroup-write", "session"]
    found = [name for name in names(plan) if name in order]
    assert list(dict.fromkeys(found)) == order
    assert set(only(plan, "cgroup-enter").values["paths"]) == {"cpu,cpuacct", "memory", "devices", "pids"}
    assert ("MemoryLimit", "t", 5) in only(plan, "systemd-scope").values["properties"]


def test_of_a_user(plan_of, only, names):
    """Below the user's systemd's own cgroup; who can't bound devices."""
    plan = plan_of("rootless", user=True, cgroup="/user.slice/user@1000.service", memory={})
    assert plan.cgroup_paths == {"": "/sys/fs/cgroup/user.slice/user@1000.service/user.slice/ocipy-box.scope"}
    scope = only(plan, "systemd-scope").values
    assert scope["user"] is True
    assert not {"DevicePolicy", "DeviceAllow"} & {name for name, _, _ in scope["properties"]}
    assert "device-filter" not in names(plan)


def test_paths_that_are_not_systemd_s(plan_of):
    with pytest.raises(StepError, match="expected slice:prefix:name with --systemd-cgroup, got '/a/b'"):
        plan_of("unified", "/a/b")


def test_without_the_flag_it_is_a_relative_path(make_plan):
    """As in runc."""
    plan = make_plan(lambda config: config["linux"].update(cgroupsPath="a.slice:b:c"), host="unified")
    assert plan.cgroup_paths == {"": "/sys/fs/cgroup/own/a.slice:b:c"}
