"""Options of mounts: every word of config.md's table, of runc(8) and of mount(8), with what it does."""

import pytest

from ocipy.plan.mount_options import ATIME_MASK, PROPAGATION, MountOptions, split

# linux/mount.h, MOUNT_ATTR_*
RO, NOSUID, NODEV, NOEXEC, NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW = 1, 2, 4, 8, 0x10, 0x20, 0x80, 0x200000
# MS_*
SYNC, MAND, DIRSYNC, SILENT, IVERSION, LAZYTIME = 16, 64, 128, 32768, 1 << 23, 1 << 25
MS_REC = 0x4000

ATTRIBUTES = {
    "ro": (RO, 0),
    "rw": (0, RO),
    "nosuid": (NOSUID, 0),
    "suid": (0, NOSUID),
    "nodev": (NODEV, 0),
    "dev": (0, NODEV),
    "noexec": (NOEXEC, 0),
    "exec": (0, NOEXEC),
    "nodiratime": (NODIRATIME, 0),
    "diratime": (0, NODIRATIME),
    "nosymfollow": (NOSYMFOLLOW, 0),
    "symfollow": (0, NOSYMFOLLOW),
    "noatime": (NOATIME, 0x70),
    "atime": (0, 0x70),
    "relatime": (0, 0x70),
    "norelatime": (0, 0),
    "strictatime": (STRICTATIME, 0x70),
    "nostrictatime": (0, 0x70),
}
NOT_RECURSIVE = {"user": (NOSUID | NODEV | NOEXEC, 0), "users": (NOSUID | NODEV | NOEXEC, 0)}
NOT_RECURSIVE |= {"owner": (NOSUID | NODEV, 0), "group": (NOSUID | NODEV, 0)}
SUPERBLOCK = {
    "sync": (SYNC, 0),
    "async": (0, SYNC),
    "dirsync": (DIRSYNC, 0),
    "mand": (MAND, 0),
    "nomand": (0, MAND),
    "lazytime": (LAZYTIME, 0),
    "nolazytime": (0, LAZYTIME),
    "iversion": (IVERSION, 0),
    "noiversion": (0, IVERSION),
    "silent": (SILENT, 0),
    "loud": (0, SILENT),
}
NOTHING = {"defaults", "auto", "noauto", "nouser", "_netdev", "x-systemd.automount", "X-mount.mkdir", "comment=x", ""}
PROPAGATIONS = {"unbindable": 17, "private": 18, "slave": 19, "shared": 20}  # linux/mount.h, MS_*: numbers of bits
OTHER = {
    "bind": {"bind": True},
    "rbind": {"bind": True, "recursive": True},
    "remount": {"remount": True},
    "tmpcopyup": {"copy_up": True},
    "idmap": {"idmap": "idmap"},
    "ridmap": {"idmap": "ridmap"},
    "ridmap=uids=0-1-2;gids=0-1-2": {"idmap": "ridmap", "idmap_ranges": "uids=0-1-2;gids=0-1-2"},
    "src-nofollow": {"links": 32},
    "dest-nofollow": {"links": 64},
    "copy-symlink": {"links": 128},
}
DATA = ("acl", "noacl", "size=64k", "gid=5", "lowerdir=/a:/b", "rnothing", "r", "roo")


def effect(**members):
    """What differs from no options at all."""
    base = {name: getattr(MountOptions([]), name) for name in MountOptions.__slots__}
    return base | members


TABLE = {word: {"set": set_, "clear": clear} for word, (set_, clear) in (ATTRIBUTES | NOT_RECURSIVE).items()}
TABLE |= {f"r{word}": {"recursive_set": set_, "recursive_clear": clear} for word, (set_, clear) in ATTRIBUTES.items()}
TABLE |= {word: {"superblock": set_, "superblock_clear": clear} for word, (set_, clear) in SUPERBLOCK.items()}
TABLE |= {word: {"propagation": [1 << bit]} for word, bit in PROPAGATIONS.items()}
TABLE |= {f"r{word}": {"propagation": [1 << bit | MS_REC]} for word, bit in PROPAGATIONS.items()}
TABLE |= {word: {} for word in NOTHING}
TABLE |= OTHER
TABLE |= {word: {"data": [word]} for word in DATA}

# config.md, "Linux mount options".
OF_THE_SPEC = """
    async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec
    noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime
    relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro
    rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave
    strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap
"""


@pytest.mark.parametrize("word", TABLE)
def test_what_a_word_does(word):
    found = MountOptions([word])
    assert {name: getattr(found, name) for name in MountOptions.__slots__} == effect(**TABLE[word])


@pytest.mark.parametrize("word", OF_THE_SPEC.split())
def test_no_word_of_the_spec_reaches_the_filesystem(word):
    """It would be refused as an unknown parameter, or mean something else there."""
    assert word in TABLE
    assert MountOptions([word]).data == []


def test_propagation_words_are_those_of_rootfs_propagation():
    assert {word: TABLE[word]["propagation"] for word in PROPAGATION} == {
        word: [flags] for word, flags in PROPAGATION.items()
    }


@pytest.mark.parametrize(
    ("options", "set_", "clear"),
    [
        (["ro", "rw"], 0, RO),
        (["rw", "ro"], RO, 0),
        (["noatime", "strictatime"], STRICTATIME, ATIME_MASK),
        (["strictatime", "relatime"], 0, ATIME_MASK),
        (["noatime", "nodiratime", "ro"], NOATIME | NODIRATIME | RO, ATIME_MASK),
        (["user", "exec", "dev"], NOSUID, NOEXEC | NODEV),
        # What an access time shall not be says nothing of another one.
        (["noatime", "norelatime"], NOATIME, ATIME_MASK),
        (["noatime", "nostrictatime"], NOATIME, ATIME_MASK),
        (["strictatime", "atime"], STRICTATIME, ATIME_MASK),
        (["strictatime", "norelatime"], STRICTATIME, ATIME_MASK),
        (["relatime", "norelatime"], 0, 0),
        (["noatime", "atime"], 0, ATIME_MASK),
        (["strictatime", "nostrictatime"], 0, ATIME_MASK),
        (["atime", "noatime"], NOATIME, ATIME_MASK),
    ],
)
def test_of_two_that_contradict_each_other_the_last_counts(options, set_, clear):
    found = MountOptions(options)
    assert (found.set, found.clear) == (set_, clear)
    found = MountOptions([f"r{option}" for option in options if option != "user"])
    if "user" not in options:
        assert (found.recursive_set, found.recursive_clear) == (set_, clear)


def test_flags_of_the_superblock_are_taken_back():
    found = MountOptions(["sync", "lazytime", "async", "mand"])
    assert (found.superblock, found.superblock_clear) == (LAZYTIME | MAND, SYNC)


def test_propagations_are_kept_in_order():
    assert MountOptions(["rslave", "ro", "shared"]).propagation == [1 << 19 | MS_REC, 1 << 20]


@pytest.mark.parametrize("options", [["rbind", "bind"], ["bind", "rbind"], ["rbind", "ro"]])
def test_a_recursive_bind_stays_one(options):
    assert MountOptions(options).recursive


@pytest.mark.parametrize(
    ("option", "parameters"),
    [
        ("mode=755,size=1m", ["mode=755", "size=1m"]),
        ('context="system_u:object_r:t:s0:c1,c2",size=1m', ['context="system_u:object_r:t:s0:c1,c2"', "size=1m"]),
        (r"upperdir=/a\,b,workdir=/c", [r"upperdir=/a\,b", "workdir=/c"]),
        (r"upperdir=/a\\,workdir=/c", [r"upperdir=/a\\", "workdir=/c"]),
        (",a,,b,", ["a", "b"]),
        ('unfinished="a,b', ['unfinished="a,b']),
    ],
)
def test_several_parameters_in_one_option(option, parameters):
    assert split(option) == parameters
    assert MountOptions(["ro", option]).data == parameters
