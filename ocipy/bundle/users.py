"""Who runs in the container: ``--user``, the root filesystem's passwd and group, and id maps of a rootless one."""

import os
import shutil
from dataclasses import dataclass

from ocipy.bundle.default_config import Config, id_mapping
from ocipy.bundle.within import read_within
from ocipy.errors import UsageError

_LARGEST_ID = (1 << 32) - 2  # 2^32-1 is (uid_t)-1, "no id" to the kernel
_EXPECTED = "--user needs UID[:GID[:GID...]] or NAME[:GROUP[:GROUP...]]"


@dataclass(frozen=True)
class User:
    """``process.user``: ids in the container."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()

    def config(self) -> Config:
        user: Config = {"uid": self.uid, "gid": self.gid}
        if self.additional_gids:
            user["additionalGids"] = list(self.additional_gids)
        return user


@dataclass(frozen=True)
class Account:
    """A line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str


def resolve_user(text: str, rootfs: str) -> User:
    """``--user``'s value ("" is root) in a root filesystem.

    Names are looked up in its /etc/passwd and /etc/group.  Without a group: the user's own group and the
    groups that list it there; for a number the passwd doesn't know, group 0.
    """
    if not text:
        return User(0, 0)
    name, *groups = text.split(":")
    account = find_account(name, read_within(rootfs, "/etc/passwd"))
    if account is None and not _is_id(name):
        raise UsageError(f"--user {text}: no user {name!r} in the root filesystem's /etc/passwd ({_EXPECTED})")
    group_lines = _rows(read_within(rootfs, "/etc/group"), 4)
    uid = account.uid if account else _id(name, text)
    if groups:
        gids = [_group(group, group_lines, text) for group in groups]
        return User(uid, gids[0], tuple(gids[1:]))
    if account is None:
        return User(uid, 0)
    member_of = [int(row[2]) for row in group_lines if account.name in row[3].split(",") and _is_id(row[2])]
    return User(uid, account.gid, tuple(gid for gid in member_of if gid != account.gid))


def find_account(name_or_uid: str, passwd: str) -> Account | None:
    """The account of that name, else of that number, in the text of a passwd(5) file."""
    accounts = [
        Account(row[0], int(row[2]), int(row[3]), row[5])
        for row in _rows(passwd, 7)
        if _is_id(row[2]) and _is_id(row[3])
    ]
    named = [account for account in accounts if account.name == name_or_uid]
    numbered = [account for account in accounts if _is_id(name_or_uid) and account.uid == int(name_or_uid)]
    return next(iter(named + numbered), None)


def account_files(text: str) -> tuple[str, str, Account | None]:
    """The passwd and group for a root filesystem made here, with the account made for ``--user``, if any.

    They hold root, nobody, tty (devpts' ``gid=5``) and the user asked for; a name is looked up on the host.
    """
    host_passwd, host_groups = read_within("/", "/etc/passwd"), _rows(read_within("/", "/etc/group"), 4)
    users = {"root": "root:x:0:0:root:/root:/bin/sh", "nobody": "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh"}
    groups = {"root": "root:x:0:", "tty": "tty:x:5:", "nogroup": "nogroup:x:65534:"}
    name, *group_texts = text.split(":")
    known = find_account(name, host_passwd) if name else None
    if name and known is None and not _is_id(name):
        raise UsageError(f"--user {text}: no user {name!r} on this host ({_EXPECTED})")
    uid = known.uid if known else _id(name, text) if name else 0
    for group in group_texts:
        if not _is_id(group) and group not in groups:
            groups[group] = f"{group}:x:{_group(group, host_groups, text)}:"
    if uid in (0, 65534):
        return _lines(users), _lines(groups), None
    gid = _group(group_texts[0], host_groups, text) if group_texts else known.gid if known else 0
    user_name = known.name if known and known.name not in users else "user"
    account = Account(user_name, uid, gid, f"/home/{user_name}")
    users[user_name] = f"{user_name}:x:{uid}:{gid}::{account.home}:/bin/sh"
    if gid not in (0, 5, 65534) and (known is None or not group_texts):
        groups.setdefault(user_name, f"{user_name}:x:{gid}:")
    return _lines(users), _lines(groups), account


def id_maps(user: User) -> Config:
    """``uidMappings`` and ``gidMappings`` of a rootless container: root in it is the caller.

    With newuidmap(1), newgidmap(1) and ranges for the caller in subuid(5) and subgid(5), those follow from 1
    on; otherwise there is the one id the kernel lets everyone map (user_namespaces(7)).  Raises UsageError
    when the map lacks an id of ``user``.
    """
    uid_ranges, gid_ranges = _subordinate_ranges("/etc/subuid"), _subordinate_ranges("/etc/subgid")
    if not (uid_ranges and gid_ranges and shutil.which("newuidmap") and shutil.which("newgidmap")):
        uid_ranges = gid_ranges = []
    uids = _mappings(os.geteuid(), uid_ranges)
    gids = _mappings(os.getegid(), gid_ranges)
    for number, mappings in ((user.uid, uids), *((gid, gids) for gid in (user.gid, *user.additional_gids))):
        size = sum(mapping["size"] for mapping in mappings)
        if number >= size:
            lack = "" if uid_ranges else " (no newuidmap, or no range for you in /etc/subuid and /etc/subgid)"
            raise UsageError(f"--user: id {number} is not among the {size} that --rootless can map{lack}")
    return {"uidMappings": uids, "gidMappings": gids}


def _mappings(own_id: int, ranges: list[tuple[int, int]]) -> list[dict[str, int]]:
    mappings = [id_mapping(0, own_id, 1)]
    following = 1
    for start, count in ranges:
        mappings.append(id_mapping(following, start, count))
        following += count
    return mappings


def _subordinate_ranges(path: str) -> list[tuple[int, int]]:
    """The caller's ranges (start, count) in a subuid(5) file; both files go by the user's name or uid."""
    import pwd

    uid = os.geteuid()
    try:
        owners = {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        owners = {str(uid)}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            rows = _rows(file.read(), 3)
    except FileNotFoundError:
        return []
    return [(int(row[1]), int(row[2])) for row in rows if row[0] in owners and _is_id(row[1]) and _is_id(row[2])]


def _group(group: str, rows: list[list[str]], text: str) -> int:
    for row in rows:
        if row[0] == group and _is_id(row[2]):
            return int(row[2])
    if not _is_id(group):
        raise UsageError(f"--user {text}: no group {group!r} in /etc/group ({_EXPECTED})")
    return _id(group, text)


def _rows(text: str, fields: int) -> list[list[str]]:
    return [row for row in (line.split(":") for line in text.splitlines()) if len(row) >= fields]


def _lines(entries: dict[str, str]) -> str:
    return "".join(f"{line}\n" for line in entries.values())


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _id(digits: str, text: str) -> int:
    number = int(digits)
    if number > _LARGEST_ID:
        raise UsageError(f"--user {text}: {digits} is more than the largest id, {_LARGEST_ID}")
    return number
