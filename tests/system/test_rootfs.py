"""The root: read-only or not; paths that are hidden or can't be written, whatever the root filesystem holds."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import inside, mount_table, set_capabilities, set_linux, together

pytestmark = pytest.mark.root


def test_a_read_only_root(ocipy, bundle):
    script = "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo writable; mount | grep ' / '"
    refused, writable, line = inside(ocipy, bundle, script).splitlines()
    assert (refused, writable) == ("refused", "writable")
    assert "(ro," in line


def test_a_writable_root(ocipy, bundle):
    path = bundle("sh", "-c", "echo inside > /made; stat -c %a:%u /made", own_rootfs=True)
    assert ocipy.run(path, status=0).stdout == "644:0\n"
    assert (path / "rootfs/made").read_text() == "inside\n"


def test_a_relative_and_a_linked_root(ocipy, bundle, busybox_rootfs):
    path = bundle("sh", "-c", "echo hello", change=lambda config: config["root"].update(path="link"))
    (path / "link").symlink_to(busybox_rootfs)
    assert ocipy.run(path, status=0).stdout == "hello\n"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "ENOENT: no such file or directory (root.path names the root filesystem"),
        (lambda root: root.write_text(""), "ENOTDIR: not a directory"),
    ],
)
def test_a_root_that_is_none(ocipy, bundle, make, words):
    path = bundle(change=lambda config: config["root"].update(path="other"))
    make(path / "other")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith(f"root.path ({path}/other): open")
    assert words in line


def test_the_default_masks(ocipy, bundle):
    """Files read as empty, directories are empty and read-only; what isn't there is no fault."""
    script = """
        exec 2> /dev/null
        for path in /proc/kcore /proc/keys /proc/timer_list; do
            [ -e $path ] && { wc -c < $path; stat -c %t:%T $path; }
        done
        for path in /proc/acpi /sys/firmware; do [ -e $path ] && { ls -A $path; touch $path/x || echo refused; }; done
        for path in /proc/sys/kernel/domainname /proc/sysrq-trigger; do echo h > $path || echo kept; done
        cat /proc/self/mountinfo
    """
    said = inside(ocipy, bundle, script).splitlines()
    assert {line for line in said if " - " not in line} == {"0", "1:3", "refused", "kept"}
    table = mount_table("\n".join(line for line in said if " - " in line))
    for path in ("/proc/sys", "/proc/bus", "/proc/irq", "/proc/fs"):
        if os.path.exists(path):
            assert "ro" in table[path].options
            assert table[path].kind == "proc"


def test_masks_of_the_root_filesystem_s_own_files(ocipy, bundle):
    masked = ["/secret", "/secrets", "/linked", "/missing", "/secret/below"]

    def change(config):
        config["linux"].update(maskedPaths=masked, readonlyPaths=["/kept", "/nothing"])

    script = (
        "cat /secret /linked; ls -A /secrets; cat /kept/file; touch /kept/file 2>/dev/null || echo refused; "
        "touch /free && echo free; cat /target"
    )
    path = bundle("sh", "-c", script, own_rootfs=True, change=change)
    root = path / "rootfs"
    (root / "secret").write_text("hidden\n")
    (root / "target").write_text("hidden too\n")
    (root / "linked").symlink_to("target")
    for name, file in (("secrets", "key"), ("kept", "file")):
        (root / name).mkdir()
        (root / name / file).write_text(f"{name}\n")
    assert ocipy.run(path, status=0).stdout.split() == ["kept", "refused", "free"]
    assert (root / "secret").read_text() == "hidden\n"


@pytest.mark.parametrize("plant", ["link", "file", "device"])
def test_a_planted_null_device_defeats_no_mask(ocipy, bundle, tmp_path, plant):
    """The mask is the host's own null device (CVE-2025-31133): nothing of the image is ever bound in its place."""

    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
        config["linux"]["maskedPaths"] = ["/proc/timer_list", "/proc/keys"]

    script = "wc -c < /proc/keys; stat -c %t:%T /proc/keys /dev/null; echo x > /proc/keys"
    path = bundle("sh", "-c", script, own_rootfs=True, change=change)
    device = path / "rootfs/dev/null"
    device.parent.mkdir(exist_ok=True)
    outside = tmp_path / "outside"
    outside.write_text("kept\n")
    if plant == "link":
        device.symlink_to(outside)
    elif plant == "file":
        device.write_text("planted\n")
    else:
        os.mknod(device, 0o020666, os.makedev(1, 11))
    done = ocipy("run", "--bundle", path, ocipy.new_id())
    assert outside.read_text() == "kept\n"
    assert done.returncode == 1
    assert done.stderr == (
        "ocipy: linux.devices (/dev/null): mknod /dev/null: EEXIST: file exists "
        "(the root filesystem has something else there; mount a tmpfs on /dev, as the default config does)\n"
    )

    def other_mask(config):
        # The device of the config itself is the planted one, which is its own affair; the mask isn't.
        change(config)
        config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 11}]

    if plant == "device":
        path = bundle("sh", "-c", script, own_rootfs=True, change=other_mask)
        (path / "rootfs/dev").mkdir(exist_ok=True)
        assert ocipy.run(path, status=0).stdout.split() == ["0", "1:3", "1:b"]


def test_masks_through_links_stay_inside(ocipy, bundle, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("kept\n")
    change = set_linux(maskedPaths=["/link", "/up/outside"], readonlyPaths=["/link"])
    path = bundle("true", own_rootfs=True, change=change)
    (path / "rootfs/link").symlink_to(outside)
    (path / "rootfs/up").symlink_to("../..")
    before = Path("/proc/self/mountinfo").read_text()
    ocipy.run(path, status=0)
    assert outside.read_text() == "kept\n"
    assert Path("/proc/self/mountinfo").read_text() == before


def test_masks_can_not_be_taken_off(ocipy, bundle):
    change = together(
        set_linux(maskedPaths=["/secret"]),
        set_capabilities("CAP_SYS_ADMIN"),
    )
    path = bundle(
        "sh", "-c", "cat /secret; umount /proc/kcore 2>/dev/null; cat /secret", own_rootfs=True, change=change
    )
    (path / "rootfs/secret").write_text("hidden\n")
    assert ocipy.run(path, status=0).stdout == ""


def test_the_runtime_leaves_the_host_s_mounts_alone(ocipy, bundle):
    before = Path("/proc/self/mountinfo").read_text()
    container = ocipy.start(bundle("sleep", "1000"))
    assert Path("/proc/self/mountinfo").read_text() == before
    ocipy("delete", "--force", container, status=0)
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_root_on_a_mount_of_its_own(ocipy, bundle, tmp_path, busybox_rootfs):
    """Mounts below the root filesystem come along."""
    root = tmp_path / "own"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
    try:
        subprocess.run(["cp", "-a", f"{busybox_rootfs}/.", root], check=True)
        (root / "data").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "below", root / "data"], check=True)
        path = bundle("cat", "/proc/self/mountinfo", change=lambda config: config["root"].update(path=str(root)))
        table = mount_table(ocipy.run(path, status=0).stdout)
        assert (table["/"].kind, table["/data"].source) == ("tmpfs", "below")
    finally:
        subprocess.run(["umount", "-R", root], check=True)
