"""Mount options, as config.md, runc(8) and mount(8) list them: what each one does to a mount.

Attributes are those of mount_setattr(2); propagation and the superblock's flags those of mount(2); what isn't known is
the filesystem's own.
"""

RDONLY, NOSUID, NODEV, NOEXEC = 0x1, 0x2, 0x4, 0x8
RELATIME, NOATIME, STRICTATIME, ATIME_MASK = 0x0, 0x10, 0x20, 0x70
NODIRATIME, NOSYMFOLLOW = 0x80, 0x200000

MS_RDONLY, MS_SYNCHRONOUS, MS_MANDLOCK, MS_DIRSYNC, MS_SILENT = 0x1, 0x10, 0x40, 0x80, 0x8000
MS_I_VERSION, MS_LAZYTIME = 1 << 23, 1 << 25

MS_REC = 0x4000
PROPAGATION = {
    "unbindable": 1 << 17,
    "private": 1 << 18,
    "slave": 1 << 19,
    "shared": 1 << 20,
}
PROPAGATION.update({f"r{name}": flag | MS_REC for name, flag in list(PROPAGATION.items())})

# option → (attributes, whether they are set); the access-time ones set a field.
_ATTRIBUTES = {
    "ro": (RDONLY, True),
    "rw": (RDONLY, False),
    "nosuid": (NOSUID, True),
    "suid": (NOSUID, False),
    "nodev": (NODEV, True),
    "dev": (NODEV, False),
    "noexec": (NOEXEC, True),
    "exec": (NOEXEC, False),
    "nodiratime": (NODIRATIME, True),
    "diratime": (NODIRATIME, False),
    "nosymfollow": (NOSYMFOLLOW, True),
    "symfollow": (NOSYMFOLLOW, False),
}
_ACCESS_TIME = {"noatime": NOATIME, "relatime": RELATIME, "strictatime": STRICTATIME}
_NOT_ACCESS_TIME = {"atime": NOATIME, "norelatime": RELATIME, "nostrictatime": STRICTATIME}
# The words that an r in front makes recursive (config.md).
_RECURSIVE = {f"r{name}": name for name in (*_ATTRIBUTES, *_ACCESS_TIME, *_NOT_ACCESS_TIME)}
# What fstab's users may mount implies these (mount(8)).
_ATTRIBUTES.update(dict.fromkeys(("user", "users"), (NOSUID | NODEV | NOEXEC, True)))
_ATTRIBUTES.update(dict.fromkeys(("owner", "group"), (NOSUID | NODEV, True)))

# Flags of the superblock, shared by all mounts of it: a bind mount has none of its own.
_SUPERBLOCK = {
    "sync": (MS_SYNCHRONOUS, True),
    "async": (MS_SYNCHRONOUS, False),
    "dirsync": (MS_DIRSYNC, True),
    "mand": (MS_MANDLOCK, True),
    "nomand": (MS_MANDLOCK, False),
    "lazytime": (MS_LAZYTIME, True),
    "nolazytime": (MS_LAZYTIME, False),
    "iversion": (MS_I_VERSION, True),
    "noiversion": (MS_I_VERSION, False),
    "silent": (MS_SILENT, True),
    "loud": (MS_SILENT, False),
}
_SPECIAL = ("bind", "rbind", "idmap", "ridmap", "tmpcopyup", "remount")
# Of crun: symbolic links at the end of a bind mount's paths.  The values are those of cffi_build/mount_api.h.
SOURCE_LINK, TARGET_LINK, COPY_LINK = 32, 64, 128
_LINKS = {"src-nofollow": SOURCE_LINK, "dest-nofollow": TARGET_LINK, "copy-symlink": COPY_LINK}
# Words for mount(8) alone.
_NOTHING = ("defaults", "auto", "noauto", "nouser", "_netdev")
_NOTHING_PREFIXES = ("x-", "X-", "comment=")


def option_names() -> "list[str]":
    """Every word that isn't the filesystem's own (features.md, mountOptions)."""
    tables = (_ATTRIBUTES, _ACCESS_TIME, _NOT_ACCESS_TIME, _RECURSIVE, _SUPERBLOCK, _LINKS, _NOTHING, PROPAGATION)
    return sorted({name for table in tables for name in table} | set(_SPECIAL))


class MountOptions:
    """A list of options, sorted.

    Attributes to ``set`` and ``clear`` (and recursively); the ``superblock``'s flags and those to be cleared of it;
    ``propagation``: changes in order; ``bind`` and ``recursive`` for bind mounts; ``idmap``: "", "idmap" or "ridmap";
    ``idmap_ranges``: what stands after that word, as crun takes it;
    ``links``: what becomes of symbolic links; ``copy_up`` (tmpcopyup), ``remount``; ``data``: the filesystem's options.
    """

    __slots__ = (
        "bind", "clear", "copy_up", "data", "idmap", "idmap_ranges", "links", "propagation", "recursive",
        "recursive_clear", "recursive_set", "remount", "set", "superblock", "superblock_clear",
    )  # fmt: skip

    def __init__(self, options: "list[str]") -> None:
        self.bind = self.recursive = self.copy_up = self.remount = False
        self.set = self.clear = self.recursive_set = self.recursive_clear = 0
        self.superblock = self.superblock_clear = self.links = 0
        self.idmap = self.idmap_ranges = ""
        self.propagation: list[int] = []
        self.data: list[str] = []
        for option in options:
            self._add(option)

    def _add(self, option: str) -> None:
        if option in _ATTRIBUTES or option in _ACCESS_TIME or option in _NOT_ACCESS_TIME:
            self.set, self.clear = _change(option, self.set, self.clear)
        elif option in PROPAGATION:
            self.propagation.append(PROPAGATION[option])
        elif option in ("bind", "rbind"):
            self.bind, self.recursive = True, self.recursive or option == "rbind"
        elif option in _RECURSIVE:
            self.recursive_set, self.recursive_clear = _change(
                _RECURSIVE[option], self.recursive_set, self.recursive_clear
            )
        elif option in _SUPERBLOCK:
            self.superblock, self.superblock_clear = _switch(
                *_SUPERBLOCK[option], self.superblock, self.superblock_clear
            )
        elif option.partition("=")[0] in ("idmap", "ridmap"):
            self.idmap, _, self.idmap_ranges = option.partition("=")
        elif option == "tmpcopyup":
            self.copy_up = True
        elif option == "remount":
            self.remount = True
        elif option in _LINKS:
            self.links |= _LINKS[option]
        elif option and option not in _NOTHING and not option.startswith(_NOTHING_PREFIXES):
            self.data += split(option)


def split(option: str) -> "list[str]":
    r"""The parameters in one option: commas part them, but not within quotes (a security context's) or after a \ ."""
    if "," not in option:
        return [option]
    found, start, quoted, escaped = [], 0, False, False
    for place, char in enumerate(option):
        if char == "," and not quoted and not escaped:
            found.append(option[start:place])
            start = place + 1
        quoted ^= char == '"'
        escaped = char == "\\" and not escaped
    found.append(option[start:])
    return [parameter for parameter in found if parameter]


def _switch(flag: int, on: bool, set_: int, clear: int) -> "tuple[int, int]":
    """(set, clear) after one more word: the last of two that contradict each other wins."""
    return (set_ | flag, clear & ~flag) if on else (set_ & ~flag, clear | flag)


def _change(option: str, set_: int, clear: int) -> "tuple[int, int]":
    """The same for attributes.

    Access times are one field.  A word that says what it shall not be takes back only that: after noatime, norelatime
    says nothing.  The kernel's default is relatime, so that is what becomes of "not noatime" and "not strictatime".
    """
    if option in _ATTRIBUTES:
        return _switch(*_ATTRIBUTES[option], set_, clear)
    if option in _ACCESS_TIME:
        return set_ & ~ATIME_MASK | _ACCESS_TIME[option], clear | ATIME_MASK
    refused = _NOT_ACCESS_TIME[option]
    if clear & ATIME_MASK and set_ & ATIME_MASK != refused:
        return set_, clear
    if refused == RELATIME:
        return set_, clear & ~ATIME_MASK
    return set_ & ~ATIME_MASK, clear | ATIME_MASK
