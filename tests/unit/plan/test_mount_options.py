"""Options of mounts: the list of config-linux.md and mount(8), each with what it does."""

import pytest

from ocipy.plan.mount_options import ATIME_MASK, PROPAGATION, MountOptions

# linux/mount.h, MOUNT_ATTR_*
RO, NOSUID, NODEV, NOEXEC, NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW = 1, 2, 4, 8, 0x10, 0x20, 0x80, 0x200000

ATTRIBUTES = [
    ("ro", RO, 0),
    ("rw", 0, RO),
    ("nosuid", NOSUID, 0),
    ("suid", 0, NOSUID),
    ("nodev", NODEV, 0),
    ("dev", 0, NODEV),
    ("noexec", NOEXEC, 0),
    ("exec", 0, NOEXEC),
    ("nodiratime", NODIRATIME, 0),
    ("diratime", 0, NODIRATIME),
    ("nosymfollow", NOSYMFOLLOW, 0),
    ("symfollow", 0, NOSYMFOLLOW),
    ("noatime", NOATIME, 0x70),
    ("atime", 0, 0x70),
    ("relatime", 0, 0x70),
    ("norelatime", 0, 0x70),
    ("strictatime", STRICTATIME, 0x70),
    ("nostrictatime", 0, 0x70),
]


@pytest.mark.parametrize(("option", "set_", "clear"), ATTRIBUTES)
def test_attributes(option, set_, clear):
    options = MountOptions([option])
    assert (options.set, options.clear) == (set_, clear)
    assert (options.recursive_set, options.recursive_clear, options.data) == (0, 0, [])


@pytest.mark.parametrize(("option", "set_", "clear"), ATTRIBUTES)
def test_recursive_attributes(option, set_, clear):
    """config-linux.md, Linux mount options: each with an r in front, for the mounts below as well."""
    options = MountOptions([f"r{option}"])
    assert (options.recursive_set, options.recursive_clear) == (set_, clear)
    assert (options.set, options.clear, options.data) == (0, 0, [])


# linux/mount.h, MS_*: a propagation type, and MS_REC for all mounts below.
@pytest.mark.parametrize(("name", "bit"), [("unbindable", 17), ("private", 18), ("slave", 19), ("shared", 20)])
def test_propagation(name, bit):
    assert MountOptions([name]).propagation == 1 << bit
    assert MountOptions([f"r{name}"]).propagation == 1 << bit | 0x4000
    assert MountOptions(["shared", name]).propagation == 1 << bit
    assert PROPAGATION[name] == 1 << bit


@pytest.mark.parametrize(
    ("options", "bind", "recursive"),
    [([], False, False), (["bind"], True, False), (["rbind"], True, True), (["rbind", "ro"], True, True)],
)
def test_bind(options, bind, recursive):
    found = MountOptions(options)
    assert (found.bind, found.recursive) == (bind, recursive)


@pytest.mark.parametrize("option", ["sync", "dirsync", "lazytime", "mand", "iversion", "size=64k", "gid=5"])
def test_the_filesystem_s_own(option):
    assert MountOptions([option]).data == [option]


@pytest.mark.parametrize(
    "option", ["defaults", "async", "nolazytime", "nomand", "silent", "loud", "noiversion", "acl", "noacl"]
)
def test_options_that_say_nothing(option):
    found = MountOptions([option])
    assert (found.data, found.set, found.clear, found.unsupported) == ([], 0, 0, [])


@pytest.mark.parametrize("option", ["idmap", "ridmap", "tmpcopyup", "remount"])
def test_what_is_not_supported_is_told(option):
    assert MountOptions([option]).unsupported == [option]
    assert MountOptions([option]).data == []


@pytest.mark.parametrize(
    ("options", "set_", "clear"),
    [
        (["ro", "rw"], 0, RO),
        (["rw", "ro"], RO, 0),
        (["noatime", "strictatime"], STRICTATIME, ATIME_MASK),
        (["strictatime", "relatime"], 0, ATIME_MASK),
        (["noatime", "nodiratime", "ro"], NOATIME | NODIRATIME | RO, ATIME_MASK),
    ],
)
def test_of_two_that_contradict_each_other_the_last_counts(options, set_, clear):
    found = MountOptions(options)
    assert (found.set, found.clear) == (set_, clear)
