"""Users and groups by the container's own /etc/passwd and /etc/group (passwd(5), group(5)).

Both files lie in the container's root filesystem and are hostile: they are taken as bytes, a line that isn't of
the right form is passed over, and a number is digits and nothing else, so that no text ever ends as uid 0.
"""

from ocipy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# 2**32 - 1 is (uid_t)-1, which setresuid(2) and chown(2) take as "leave it as it is".
MAX_ID = 2**32 - 2

# name:password:uid:gid:gecos:home and name:password:gid; the shell, and the members, may be missing in a file
# made by hand, and runc reads such a line too.
_PASSWD_FIELDS = 6
_GROUP_FIELDS = 3


def lookup_home(passwd_bytes: bytes, uid: int) -> str:
    """The home directory of the first user with ``uid``; ``/`` if there is none, or none is set, as with runc.

    Bytes that are no UTF-8 come as surrogate escapes.
    """
    for fields in _lines(passwd_bytes, _PASSWD_FIELDS):
        if _number(fields[2]) == uid:
            return _text(fields[5]) or "/"
    return "/"


def parse_user(text: str, passwd: bytes, group: bytes) -> "tuple[int, int, list[int]]":
    """The uid, gid and additional gids of ``USER[:GROUP]``, each a number or a name; ``""`` is uid 0.

    A number is an id even where a user of that name exists.  Without GROUP the gid is that of the user's passwd
    line (0 if there is none), and the additional gids are the groups that list the user, in the file's order; with
    it there are no additional ones: who names a group wants that group alone (Docker's and runc's rule).

    Raises UsageError for a name that isn't in the file and a number beyond 2**32 - 2.
    """
    user_text, colon, group_text = text.partition(":")
    if colon and not group_text:
        raise UsageError(f"user {text!r}: the group after the colon is missing")
    wanted = _id(user_text or "0", "user")
    entry = None
    for fields in _lines(passwd, _PASSWD_FIELDS):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is None or gid is None:
            continue
        if uid == wanted if wanted is not None else fields[0] == _bytes(user_text):
            entry = (fields[0], uid, gid)
            break
    if entry is None and wanted is None:
        raise UsageError(f"unknown user {user_text!r}: neither a uid nor a name in the container's /etc/passwd")
    name, uid, gid = entry if entry is not None else (b"", wanted or 0, 0)
    if group_text:
        return uid, _find_group(group_text, group), []
    return uid, gid, _groups_of(name, group) if name else []


def _find_group(text: str, group: bytes) -> int:
    wanted = _id(text, "group")
    if wanted is not None:
        return wanted
    for fields in _lines(group, _GROUP_FIELDS):
        gid = _number(fields[2])
        if gid is not None and fields[0] == _bytes(text):
            return gid
    raise UsageError(f"unknown group {text!r}: neither a gid nor a name in the container's /etc/group")


def _groups_of(user: bytes, group: bytes) -> "list[int]":
    """The gids of the groups whose member list names ``user``, each once."""
    gids: list[int] = []
    for fields in _lines(group, _GROUP_FIELDS):
        gid = _number(fields[2])
        members = fields[3].split(b",") if len(fields) > 3 else []
        if gid is not None and gid not in gids and user in members:
            gids.append(gid)
    return gids


def _lines(data: bytes, fields: int) -> "Iterator[list[bytes]]":
    """The lines of a passwd or group file that have ``fields`` fields or more, a name and no NUL, split."""
    for line in data.split(b"\n"):
        parts = line.strip().split(b":")
        if len(parts) >= fields and parts[0] and b"\0" not in line:
            yield parts


def _number(digits: bytes) -> "int | None":
    """The id that ``digits`` says, None if it is no id (``1abc``, ``-1``, ``+1``, blanks, 2**32 - 1 and beyond)."""
    # bytes.isdigit knows ASCII digits only; the length keeps int() away from a line of a million digits.
    if not digits.isdigit() or len(digits) > 10:
        return None
    value = int(digits)
    return value if value <= MAX_ID else None


def _id(text: str, kind: str) -> "int | None":
    """The id if ``text`` is all digits, None if it has to be a name.  Raises UsageError for one out of range."""
    if not (text.isascii() and text.isdigit()):
        return None
    value = _number(text.encode())
    if value is None:
        raise UsageError(f"{kind} {text}: an id is a number from 0 to {MAX_ID}")
    return value


def _text(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    """A name as the file has it; the empty name, which no line has, for text no bytes can be decoded to."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""
