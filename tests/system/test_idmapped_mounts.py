"""Id-mapped mounts: who owns what inside, on the host, and in the mounts below."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    add_mounts,
    in_user_namespace,
    inside,
    mount_table,
    set_capabilities,
    set_linux,
    set_namespaces,
    set_user,
    together,
)
from tests.system.runtime import until
from tests.system.test_older_kernels import run_without

pytestmark = [pytest.mark.root, pytest.mark.kernel("6.3")]  # tmpfs can be id-mapped since then


def ids(inside_, outside, size=1000):
    return [{"containerID": inside_, "hostID": outside, "size": size}]


def mapped(source, destination, *options, uid=None, gid=None):
    mount = {"destination": destination, "source": str(source), "options": list(options)}
    return mount | ({"uidMappings": uid, "gidMappings": gid or uid} if uid else {})


@pytest.fixture
def tree(tmp_path):
    """Files of users 0 and 7, on a tmpfs with another one mounted in it."""
    top = tmp_path / "tree"
    top.mkdir()
    for directory in (top, top / "sub"):
        directory.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", directory], check=True)
        for name, owner in (("root", 0), ("seven", 7), ("thousand", 1000)):
            (directory / name).touch()
            os.chown(directory / name, owner, owner)
    yield top
    subprocess.run(["umount", "-R", top], check=True)


NOBODY = "65534:65534"


def owners(ocipy, bundle, *mounts, change=None, path="/mnt", **keywords):
    names = [f"{path}/{name}" for name in ("root", "seven", "thousand", "sub/root", "sub/seven")]
    script = f"stat -c %u:%g {' '.join(names)}"
    return inside(
        ocipy, bundle, script, change=together(change, add_mounts(*mounts)), own_rootfs=True, **keywords
    ).split()


def test_with_maps_of_its_own_and_no_user_namespace(ocipy, bundle, tree):
    """Ids of the filesystem on the left, of the mount on the right; what isn't mapped is nobody's."""
    plain = mapped(tree, "/mnt", "rbind", "idmap", uid=ids(0, 5000), gid=ids(0, 6000))
    assert owners(ocipy, bundle, plain) == ["5000:6000", "5007:6007", NOBODY, "0:0", "7:7"]
    below = mapped(tree, "/mnt", "rbind", "ridmap", uid=ids(0, 5000), gid=ids(0, 6000))
    assert owners(ocipy, bundle, below) == ["5000:6000", "5007:6007", NOBODY, "5000:6000", "5007:6007"]
    crun_s = mapped(tree, "/mnt", "rbind", "idmap=uids=0-5000-1#7-5007-1;gids=0-6000-1000")
    assert owners(ocipy, bundle, crun_s) == ["5000:6000", "5007:6007", NOBODY, "0:0", "7:7"]
    no_word = mapped(tree, "/mnt", "rbind", uid=ids(7, 8, 1) + ids(0, 1, 1))
    assert owners(ocipy, bundle, no_word) == ["1:1", "8:8", NOBODY, "0:0", "7:7"]
    assert {(tree / name).stat().st_uid for name in ("root", "seven")} == {0, 7}


def test_files_made_inside_are_mapped_back(ocipy, bundle, tree):
    mount = mapped(tree, "/mnt", "bind", "idmap", uid=ids(0, 5000), gid=ids(0, 6000))
    tree.chmod(0o777)
    change = together(set_user(uid=5007, gid=6008), add_mounts(mount))
    inside(ocipy, bundle, "touch /mnt/made; stat -c %u:%g /mnt/made", change=change, own_rootfs=True)
    made = (tree / "made").stat()
    assert (made.st_uid, made.st_gid) == (7, 8)


@pytest.mark.parametrize("word", ["idmap", "ridmap"])
def test_with_the_maps_of_a_new_user_namespace(ocipy, bundle, tree, word):
    """Host's root shows as the container's, as if the files had been chowned."""
    found = owners(ocipy, bundle, mapped(tree, "/tmp", "rbind", word), change=in_user_namespace, path="/tmp")
    below = ["0:0", "7:7"] if word == "ridmap" else [NOBODY] * 2
    assert found == ["0:0", "7:7", "1000:1000", *below]


def test_with_the_maps_of_a_user_namespace_that_is_joined(ocipy, bundle, tree):
    first = ocipy.start(bundle("sleep", "1000", change=lambda config: in_user_namespace(config, host=200000)))
    change = set_namespaces(user=f"/proc/{ocipy.pid(first)}/ns/user")
    assert owners(ocipy, bundle, mapped(tree, "/tmp", "rbind", "ridmap"), change=change, path="/tmp") == [
        "0:0", "7:7", "1000:1000", "0:0", "7:7",
    ]  # fmt: skip


def test_own_maps_in_a_user_namespace(ocipy, bundle, tree):
    mount = mapped(tree, "/tmp", "rbind", "idmap", uid=ids(7, 100000, 1) + ids(0, 100007, 1))
    assert owners(ocipy, bundle, mount, change=in_user_namespace, path="/tmp") == ["7:7", "0:0", *[NOBODY] * 3]


def test_what_the_host_has_locked_stays_so(ocipy, bundle, tree):
    """Flags of the host's mount, and what it hides: not for the root of a user namespace to take off."""
    subprocess.run(["mount", "-o", "remount,bind,ro,nosuid", tree], check=True)
    script = "mount -o remount,bind,rw,suid /tmp 2>/dev/null || echo refused; grep ' /tmp ' /proc/mounts"
    change = together(in_user_namespace, set_capabilities("CAP_SYS_ADMIN"))
    said = inside(ocipy, bundle, script, change=together(change, add_mounts(mapped(tree, "/tmp", "rbind", "idmap"))))
    assert said.startswith("refused\nnone /tmp tmpfs ro,nosuid,")
    assert "idmapped" in said
    path = bundle(change=together(change, add_mounts(mapped(tree, "/tmp", "bind", "idmap"))))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.startswith(f"mounts[7] (/tmp): open_tree {tree}: EINVAL: invalid argument (what is mounted below")
    path = bundle(change=together(change, add_mounts(mapped(tree, "/tmp", "rbind", "idmap", "rw"))))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.endswith("(a flag locked by an outer user namespace can't be cleared)")


def test_several_and_other_options(ocipy, bundle, tree, tmp_path):
    """Attributes, propagation, files: as with any bind mount; and none of the descriptors is left to the program."""
    (tmp_path / "file").touch()
    many = [mapped(tree, f"/many/{number}", "bind", "idmap", uid=ids(0, number)) for number in range(12)]
    mounts = (
        *many,
        mapped(tmp_path / "file", "/made/file", "bind", "idmap", uid=ids(0, 77)),
        mapped(tree, "/ro", "rbind", "ridmap", "ro", "rnosuid", "rshared", uid=ids(0, 1)),
        {"destination": "/plain", "source": str(tree), "options": ["bind"]},
    )
    script = "stat -c %u /many/*/root /made/file /plain/seven; ls /proc/self/fd | wc -l; cat /proc/self/mountinfo"
    said = inside(ocipy, bundle, script, change=add_mounts(*mounts), own_rootfs=True).splitlines()
    assert sorted(map(int, said[:14])) == sorted([*range(12), 77, 7])
    assert int(said[14]) == 4
    table = mount_table("\n".join(said[15:]))
    assert {"ro", "nosuid"} <= table["/ro"].options
    assert ("ro" in table["/ro/sub"].options, "nosuid" in table["/ro/sub"].options) == (False, True)
    assert {tag.partition(":")[0] for tag in table["/ro"].tags} >= {"shared"}


@pytest.mark.parametrize(("propagation", "seen"), [("", False), ("rslave", False), ("rshared", True)])
def test_what_is_mounted_inside_stays_inside(ocipy, bundle, tree, propagation, seen):
    """As with other bind mounts: the tree is one of the container's own mount namespace."""
    subprocess.run(["mount", "--make-shared", tree], check=True)
    mount = mapped(tree, "/mnt", "bind", "idmap", uid=ids(0, 0, 65536))
    (tree / "point").mkdir()

    change = together(
        set_capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"),
        set_linux(rootfsPropagation=propagation),
        add_mounts(mount),
    )
    script = "mount -t tmpfs none /mnt/point && touch /mnt/ready && exec sleep 1000"
    container = ocipy.start(bundle("sh", "-c", script, change=change, own_rootfs=True))
    until((tree / "ready").exists)
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    assert (str(tree / "point") in points) == seen
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (mapped("/proc", "/mnt", "bind", "idmap", uid=ids(0, 1)), "mount_setattr MOUNT_ATTR_IDMAP /proc: EINVAL"),
        (mapped("/missing", "/mnt", "bind", "idmap", uid=ids(0, 1)), "open_tree /missing: ENOENT"),
        (mapped("/etc", "/mnt", "bind", "idmap", uid=ids(0, 1) + ids(0, 5)), "overlaps"),
        (mapped("/etc", "/mnt", "bind", "idmap"), "without a user namespace an id-mapped mount needs"),
        (mapped("/etc", "/mnt", "idmap", uid=ids(0, 1)), "only bind mounts can be id-mapped"),
        (mapped("/etc", "/mnt", "bind", "remount", "idmap", uid=ids(0, 1)), "a mount that is there can't be id-mapped"),
        (mapped("/etc", "/mnt", "bind") | {"uidMappings": ids(0, 1)}, "needs both uidMappings and gidMappings"),
        (mapped("/etc", "/mnt", "bind") | {"gidMappings": ids(0, 1)}, "needs both uidMappings and gidMappings"),
    ],
)
def test_what_cannot_be_id_mapped(ocipy, bundle, mount, words):
    line = ocipy.fails("run", "--bundle", bundle(change=add_mounts(mount)), ocipy.new_id())
    assert words in line
    assert (
        line.partition(":")[0] in {"mounts[7] (/mnt)", "mounts[7]", "mounts[7].uidMappings[1]"} or "/mounts/7" in line
    )


def test_on_older_kernels(ocipy, bundle, tree):
    mount = mapped(tree, "/mnt", "bind", "idmap", uid=ids(0, 1))
    path = bundle("stat", "-c", "%u", "/mnt/root", change=add_mounts(mount), own_rootfs=True)
    assert run_without(ocipy, path, "clone3").stdout == "1\n"
    assert "(id-mapped mounts need Linux 5.12)" in run_without(ocipy, path, "mount_setattr", status=1).stderr
