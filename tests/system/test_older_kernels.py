"""Where newer system calls are missing (an older kernel, or a filter around the runtime), the container is the same."""

import sys

import pytest

from tests.system.looking import SHOW_MOUNTS, add_mounts, bind, mount_table, no_ambient, together
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

WITHOUT = """
import errno, os, sys
import pyseccomp
filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in sys.argv[1].split(","):
    filter.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)
filter.load()
os.execv(sys.argv[2], sys.argv[2:])
"""


def run_without(ocipy, path, calls, status=0):
    command = (sys.executable, "-c", WITHOUT, calls, RUNTIME, "--root", str(ocipy.root), "run", "--bundle", str(path))
    return ocipy.execute(*command, ocipy.new_id(), status=status)


def looks(text):
    table = mount_table("\n".join(line for line in text.splitlines() if " - " in line))
    return {point: (mount.kind, mount.options, mount.root) for point, mount in table.items()}


@pytest.mark.parametrize(
    "calls",
    [
        "openat2", "mount_setattr", "close_range", "faccessat2", "clone3",
        "openat2,mount_setattr,close_range,faccessat2,clone3",
    ],
)  # fmt: skip
def test_the_container_is_the_same(ocipy, bundle, tmp_path, calls):
    change = together(no_ambient, add_mounts(bind(tmp_path, "/tmp", "ro", "nosuid")))
    path = bundle(
        "sh",
        "-c",
        f"{SHOW_MOUNTS}; cat /proc/1/cgroup; touch /x 2>/dev/null || echo refused; ls /proc/self/fd | wc -l",
        change=change,
    )
    said, usual = run_without(ocipy, path, calls).stdout, ocipy.run(path, status=0).stdout
    assert looks(said) == looks(usual)
    assert said.splitlines()[-3:] == usual.splitlines()[-3:] == [f"0::/{bundle.cgroup}/{path.name}", "refused", "4"]


def test_links_stay_inside_without_openat2(ocipy, bundle, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    change = together(
        no_ambient, add_mounts(bind("/etc", "/absolute/x"), bind("/etc", "/climbing/y"), bind("/etc", "/z/z"))
    )
    path = bundle("sh", "-c", SHOW_MOUNTS, own_rootfs=True, change=change)
    root = path / "rootfs"
    (root / "absolute").symlink_to(outside)
    (root / "climbing").symlink_to("../" * 30 + str(outside)[1:])
    (root / "z").symlink_to("absolute/../up/./")
    table = looks(run_without(ocipy, path, "openat2").stdout)
    assert {f"{outside}/x", f"{outside}/y", f"{tmp_path}/up/z"} <= set(table)
    assert list(outside.iterdir()) == []


def test_a_remount_keeps_what_it_does_not_speak_of(ocipy, bundle, tmp_path):
    mount = {"destination": "/tmp", "source": str(tmp_path), "options": ["bind", "nosymfollow", "noatime"]}
    again = {"destination": "/tmp", "options": ["remount", "bind", "ro"]}
    path = bundle("sh", "-c", SHOW_MOUNTS, change=together(no_ambient, add_mounts(mount, again)))
    said, usual = run_without(ocipy, path, "mount_setattr").stdout, ocipy.run(path, status=0).stdout
    assert looks(said)["/tmp"] == looks(usual)["/tmp"]
    assert looks(said)["/tmp"][1] == {"ro", "nosymfollow", "noatime"}


def test_recursive_attributes_take_a_newer_kernel(ocipy, bundle, tmp_path):
    mount = {"destination": "/tmp", "source": str(tmp_path), "options": ["rbind", "rro"]}
    said = run_without(ocipy, bundle(change=add_mounts(mount)), "mount_setattr", status=1).stderr
    assert said.endswith("(recursive attributes need Linux 5.12)\n")
