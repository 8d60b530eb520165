"""A hostile root filesystem: links that lead out of it, where mounts are to go."""

import os

import pytest

from tests.system.looking import (
    SHOW_MOUNTS,
    add_mounts,
    bind,
    mount_table,
)

pytestmark = pytest.mark.root


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that no container may touch, and the check that none did."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "kept").write_text("kept\n")
    yield directory
    assert os.listdir(directory) == ["kept"]
    assert (directory / "kept").read_text() == "kept\n"


def test_links_on_the_way_stay_inside(ocipy, bundle, tmp_path, outside):
    path = bundle("sh", "-c", f"find / -xdev -name 'in-*' | sort; {SHOW_MOUNTS}", own_rootfs=True, change=add_mounts(
        bind(outside, "/absolute/in-1", "ro"),
        bind(outside, "/climbing/in-2", "ro"),
        bind(outside, "/chain/in-3", "ro"),
        bind(outside, "/../../../../in-4", "ro"),
        bind(outside / "kept", "/absolute/in-file", "ro"),
        {"destination": "/tofs/in-5", "type": "tmpfs", "source": "tmpfs"},
        bind(outside, "/dangling", "ro"),
        bind(outside / "kept", "/dangling-file", "ro"),
    ))  # fmt: skip
    root = path / "rootfs"
    (root / "absolute").symlink_to(outside)  # inside the root that path isn't there: it's made
    (root / "climbing").symlink_to("../" * 20 + str(outside)[1:])
    (root / "chain").symlink_to("absolute/../chained")
    (root / "tofs").symlink_to("/etc")
    (root / "dangling").symlink_to("/run/not/there")
    (root / "dangling-file").symlink_to("../run/resolve/stub.conf")
    said = ocipy.run(path, status=0).stdout
    table = mount_table("\n".join(line for line in said.splitlines() if " - " in line))
    inner = str(outside)
    for point in (f"{inner}/in-1", f"{inner}/in-2", f"{tmp_path}/chained/in-3", "/in-4", f"{inner}/in-file",
                  "/etc/in-5", "/run/not/there", "/run/resolve/stub.conf"):  # fmt: skip
        assert point in table, point
    assert (root / inner[1:]).is_dir()
    assert not os.path.lexists("/etc/in-5")
    assert not os.path.lexists(f"{tmp_path}/chained")


@pytest.mark.parametrize("target", ["/etc", "../../../../etc", "/proc-elsewhere", "missing"])
def test_proc_and_sys_are_never_mounted_through_a_link(ocipy, bundle, target):
    for name, index in (("proc", 0), ("sys", 5)):
        path = bundle(own_rootfs=True)
        directory = path / "rootfs" / name
        if directory.exists():
            directory.rmdir()
        directory.symlink_to(target)
        line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
        assert line == (
            f"mounts[{index}] (/{name}): open the mount point /{name}: ELOOP: too many levels of symbolic links "
            "(a symbolic link in the root filesystem stands where this must be mounted)"
        )


def test_dev_as_a_link(ocipy, bundle, outside):
    """/dev, /dev/pts and /dev/shm through links: contained, and working."""
    path = bundle("sh", "-c", f"echo x > /dev/null; {SHOW_MOUNTS}", own_rootfs=True)
    root = path / "rootfs"
    for name in ("dev", "elsewhere"):
        if (root / name).exists():
            (root / name).rmdir()
    (root / "dev").symlink_to(outside)
    table = mount_table(ocipy.run(path, status=0).stdout)
    assert table[str(outside)].kind == "tmpfs"
    assert table[f"{outside}/pts"].kind == "devpts"

    def without_dev(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/dev"]

    path = bundle("sh", "-c", SHOW_MOUNTS, own_rootfs=True, change=without_dev)
    (path / "rootfs/dev").mkdir(exist_ok=True)
    (path / "rootfs/dev/pts").symlink_to("../" * 20 + str(outside)[1:])
    table = mount_table(ocipy.run(path, status=0).stdout)
    assert table[str(outside)].kind == "devpts"
    assert (path / "rootfs" / str(outside)[1:]).is_dir()


def test_a_link_that_loops(ocipy, bundle):
    path = bundle(own_rootfs=True, change=add_mounts(bind("/etc", "/loop/x")))
    (path / "rootfs/loop").symlink_to("loop")
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("mounts[7] (/loop/x): open the mount point /loop/x: ELOOP")


def test_a_magic_link_of_proc_is_no_way_out(ocipy, bundle, outside):
    path = bundle(own_rootfs=True, change=add_mounts(bind(outside, "/proc/self/cwd/x")))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith("mounts[7] (/proc/self/cwd/x): open the mount point /proc/self/cwd/x: E")
