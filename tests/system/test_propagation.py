"""Propagation: of the root, and of bind mounts, between host and container."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    add_mounts,
    mount_table,
    mounts_inside,
    read_config,
    set_capabilities,
    set_linux,
    set_namespaces,
)
from tests.system.runtime import until

pytestmark = pytest.mark.root


@pytest.fixture
def host_shared(tmp_path):
    """A shared mount of the host, to see whether mounts travel; and to mount in."""
    top = tmp_path / "shared"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", top], check=True)
    subprocess.run(["mount", "--make-shared", top], check=True)
    (top / "point").mkdir()
    yield top
    subprocess.run(["umount", "-R", top], check=True)


def mounted(directory):
    return any(line.split()[4] == str(directory) for line in Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.parametrize(
    ("options", "tag", "into", "out_of"),
    [(["rslave"], "master", True, False), (["rprivate"], "", False, False), (["rshared"], "shared", True, True)],
)
def test_propagation_of_a_bind_mount(ocipy, bundle, host_shared, options, tag, into, out_of):
    """``into``: the host's later mounts come to be seen inside; ``out_of``: the container's on the host."""

    def change(config):
        config["linux"]["rootfsPropagation"] = "rshared" if out_of else "rslave"
        add_mounts({"destination": "/mnt", "source": str(host_shared), "options": ["rbind", *options]})(config)
        set_capabilities("CAP_SYS_ADMIN")(config)

    # It signals by a file in the mount, and waits for one of the host's.
    script = (
        "mkdir /mnt/inner; mount -t tmpfs none /mnt/inner; touch /mnt/ready; "
        "until [ -e /mnt/go ]; do usleep 1000; done; grep /mnt /proc/self/mountinfo > /mnt/seen; touch /mnt/done; "
        "exec sleep 1000"
    )
    container = ocipy.start(bundle("sh", "-c", script, change=change, own_rootfs=True))
    until((host_shared / "ready").exists)
    assert mounted(host_shared / "inner") == out_of
    subprocess.run(["mount", "-t", "tmpfs", "none", host_shared / "point"], check=True)
    (host_shared / "go").touch()
    until((host_shared / "done").exists)
    table = mount_table((host_shared / "seen").read_text())
    assert ("/mnt/point" in table) == into
    assert "".join(sorted(word.partition(":")[0] for word in table["/mnt"].tags)) == tag
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize(
    ("wanted", "tags"), [("", set()), ("private", set()), ("rprivate", set()), ("slave", set()), ("rslave", set()),
                         ("shared", {"shared"}), ("rshared", {"shared"}), ("unbindable", {"unbindable"}),
                         ("runbindable", {"unbindable"})],
)  # fmt: skip
def test_propagation_of_the_root(ocipy, bundle, wanted, tags):
    """Nothing of the container's shows on the host, not even with a shared root: its mount was made private."""
    before = Path("/proc/self/mountinfo").read_text()
    table = mounts_inside(ocipy, bundle, change=set_linux(rootfsPropagation=wanted))
    assert {tag.partition(":")[0] for tag in table["/"].tags} - {"master"} == tags
    assert Path("/proc/self/mountinfo").read_text() == before


def test_without_a_mount_namespace_nothing_is_left_mounted(ocipy, bundle):
    """The container's mounts would be the host's; so such a config may have none."""

    def change(config):
        set_namespaces(mount=None)(config)
        set_linux(maskedPaths=[], readonlyPaths=[])(config)
        config["root"]["readonly"] = False

    before = Path("/proc/self/mountinfo").read_text()
    path = bundle("true", change=change)
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert "mount namespace" in line
    assert Path("/proc/self/mountinfo").read_text() == before

    def bare(config):
        change(config)
        config["mounts"] = []

    path = bundle("sh", "-c", "ls /; echo hello", change=bare, own_rootfs=True)
    said = ocipy.run(path, status=0).stdout.split()
    assert said[-1] == "hello"
    assert sorted(said[:-1]) == sorted(os.listdir(path / "rootfs"))
    assert Path("/proc/self/mountinfo").read_text() == before
    assert read_config(path)["mounts"] == []
