"""The systemd driver with systemd; test_systemd_fake.py has what needs none."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import add_mounts, bind, set_linux, together
from tests.system.rootless import User
from tests.system.runtime import until

pytestmark = [pytest.mark.root, pytest.mark.systemd, pytest.mark.cgroup_v2("memory", "pids", "cpu")]


def show(unit, *names):
    command = ["systemctl", "show", unit, *(f"-p{name}" for name in names)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in said.splitlines())


@pytest.fixture
def scoped(ocipy, bundle, test_name):
    """``scoped(program…, **resources)``: (a created container, its unit, its cgroup)."""

    def make(*program, change=None, **resources):
        name = test_name.replace("-", "_")
        place = set_linux(cgroupsPath=f"system.slice:box:{name}", resources=resources)
        container = ocipy.new_id()
        ocipy("--systemd-cgroup", "create", "--bundle", bundle(*program, change=together(place, change)), container,
              status=0)  # fmt: skip
        ocipy.expect(container)
        return container, f"box-{name}.scope", Path(f"/sys/fs/cgroup/system.slice/box-{name}.scope")

    return make


def test_the_scope_has_the_properties_and_goes_with_the_container(ocipy, scoped):
    limits = {"memory": {"limit": 64 << 20}, "pids": {"limit": 40}, "cpu": {"shares": 512, "quota": 50500}}
    container, unit, directory = scoped("sleep", "1000", **limits)
    properties = {
        "MemoryMax": str(64 << 20), "TasksMax": "40", "CPUWeight": "59", "CPUQuotaPerSecUSec": "510ms",
        "Slice": "system.slice", "Delegate": "yes", "ActiveState": "active",
    }  # fmt: skip
    assert show(unit, *properties) == properties
    assert Path(f"/proc/{ocipy.pid(container)}/cgroup").read_text() == f"0::/system.slice/{unit}\n"
    read = {
        file: (directory / file).read_text().strip() for file in ("memory.max", "pids.max", "cpu.weight", "cpu.max")
    }
    assert read == {
        "memory.max": str(64 << 20), "pids.max": "40", "cpu.weight": "59", "cpu.max": "50500 100000",
    }  # fmt: skip
    ocipy("delete", "--force", container, status=0)
    assert not directory.exists()
    assert show(unit, "LoadState") == {"LoadState": "not-found"}


def test_exec_is_in_the_scope(ocipy, scoped):
    container, unit, _ = scoped("sleep", "1000", pids={"limit": 5})
    ocipy("start", container, status=0)
    for _ in range(2):
        shown = ocipy("exec", container, "sh", "-c", "cat /proc/self/cgroup; : </dev/pts/ptmx", status=0).stdout
        assert shown == f"0::/system.slice/{unit}\n"
        subprocess.run(["systemctl", "daemon-reload"], check=True)


def test_a_reload_takes_no_device_away(ocipy, scoped, tmp_path):
    script = (
        "until [ -e /shared/go ]; do sleep 0.05; done; "
        "cat /dev/null && : < /dev/pts/ptmx && echo open > /shared/said || echo shut > /shared/said"
    )
    shared = tmp_path / "shared"
    shared.mkdir()
    rules = [{"allow": False, "access": "rwm"}]
    change = add_mounts(bind(shared, "/shared"))
    container, _, _ = scoped("sh", "-c", script, change=change, devices=rules)
    ocipy("start", container, status=0)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    (shared / "go").touch()
    until(lambda: (shared / "said").exists() and (shared / "said").read_text())
    assert (shared / "said").read_text() == "open\n"


def test_a_name_that_is_in_use(ocipy, scoped):
    container, unit, _ = scoped("sleep", "1000")
    with pytest.raises(AssertionError, match="in use"):
        scoped("sleep", "1000")
    assert show(unit, "ActiveState") == {"ActiveState": "active"}
    assert ocipy.status(container) == "created"


def test_an_update_survives_a_reload(ocipy, scoped):
    """systemd writes anew what it knows: it has to know of it."""
    limits = {"memory": {"limit": 64 << 20}, "pids": {"limit": 40}, "cpu": {"shares": 512}}
    container, unit, directory = scoped("sleep", "1000", **limits)
    ocipy(
        "update", "--memory", "96m", "--pids-limit", 50, "--cpu-share", 1024, "--cpu-quota", 20000, container, status=0
    )
    expected = {"memory.max": str(96 << 20), "pids.max": "50", "cpu.weight": "100", "cpu.max": "20000 100000"}
    assert {file: (directory / file).read_text().strip() for file in expected} == expected
    properties = {"MemoryMax": str(96 << 20), "TasksMax": "50", "CPUWeight": "100", "CPUQuotaPerSecUSec": "200ms"}
    assert show(unit, *properties) == properties
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert {file: (directory / file).read_text().strip() for file in expected} == expected


def test_an_update_that_is_refused_leaves_the_unit(ocipy, scoped):
    container, unit, directory = scoped("sleep", "1000", pids={"limit": 40})
    line = ocipy.fails("update", "--pids-limit", 50, "--cpuset-cpus", "999", container)
    assert line.startswith("write '999' to ")
    assert show(unit, "TasksMax") == {"TasksMax": "40"}
    assert (directory / "pids.max").read_text() == "40\n"


def test_devices_after_an_update_and_a_reload(ocipy, scoped, tmp_path):
    """Allowed by the update: a device needs systemd's program and ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    script = (
        "until [ -e /shared/go ]; do sleep 0.05; done; "
        "{ (: < /dev/other) 2>&1; (: < /dev/null) && echo null; } > /shared/new; mv /shared/new /shared/said"
    )
    node = {"path": "/dev/other", "type": "c", "major": 1, "minor": 99}
    change = together(add_mounts(bind(shared, "/shared")), set_linux_devices(node))
    container, _, _ = scoped("sh", "-c", script, change=change, devices=[{"allow": False, "access": "rwm"}])
    ocipy("start", container, status=0)
    (tmp_path / "update.json").write_text(
        '{"devices": [{"allow": true, "type": "c", "major": 1, "minor": 99, "access": "rw"}]}'
    )
    ocipy("update", "-r", tmp_path / "update.json", container, status=0)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    (shared / "go").touch()
    until((shared / "said").exists)
    said = (shared / "said").read_text()
    assert "No such device or address" in said  # let through to a driver that has no such device
    assert said.endswith("null\n")


def set_linux_devices(*nodes):
    return lambda config: config["linux"].update(devices=list(nodes))


def test_pause_within_a_scope(ocipy, scoped):
    container, unit, directory = scoped("sleep", "1000")
    ocipy("pause", container, status=0)
    assert "frozen 1" in (directory / "cgroup.events").read_text()
    assert ocipy.status(container) == "paused"
    ocipy("delete", "--force", container, status=0)
    assert show(unit, "LoadState") == {"LoadState": "not-found"}


MANAGED = 1000  # the ordinary user who has a manager in the virtual machine


@pytest.fixture
def managed_user(ocipy, tmp_path, busybox_rootfs):
    """A user with a systemd manager, and so a runtime directory and a bus, of their own."""
    runtime = Path(f"/run/user/{MANAGED}")
    if not (runtime / "systemd/private").exists():
        pytest.skip(f"needs systemd's manager of user {MANAGED}")
    user = User(ocipy, tmp_path / "home", busybox_rootfs, MANAGED)
    user.environment |= {"XDG_RUNTIME_DIR": str(runtime), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus"}
    return user


def test_a_scope_of_a_user_s_manager(managed_user, test_name):
    """Created, updated and deleted without any right of root's."""
    name = test_name.replace("-", "_")
    unit, user = f"box-{name}.scope", managed_user
    place = {"cgroupsPath": f"user.slice:box:{name}", "resources": {"pids": {"limit": 20}}}
    path = user.bundle("sleep", "1000", change=set_linux(**place))

    def run(*words):
        return user("--root", user.root, "--systemd-cgroup", *words, status=0).stdout

    def limit():
        return user.execute("systemctl", "--user", "show", unit, "-pTasksMax", status=0).stdout.strip()

    run("create", "--bundle", path, "c1")
    pid = json.loads(run("state", "c1"))["pid"]
    cgroup = Path("/sys/fs/cgroup" + Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::"))
    assert f"user@{MANAGED}.service" in cgroup.parts
    assert cgroup.name == unit
    assert ((cgroup / "pids.max").read_text().strip(), limit()) == ("20", "TasksMax=20")
    run("start", "c1")
    assert run("exec", "c1", "cat", "/proc/self/cgroup") == f"0::{str(cgroup).removeprefix('/sys/fs/cgroup')}\n"
    run("update", "--pids-limit", "30", "c1")
    assert ((cgroup / "pids.max").read_text().strip(), limit()) == ("30", "TasksMax=30")
    run("delete", "--force", "c1")
    until(lambda: not cgroup.exists(), "the end of the scope")
