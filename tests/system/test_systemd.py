"""The systemd driver with systemd; test_systemd_fake.py has what needs none."""

import subprocess
from pathlib import Path

import pytest

from tests.system.looking import add_mounts, bind, set_linux, together
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
