"""Root filesystems made of layers and images: overlay as the root and as a mount, squashfs on a loop device."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import add_mounts, bind, in_user_namespace, inside, mount_table, mounts_inside, together

pytestmark = pytest.mark.root


@pytest.fixture
def layers(tmp_path):
    """Directories for an overlay; two lower ones, the first over the second."""
    found = {name: tmp_path / "layers" / name for name in ("one", "two", "upper", "work")}
    for directory in found.values():
        directory.mkdir(parents=True)
    for name in ("one", "two"):
        (found[name] / name).write_text(f"{name}\n")
        (found[name] / "both").write_text(f"{name}\n")
    return found


def overlay(layers, destination="/tmp/x", *options, lower=None):
    lower = lower or [layers["one"], layers["two"]]
    data = [f"lowerdir={':'.join(map(str, lower))}", f"upperdir={layers['upper']}", f"workdir={layers['work']}"]
    return {"destination": destination, "type": "overlay", "source": "layers", "options": [*data, *options]}


LOOK = "cd /tmp/x; cat one two both; echo new > new; rm two; ls | tr '\\n' ' '"


def test_an_overlay_as_a_mount(ocipy, bundle, layers):
    said = inside(ocipy, bundle, LOOK, change=add_mounts(overlay(layers)), own_rootfs=True)
    assert said.split() == ["one", "two", "one", "both", "new", "one"]
    assert (layers["upper"] / "new").read_text() == "new\n"
    assert (layers["two"] / "two").exists()
    assert not (layers["one"] / "new").exists()


@pytest.mark.parametrize(("options", "super_ro"), [(["ro"], True), (["nosuid", "noatime"], False)])
def test_options_of_an_overlay(ocipy, bundle, layers, options, super_ro):
    table = mounts_inside(ocipy, bundle, overlay(layers, "/tmp/x", *options), own_rootfs=True)
    assert set(options) <= table["/tmp/x"].options
    assert ("ro" in table["/tmp/x"].super_options) == super_ro
    assert table["/tmp/x"].source == "layers"


@pytest.mark.kernel("6.7")
def test_more_layers_than_a_page_holds(ocipy, bundle, layers, tmp_path):
    """fsconfig(2) takes them one by one; colons in a name are escaped."""
    lower = [tmp_path / f"{'l' * 150}{number}" for number in range(40)] + [tmp_path / "with:colon"]
    for number, directory in enumerate(lower):
        directory.mkdir()
        (directory / "number").write_text(f"{number}\n")
        (directory / f"of-{number}").touch()
    names = [str(path).replace(":", r"\:") for path in lower]
    assert len(":".join(names)) > 4096
    mount = overlay(layers, lower=names)
    said = inside(ocipy, bundle, "cat /tmp/x/number; ls /tmp/x | wc -l", change=add_mounts(mount), own_rootfs=True)
    assert said.split() == ["0", "42"]


@pytest.mark.parametrize("at_root", [False, True])
def test_parameters_longer_than_fsconfig_takes(ocipy, bundle, layers, tmp_path, busybox_rootfs, at_root):
    """mount(2) takes them then, up to a page in all."""
    deep = tmp_path / ("u" * 120) / ("v" * 120) / "w"
    for name in ("upper", "work"):
        layers[name] = deep / name
        layers[name].mkdir(parents=True)
    assert len(str(layers["upper"])) > 255
    mount = overlay(layers, "/" if at_root else "/tmp/x", "nosuid", "rprivate", lower=[busybox_rootfs])

    def change(config):
        config["mounts"].insert(0 if at_root else len(config["mounts"]), mount)
        config["root"]["readonly"] = False

    script = f"echo made > {'/' if at_root else '/tmp/x/'}made; cat /proc/self/mountinfo"
    table = mount_table(inside(ocipy, bundle, script, change=change, own_rootfs=True))
    found = table["/" if at_root else "/tmp/x"]
    assert (found.kind, "nosuid" in found.options, found.tags) == ("overlay", True, set())
    assert (layers["upper"] / "made").read_text() == "made\n"


def test_parameters_longer_than_mount_takes(ocipy, bundle, layers, tmp_path):
    layers["upper"] = tmp_path / ("u" * 120) / ("v" * 120)
    mount = overlay(layers, lower=[f"/{'l' * 250}/{number}" for number in range(20)])
    line = ocipy.fails("run", "--bundle", bundle(change=add_mounts(mount)), ocipy.new_id())
    assert line.startswith("mounts[7] (/tmp/x): mount(2) takes options of 4095 bytes in all; overlay: E2BIG")


def test_an_overlay_as_the_root(ocipy, bundle, layers, busybox_rootfs, tmp_path):
    """Mounted by who makes the bundle: what is written goes to the upper layer, the base stays."""
    root = tmp_path / "merged"
    root.mkdir()
    options = f"lowerdir={layers['one']}:{busybox_rootfs},upperdir={layers['upper']},workdir={layers['work']}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "none", root], check=True)
    before = sorted(os.listdir(busybox_rootfs))

    def change(config):
        config["root"] = {"path": str(root), "readonly": False}
        config["mounts"].append(bind("/etc/hostname", "/deep/er/file"))

    try:
        said = inside(ocipy, bundle, "cat /one; echo new > /new; mount | head -1", change=change).splitlines()
        assert said[0] == "one"
        assert said[1].startswith("none on / type overlay (rw")
        read_only = together(change, lambda config: config["root"].update(readonly=True))
        assert inside(ocipy, bundle, "touch /x 2>/dev/null || cat /new", change=read_only) == "new\n"
    finally:
        subprocess.run(["umount", root], check=True)
    assert sorted(os.listdir(busybox_rootfs)) == before
    assert (layers["upper"] / "deep/er/file").exists()


@pytest.fixture
def squashfs(busybox_rootfs, tmp_path):
    """A loop device with the root filesystem packed."""
    image = tmp_path / "image"
    subprocess.run(
        ["mksquashfs", busybox_rootfs, image, "-quiet", "-no-progress"], check=True, stdout=subprocess.DEVNULL
    )
    show = ["losetup", "--find", "--show", "--read-only", image]
    device = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    yield Path(device)
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def squashed_root(squashfs, tmp_path):
    root = tmp_path / "squashed"
    root.mkdir()
    subprocess.run(["mount", "-t", "squashfs", "-o", "ro", squashfs, root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


@pytest.mark.loop
@pytest.mark.tool("mksquashfs")
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("user_namespace", [False, True])
def test_a_squashfs_as_the_root(ocipy, bundle, squashed_root, read_only, user_namespace):
    change = together(
        in_user_namespace if user_namespace else None,
        lambda config: config.update(root={"path": str(squashed_root), "readonly": read_only}),
    )
    said = inside(ocipy, bundle, "mount | head -1; touch /x 2>/dev/null || echo refused", change=change).splitlines()
    assert " on / type squashfs (ro" in said[0]
    assert said[1:] == ["refused"]


@pytest.mark.loop
@pytest.mark.tool("mksquashfs")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            add_mounts({"destination": "/no/such", "type": "tmpfs"}),
            "mounts[7] (/no/such): open the mount point /no/such: ",
        ),
        (add_mounts(bind("/etc", "/none")), "mounts[7] (/none): open the mount point /none: "),
        (lambda config: config["process"].update(cwd="/none"), "process.cwd (/none): mkdir /none: "),
        (lambda config: config.update(mounts=config["mounts"][:1]), "linux.devices (/dev/null): mknod /dev/null: "),
    ],
)
def test_what_a_read_only_root_filesystem_lacks(ocipy, bundle, squashed_root, change, message):
    path = bundle(change=together(lambda config: config["root"].update(path=str(squashed_root)), change))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith(f"{message}EROFS: read-only file system (the ")
    assert "root filesystem is read-only" in line


@pytest.mark.loop
@pytest.mark.tool("mksquashfs")
def test_a_squashfs_as_a_mount(ocipy, bundle, squashfs):
    """The device rules, which say nothing of the device, are the program's and come after the mounts (as with runc)."""
    mount = {"destination": "/tmp/x", "type": "squashfs", "source": str(squashfs), "options": ["ro", "nodev"]}
    said = inside(
        ocipy, bundle, "ls /tmp/x/bin/busybox; grep /tmp/x /proc/mounts", change=add_mounts(mount), own_rootfs=True
    )
    assert said.startswith(f"/tmp/x/bin/busybox\n{squashfs} /tmp/x squashfs ro,nodev,relatime")
