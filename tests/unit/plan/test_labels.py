"""AppArmor profiles and SELinux labels in the plan."""

import pytest

from ocipy.errors import StepError
from ocipy.host import HostInfo
from tests.system.looking import set_process


@pytest.fixture
def host():
    def make(*modules):
        info = HostInfo()
        info.modules = modules
        return info

    return make


def labels(plan):
    return [tuple(op.values.values()) for op in plan.ops if op.name == "label"]


def test_none(make_plan, host):
    assert labels(make_plan(host=host("apparmor", "selinux"))) == []
    assert labels(make_plan(set_process(apparmorProfile="", selinuxLabel=""), host=host())) == []


def test_a_profile(make_plan, host, only):
    plan = make_plan(set_process(apparmorProfile="docker-default"), host=host("apparmor"))
    assert labels(plan) == [("apparmor", "exec", "exec docker-default")]
    assert only(plan, "label").pointer == "/process/apparmorProfile"


def test_an_selinux_label_is_the_keyring_s_too(make_plan, host, names):
    label = "u:r:t:s0:c1,c2"
    change = set_process(selinuxLabel=label)
    plan = make_plan(change, host=host("selinux"))
    assert labels(plan) == [
        ("selinux", "keycreate", label), ("selinux", "keycreate", ""), ("selinux", "exec", label)
    ]  # fmt: skip
    found = names(plan)
    at = found.index("keyring")
    assert found[at - 1 : at + 2] == ["label", "keyring", "label"]
    assert labels(make_plan(change, host=host("selinux"), no_new_keyring=True)) == [("selinux", "exec", label)]


def test_before_what_could_forbid_it(make_plan, host, names):
    found = names(make_plan(set_process(apparmorProfile="x"), host=host("apparmor")))
    later = [found.index(name) for name in ("no-new-privileges", "bounding-set", "user", "capabilities")]
    assert found.index("pivot-root") < found.index("label") < min(later)


@pytest.mark.parametrize(
    ("name", "value", "module", "shown"),
    [("apparmorProfile", "x", "selinux", "AppArmor"), ("selinuxLabel", "u:r:t:s0", "apparmor", "SELinux")],
)
def test_a_host_without_the_module(make_plan, host, name, value, module, shown):
    with pytest.raises(StepError) as caught:
        make_plan(set_process(**{name: value}), host=host(module))
    assert str(caught.value) == (
        f"process.{name}: {shown} is not enabled on this host (drop it from config.json, or start the kernel with it)"
    )
    assert caught.value.pointer == f"/process/{name}"


LABEL = "system_u:object_r:container_file_t:s0:c1,c2"


def labelled(config):
    config["linux"].update(mountLabel=LABEL, maskedPaths=["/proc/acpi"])
    config["mounts"] += [
        {"destination": "/a", "type": "tmpfs", "options": ["size=1m", 'context="u:r:t:s0"']},
        {"destination": "/b", "source": "/etc", "options": ["rbind"]},
    ]


def test_mounts(make_plan, host):
    plan = make_plan(labelled, host=host("selinux"))
    data = {op.values["destination"]: op.values["data"] for op in plan.ops if op.name == "mount"}
    context = f'context="{LABEL}"'
    assert [point for point in data if context in data[point]] == ["/dev", "/dev/pts", "/dev/shm"]
    assert data["/dev/shm"] == ["mode=1777", "size=65536k", context]
    assert data["/a"] == ["size=1m", 'context="u:r:t:s0"'], "its own counts"
    assert {"/proc", "/sys", "/dev/mqueue", "/sys/fs/cgroup"} <= set(data)
    (bind,) = [op for op in plan.ops if op.name == "bind" and op.values["destination"] == "/b"]
    assert LABEL not in str(bind.values)


def test_an_mqueue_is_labelled_once_mounted(make_plan, host, names, only):
    plan = make_plan(labelled, host=host("selinux"))
    assert only(plan, "file-label").values == {"path": "/dev/mqueue", "label": LABEL}
    before = plan.ops[names(plan).index("file-label") - 1]
    assert (before.name, before.values["destination"]) == ("mount", "/dev/mqueue")


def test_masks(make_plan, host, only):
    assert only(make_plan(labelled, host=host("selinux")), "mask").values == {"path": "/proc/acpi", "label": LABEL}


def test_a_mount_label_without_selinux(make_plan, host):
    with pytest.raises(StepError, match="^linux.mountLabel: SELinux is not enabled on this host"):
        make_plan(labelled, host=host("apparmor"))
