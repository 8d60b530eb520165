"""What an ordinary user may not ask for."""

import pytest

from ocipy.errors import StepError


def in_host_s_user_namespace(config):
    config["linux"]["namespaces"] = [entry for entry in config["linux"]["namespaces"] if entry["type"] != "user"]
    del config["linux"]["uidMappings"], config["linux"]["gidMappings"]


def test_no_user_namespace(make_plan):
    line = r"^linux.namespaces: user 1000 needs a user namespace to make a container \(add .*spec --rootless"
    with pytest.raises(StepError, match=line) as caught:
        make_plan(in_host_s_user_namespace, host="rootless", rootless=True)
    assert caught.value.pointer == "/linux/namespaces"
    assert caught.value.index == -1


def test_a_joined_user_namespace_will_do(make_plan):
    def join(config):
        in_host_s_user_namespace(config)
        config["linux"]["namespaces"].append({"type": "user", "path": "/proc/1/ns/user"})

    make_plan(join, host="rootless", rootless=True)


def map_groups(host_id, size, groups):
    def change(config):
        config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}]
        config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": host_id, "size": size}]
        config["process"]["user"]["additionalGids"] = groups

    return change


def test_groups_of_one_mapped_group(make_plan, only):
    line = r"^process.user.additionalGids: setgroups is denied .*\(drop them, or map a range"
    with pytest.raises(StepError, match=line):
        make_plan(map_groups(1000, 1, [0]), host="rootless", rootless=True)
    for change in (map_groups(1000, 1, []), map_groups(5000, 10, [3])):
        assert only(make_plan(change, host="rootless", rootless=True), "id-map")


def test_root_may_map_one_group_and_set_groups(make_plan, only):
    plan = make_plan(map_groups(1000, 1, [0]), host="hybrid", rootless=True)
    assert only(plan, "id-map").values["deny_setgroups"] is False


def without(*kinds):
    def change(config):
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] not in kinds]
        config["mounts"][5].update(type="sysfs", source="sysfs", options=["ro"])

    return change


@pytest.mark.parametrize(
    ("kinds", "fallbacks"),
    [
        ((), {"/sys": "/sys"}),
        (("ipc",), {"/sys": "/sys", "/dev/mqueue": "/dev/mqueue"}),
        (("pid",), {"/sys": "/sys", "/proc": "/proc"}),
    ],
)
def test_what_is_bound_where_it_cannot_be_mounted(make_plan, kinds, fallbacks):
    """Only what shows the same as the mount would: the host's message queues are another IPC namespace's."""
    plan = make_plan(without(*kinds), host="rootless", rootless=True)
    found = {op.values["destination"]: op.values["fallback"] for op in plan.ops if op.name == "mount"}
    assert {name: path for name, path in found.items() if path} == fallbacks


def test_root_s_mounts_need_no_other(make_plan):
    plan = make_plan()
    assert {op.values["fallback"] for op in plan.ops if op.name == "mount"} == {""}
