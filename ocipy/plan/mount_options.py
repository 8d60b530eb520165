"""Mount options, as runc(8) and the spec list them: what each one does to a mount.

Attributes are those of mount_setattr(2); propagation those of mount(2); what isn't known is the filesystem's own.
"""

RDONLY, NOSUID, NODEV, NOEXEC = 0x1, 0x2, 0x4, 0x8
RELATIME, NOATIME, STRICTATIME, ATIME_MASK = 0x0, 0x10, 0x20, 0x70
NODIRATIME, NOSYMFOLLOW = 0x80, 0x200000

MS_REC = 0x4000
PROPAGATION = {
    "unbindable": 1 << 17,
    "private": 1 << 18,
    "slave": 1 << 19,
    "shared": 1 << 20,
}
PROPAGATION.update({f"r{name}": flag | MS_REC for name, flag in list(PROPAGATION.items())})

# option → (attribute, whether it is set); the access-time ones set a field.
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
_ACCESS_TIME = {
    "noatime": NOATIME,
    "atime": RELATIME,
    "relatime": RELATIME,
    "norelatime": RELATIME,
    "strictatime": STRICTATIME,
    "nostrictatime": RELATIME,
}
# Options of the superblock that mount(2) had flags for; fsconfig(2) takes them by name.
_SUPERBLOCK = ("sync", "dirsync", "lazytime", "mand", "iversion")
_NOTHING = ("defaults", "silent", "async", "nolazytime", "nomand", "loud", "noiversion", "acl", "noacl")

# Recursive attributes exist for those a subtree can be given (config-linux.md: rro, rnosuid, …).
_RECURSIVE = ("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "diratime", "nodiratime", "symfollow",
              "nosymfollow", "relatime", "norelatime", "noatime", "atime", "strictatime", "nostrictatime")  # fmt: skip


class MountOptions:
    """A list of options, sorted: attributes to ``set`` and ``clear`` (and recursively), ``propagation`` (0: as it is),
    ``bind`` and ``recursive`` for bind mounts, ``data`` for the filesystem, ``unsupported`` names."""

    __slots__ = (
        "bind", "clear", "data", "propagation", "recursive", "recursive_clear", "recursive_set", "set", "unsupported",
    )  # fmt: skip

    def __init__(self, options: "list[str]") -> None:
        self.bind = self.recursive = False
        self.set = self.clear = self.recursive_set = self.recursive_clear = self.propagation = 0
        self.data: list[str] = []
        self.unsupported: list[str] = []
        for option in options:
            self._add(option)

    def _add(self, option: str) -> None:
        if option in _ATTRIBUTES or option in _ACCESS_TIME:
            self.set, self.clear = _change(option, self.set, self.clear)
        elif option in PROPAGATION:
            self.propagation = PROPAGATION[option]
        elif option in ("bind", "rbind"):
            self.bind, self.recursive = True, option == "rbind"
        elif option[:1] == "r" and option[1:] in _RECURSIVE:
            self.recursive_set, self.recursive_clear = _change(option[1:], self.recursive_set, self.recursive_clear)
        elif option in ("idmap", "ridmap", "tmpcopyup", "remount"):
            self.unsupported.append(option)
        elif option in _SUPERBLOCK or option not in _NOTHING:
            self.data.append(option)


def _change(option: str, set_: int, clear: int) -> "tuple[int, int]":
    """(set, clear) after one more option: the last of two that contradict each other wins."""
    if option in _ACCESS_TIME:
        return set_ & ~ATIME_MASK | _ACCESS_TIME[option], clear | ATIME_MASK
    attribute, on = _ATTRIBUTES[option]
    return (set_ | attribute, clear & ~attribute) if on else (set_ & ~attribute, clear | attribute)
