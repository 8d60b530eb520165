"""The systemd driver with a stand-in for systemd, which makes real cgroups; with a real one: test_systemd.py."""

import json
import os
from pathlib import Path

import pytest

from tests.fake_systemd import FakeSystemd
from tests.system.looking import set_linux, set_namespaces, together
from tests.system.runtime import RUNTIME, cgroup_mounts

pytestmark = [pytest.mark.root, pytest.mark.cgroup_v1("memory", "pids"), pytest.mark.tool("unshare")]

ALONE = (
    'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" "$@"'
)


@pytest.fixture
def slice_(test_name):
    """A slice of the test's own, which is gone in the end."""
    name = test_name.replace("-", "_")
    yield f"{name}.slice"
    left = [mount / f"{name}.slice" for mount in cgroup_mounts() if (mount / f"{name}.slice").exists()]
    scopes = [scope for directory in left for scope in directory.iterdir() if scope.is_dir()]
    for directory in left:
        directory.rmdir()
    assert scopes == []


def mounts(*names):
    return [mount for mount in cgroup_mounts() if mount.name in names]


@pytest.fixture
def systemd(tmp_path, monkeypatch, slice_):
    """In a hybrid host's own two hierarchies."""
    fake = FakeSystemd(tmp_path / "bus", mounts("systemd", "unified"))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", fake.address)
    yield fake
    fake.close()


def membership(pid):
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {path for _, _, path in (line.split(":", 2) for line in lines)}


def test_a_container_s_life_on_a_hybrid_host(ocipy, bundle, systemd, slice_):
    change = together(
        set_linux(cgroupsPath=f"{slice_}:box:one", resources={"memory": {"limit": 64 << 20}, "pids": {"limit": 40}}),
        set_namespaces(cgroup=""),
    )
    path = bundle("sh", "-c", "cat /proc/self/cgroup", change=change)
    container = ocipy.new_id()
    ocipy("--systemd-cgroup", "create", "--bundle", path, container, status=0)
    ocipy.expect(container)
    properties = systemd.units["box-one.scope"]
    pid = ocipy.pid(container)
    assert (properties["PIDs"], properties["Slice"], properties["TasksMax"]) == ([pid], slice_, 40)
    assert membership(pid) == {f"/{slice_}/box-one.scope"}
    assert Path(f"/sys/fs/cgroup/pids/{slice_}/box-one.scope/pids.max").read_text() == "40\n"
    state = json.loads((ocipy.root / container / "state.json").read_text())
    assert state["systemd"] == {"unit": "box-one.scope", "user": False}
    ocipy("start", container, status=0)
    ocipy("delete", "--force", container, status=0)
    assert [method for method, _ in systemd.calls if method.endswith("Unit")] == [
        "StartTransientUnit", "StopUnit", "ResetFailedUnit",
    ]  # fmt: skip
    assert not any((mount / slice_ / "box-one.scope").exists() for mount in cgroup_mounts())


def test_the_container_sees_its_scope_as_the_root(ocipy, bundle, systemd, slice_):
    """It isn't let go before it has been moved, so its cgroup namespace begins there."""
    change = together(set_linux(cgroupsPath=f"{slice_}:box:two"), set_namespaces(cgroup=""))
    path = bundle("cat", "/proc/self/cgroup", change=change)
    done = ocipy("--systemd-cgroup", "run", "--bundle", path, ocipy.new_id(), status=0)
    assert {line.split(":", 2)[2] for line in done.stdout.splitlines()} == {"/"}


def test_in_a_joined_pid_namespace(ocipy, bundle, systemd, slice_):
    """Where a go-between makes the process, which is the one that systemd is told of."""
    first = ocipy.start(bundle("sleep", "1000"))
    change = together(
        set_linux(cgroupsPath=f"{slice_}:box:three"), set_namespaces(pid=f"/proc/{ocipy.pid(first)}/ns/pid")
    )
    container = ocipy.new_id()
    ocipy("--systemd-cgroup", "create", "--bundle", bundle("true", change=change), container, status=0)
    ocipy.expect(container)
    assert systemd.units["box-three.scope"]["PIDs"] == [ocipy.pid(container)]
    ocipy("delete", "--force", container, status=0)


def test_on_v2_alone(ocipy, bundle, tmp_path, monkeypatch, slice_):
    fake = FakeSystemd(tmp_path / "bus", mounts("unified"))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", fake.address)
    try:
        path = bundle("cat", "/proc/self/cgroup", change=set_linux(cgroupsPath=f"{slice_}:box:four", resources={}))
        command = (RUNTIME, "--root", ocipy.root, "--systemd-cgroup", "run", "--bundle", path, ocipy.new_id())
        done = ocipy.execute("unshare", "-m", "sh", "-c", ALONE, *map(str, command), status=0)
        assert f"0::/{slice_}/box-four.scope\n" in done.stdout
        assert [method for method, _ in fake.calls if method.endswith("Unit")][:1] == ["StartTransientUnit"]
        assert fake.units == {}
    finally:
        fake.close()


def test_a_job_that_fails_leaves_nothing(ocipy, bundle, systemd, slice_):
    systemd.result = "failed"
    line = ocipy.fails("--systemd-cgroup", "create", "--bundle",
                       bundle(change=set_linux(cgroupsPath=f"{slice_}:box:five")), ocipy.new_id())  # fmt: skip
    assert line.startswith("linux.cgroupsPath (box-five.scope): systemd's job to start it ended as 'failed'")
    assert systemd.units == {}


def test_a_limit_the_kernel_refuses_undoes_the_scope(ocipy, bundle, systemd, slice_):
    change = set_linux(cgroupsPath=f"{slice_}:box:six", resources={"cpu": {"period": 1}})
    line = ocipy.fails("--systemd-cgroup", "create", "--bundle", bundle(change=change), ocipy.new_id())
    assert line.startswith("linux.resources.cpu.period")
    assert systemd.units == {}


@pytest.mark.parametrize("path", ["/a/b", "a:b"])
def test_paths_of_another_form_are_refused(ocipy, bundle, systemd, path):
    line = ocipy.fails(
        "--systemd-cgroup", "create", "--bundle", bundle(change=set_linux(cgroupsPath=path)), ocipy.new_id()
    )
    assert line.startswith("linux.cgroupsPath: expected slice:prefix:name")
    assert not any(method.endswith("Unit") for method, _ in systemd.calls)


def test_without_systemd(ocipy, bundle, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    if os.path.exists("/run/systemd/private"):
        pytest.skip("systemd is here")
    line = ocipy.fails(
        "--systemd-cgroup", "create", "--bundle", bundle(change=set_linux(cgroupsPath="")), ocipy.new_id()
    )
    assert line.startswith("--systemd-cgroup: systemd can't be reached: unix:path=/nowhere: No such file or directory")


def test_a_triple_without_the_flag_is_a_relative_path(ocipy, bundle, test_name):
    path = bundle("cat", "/proc/self/cgroup", change=set_linux(cgroupsPath=f"{test_name}.slice:box:seven"))
    done = ocipy("run", "--bundle", path, ocipy.new_id(), status=0)
    assert f"/{test_name}.slice:box:seven\n" in done.stdout
    assert "without --systemd-cgroup" in done.stderr


def test_the_plan(ocipy, bundle, systemd, slice_):
    path = bundle(change=set_linux(cgroupsPath=f"{slice_}:box:eight"))
    said = ocipy("--systemd-cgroup", "plan", "--bundle", path, "ID", status=0).stdout
    assert "have the system's systemd make box-eight.scope with the process in it" in said
    assert not any(method.endswith("Unit") for method, _ in systemd.calls)


@pytest.fixture
def scoped(ocipy, bundle, systemd, slice_):
    """A container of a scope: its id."""

    def make(number, **resources):
        container = ocipy.new_id()
        path = bundle("sleep", "1000", change=set_linux(cgroupsPath=f"{slice_}:box:{number}", resources=resources))
        ocipy("--systemd-cgroup", "create", "--bundle", path, container, status=0)
        return ocipy.expect(container)

    yield make
    ocipy.delete_expected()


def test_systemd_knows_of_an_update(ocipy, systemd, slice_, scoped):
    """The flag isn't needed then: the state knows of the scope."""
    container = scoped("nine", memory={"limit": 64 << 20}, cpu={"quota": 50500})
    ocipy("update", "--memory", "96m", "--pids-limit", 30, "--cpu-quota", 20500, container, status=0)
    properties = systemd.units["box-nine.scope"]
    assert (properties["MemoryLimit"], properties["TasksMax"], properties["CPUQuotaPerSecUSec"]) == (
        96 << 20, 30, 210000,
    )  # fmt: skip
    place = f"{slice_}/box-nine.scope"
    read = [Path(f"/sys/fs/cgroup/{name}").read_text() for name in (
        f"memory/{place}/memory.limit_in_bytes", f"pids/{place}/pids.max", f"cpu/{place}/cpu.cfs_quota_us",
    )]  # fmt: skip
    assert read == [f"{96 << 20}\n", "30\n", "20500\n"]


def test_devices_of_an_update(ocipy, systemd, slice_, scoped, tmp_path):
    container = scoped("ten")
    rule = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
    (tmp_path / "update.json").write_text(json.dumps({"devices": [rule]}))
    before = systemd.units["box-ten.scope"]["DeviceAllow"]
    ocipy("update", "-r", tmp_path / "update.json", container, status=0)
    now = systemd.units["box-ten.scope"]
    assert now["DevicePolicy"] == "strict"
    assert sorted(now["DeviceAllow"]) == sorted([*before, ("/dev/char/10:229", "rw")])
    assert "c 10:229 rw\n" in Path(f"/sys/fs/cgroup/devices/{slice_}/box-ten.scope/devices.list").read_text()
    assert ocipy.status(container) == "created"


def test_an_update_that_systemd_refuses(ocipy, systemd, slice_, scoped):
    container = scoped("eleven", pids={"limit": 20})
    systemd.errors["SetUnitProperties"] = ["org.freedesktop.systemd1.PropertyReadOnly"]
    line = ocipy.fails("update", "--pids-limit", 30, container)
    assert line.startswith("linux.cgroupsPath (box-eleven.scope): SetUnitProperties: it is PropertyReadOnly")
    assert Path(f"/sys/fs/cgroup/pids/{slice_}/box-eleven.scope/pids.max").read_text() == "20\n"
    assert systemd.units["box-eleven.scope"]["TasksMax"] == 20


def test_pause_within_a_scope(ocipy, scoped):
    container = scoped("twelve")
    ocipy("pause", container, status=0)
    assert ocipy.status(container) == "paused"
    ocipy("resume", container, status=0)
    assert ocipy.status(container) == "created"
