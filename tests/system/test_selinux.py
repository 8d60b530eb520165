"""SELinux with a policy: labels of processes, keyrings and mounts."""

import os
from pathlib import Path

import pytest

from tests.system.looking import add_mounts, inside, set_linux, set_process, together
from tests.system.runtime import wait_ended

pytestmark = [pytest.mark.root, pytest.mark.lsm("selinux")]

# Types that the reference policy has for virtual machines; one for containers not every policy brings.
PROCESS = "system_u:system_r:svirt_t:s0:c1,c2"
MOUNT = "system_u:object_r:svirt_image_t:s0:c1,c2"
UNKNOWN = "system_u:system_r:no_such_t:s0"


def label(pid):
    return Path(f"/proc/{pid}/attr/current").read_text().rstrip("\0\n")


def test_the_program_has_the_label(ocipy, bundle):
    for changes in ((), (set_process(noNewPrivileges=False),)):
        path = bundle("sleep", "1000", change=together(set_process(selinuxLabel=PROCESS), *changes))
        assert label(ocipy.pid(ocipy.start(path))) == PROCESS


def test_exec(ocipy, bundle, tmp_path):
    """The container's label, or the one that is given."""
    for change, options in ((set_process(selinuxLabel=PROCESS), ()), (None, ("--process-label", PROCESS))):
        container = ocipy.start(bundle("sleep", "1000", change=change))
        file = tmp_path / container
        ocipy("exec", *options, "-d", "--pid-file", file, container, "sleep", "1000", status=0)
        pid = int(file.read_text())
        assert label(pid) == PROCESS
        os.kill(pid, 9)
        wait_ended(pid)


def test_what_the_runtime_runs_besides_has_not(ocipy, bundle):
    """The created process waits under the runtime's label: the container's is for the program."""
    container = ocipy.create(bundle("sleep", "1000", change=set_process(selinuxLabel=PROCESS)))
    assert label(ocipy.pid(container)) == label("self")
    ocipy("start", container, status=0)
    assert label(ocipy.pid(container)) == PROCESS


def test_an_unknown_label_is_an_error(ocipy, bundle):
    line = ocipy.refused(bundle(change=set_process(selinuxLabel=UNKNOWN)))
    assert line.startswith("process.selinuxLabel: ")
    assert "EINVAL" in line


def test_filesystems_have_the_mount_label(ocipy, bundle):
    mount = {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}
    path = bundle("sleep", "1000", change=together(set_linux(mountLabel=MOUNT), add_mounts(mount)))
    root = f"/proc/{ocipy.pid(ocipy.start(path))}/root"
    found = {name: os.getxattr(root + name, "security.selinux").rstrip(b"\0").decode() for name in ("/mnt", "/dev")}
    assert found == {"/mnt": MOUNT, "/dev": MOUNT}


def test_the_mount_table_shows_it(ocipy, bundle):
    said = inside(ocipy, bundle, "grep ' /dev ' /proc/self/mounts", change=set_linux(mountLabel=MOUNT))
    assert f'context="{MOUNT}"' in said or f"context={MOUNT}" in said


def test_an_unknown_mount_label_is_an_error(ocipy, bundle):
    line = ocipy.refused(bundle(change=set_linux(mountLabel=UNKNOWN)))
    assert line.startswith("mounts[1] (/dev): mount tmpfs: ")
    assert "EINVAL" in line
