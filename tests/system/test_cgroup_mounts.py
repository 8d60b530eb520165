"""Cgroup mounts where version 2 is alone: with and without namespaces of cgroups and users, read-only or not."""

from pathlib import Path

import pytest

from tests.system.looking import in_user_namespace, mount_table, no_ambient, set_namespaces, together
from tests.system.rootless import UNIFIED
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root


def host_has_v2():
    return any(" - cgroup2 " in line for line in Path("/proc/self/mountinfo").read_text().splitlines())


def run_alone(ocipy, path):
    """Where the unified hierarchy is all there is on /sys/fs/cgroup."""
    command = (*UNIFIED, RUNTIME, "--root", str(ocipy.root), "run", "--bundle", str(path), ocipy.new_id())
    return ocipy.execute(*command, status=0).stdout


SCRIPT = """
    cat /proc/self/cgroup | grep ^0:
    ls /sys/fs/cgroup | grep -c ^cgroup.procs
    mkdir /sys/fs/cgroup/inside 2>/dev/null && rmdir /sys/fs/cgroup/inside && echo writable
    cat /proc/self/mountinfo
"""


def without_limits(config):
    config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}


@pytest.mark.skipif(not host_has_v2(), reason="needs the unified hierarchy mounted somewhere")
@pytest.mark.parametrize("namespace", [False, True])
@pytest.mark.parametrize("user_namespace", [False, True])
@pytest.mark.parametrize("read_only", [False, True])
def test_the_mount(ocipy, bundle, namespace, user_namespace, read_only):
    def change(config):
        (mount,) = (each for each in config["mounts"] if each["type"] == "cgroup")
        mount["options"] = ["nosuid", "noexec", "nodev"] + ["ro"] * read_only

    every = together(
        no_ambient,
        without_limits,
        change,
        in_user_namespace if user_namespace else None,
        set_namespaces(cgroup="") if namespace else None,
    )
    said = run_alone(ocipy, bundle("sh", "-c", SCRIPT, change=every)).splitlines()
    own = said[0].removeprefix("0::")
    assert (own == "/") == namespace
    table = mount_table("\n".join(line for line in said if " - " in line))
    mount = table["/sys/fs/cgroup"]
    assert mount.kind == "cgroup2"
    assert {"nosuid", "noexec", "nodev"} <= mount.options
    assert ("ro" in mount.options) == read_only
    if not (namespace and user_namespace):  # then it is a matter of who owns the container's cgroup
        # The host's root belongs to root, with no right to write: that would take CAP_DAC_OVERRIDE.
        assert ("writable" in said) == (namespace and not read_only)
    assert mount.root == "/"
    assert len([name for name in table if name.startswith("/sys/fs/cgroup/")]) == 0


@pytest.mark.cgroup_v1("pids")
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("namespace", [False, True])
def test_the_tree_of_v1_in_a_user_namespace(ocipy, bundle, test_name, namespace, read_only):
    """Its own cgroups, as the root of each hierarchy, and the links for controllers that share one."""

    def change(config):
        (mount,) = (each for each in config["mounts"] if each["type"] == "cgroup")
        mount["options"] = ["nosuid", "noexec", "nodev"] + ["ro"] * read_only

    script = "touch /sys/fs/cgroup/x && echo made; ls -l /sys/fs/cgroup; cat /proc/self/mountinfo"
    every = together(change, in_user_namespace, set_namespaces(cgroup="") if namespace else None)
    path = bundle("sh", "-c", f"exec 2>/dev/null; {script}", change=together(no_ambient, every))
    said = ocipy.run(path, status=0).stdout
    assert said.startswith("made\n") == (not read_only)
    table = mount_table("\n".join(line for line in said.splitlines() if " - " in line))
    assert table["/sys/fs/cgroup"].kind == "tmpfs"
    for name, mount in table.items():
        if name.startswith("/sys/fs/cgroup"):
            assert {"nosuid", "noexec", "nodev"} <= mount.options
            assert ("ro" in mount.options) == read_only
            assert mount.root == ("/" if namespace or name == "/sys/fs/cgroup" else f"/{test_name}/bundle-1")
    links = {line.split()[-3]: line.split()[-1] for line in said.splitlines() if " -> " in line}
    assert all(f"/sys/fs/cgroup/{target}" in table and name in target.split(",") for name, target in links.items())
