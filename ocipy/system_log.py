"""The log in systemd's journal or in syslog.  Imported for ``--log journald:[ID]`` and ``--log syslog:[ID]`` alone."""

import _socket
import errno
import fcntl
import posix
import time
from _struct import pack

from ocipy import files
from ocipy.errors import UsageError, describe_errno, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
_NAME = "ocipy"
_PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog(3)
_LOG_USER = 1 << 3
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class Journal:
    """Speaks the journal's own protocol (systemd.io, Native Journal Protocol): fields, in a datagram.

    ``identifier`` becomes SYSLOG_IDENTIFIER; ``container``, an id or "", becomes ID, as with crun.
    """

    def __init__(self, identifier: str) -> None:
        self.container = ""
        self._identifier = identifier or _NAME
        self._socket = _connect(f"journald:{identifier}", JOURNAL, _socket.SOCK_DGRAM)

    def send(self, level: str, text: str) -> None:
        """Log one message.  Raises OSError."""
        fields = {"PRIORITY": str(_PRIORITIES[level]), "SYSLOG_IDENTIFIER": self._identifier, "MESSAGE": text}
        if self.container:
            fields["ID"] = self.container
        data = b"".join(_field(name, value) for name, value in fields.items())
        try:
            self._socket.send(data)
        except OSError as problem:
            if problem.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_file(data)

    def _send_file(self, data: bytes) -> None:
        """What is too long for a datagram goes as a file that nobody can change any more."""
        fd = files.in_memory("ocipy-log", data, sealable=True)
        try:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            self._socket.sendmsg([], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pack("i", fd))])
        finally:
            posix.close(fd)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), pack("<Q", len(data)), data)
    return b"%s=%s\n" % (name.encode(), data)


class Syslog:
    """Speaks RFC 3164, as syslog(3) does: facility user, one line a message.

    ``identifier`` is what comes before the message; without one ``container``, as with crun.
    """

    def __init__(self, identifier: str) -> None:
        self.container = ""
        self._identifier = identifier
        self._end = b""
        try:
            self._socket = _connect(f"syslog:{identifier}", SYSLOG, _socket.SOCK_DGRAM)
        except _OtherType:
            self._end = b"\0"
            self._socket = _connect(f"syslog:{identifier}", SYSLOG, _socket.SOCK_STREAM)

    def send(self, level: str, text: str) -> None:
        """Log one message.  Raises OSError."""
        stamp = time.strftime("%b %e %H:%M:%S")
        identifier = self._identifier or self.container or _NAME
        line = f"<{_LOG_USER | _PRIORITIES[level]}>{stamp} {identifier}: {printable(text)}"
        self._socket.sendall(line.encode("utf-8", "backslashreplace") + self._end)


class _OtherType(UsageError):
    """There is a socket, but of the other type."""


def _connect(target: str, path: str, kind: int) -> "_socket.socket":
    connection = _socket.socket(_socket.AF_UNIX, kind)
    try:
        connection.connect(path)
    except OSError as problem:
        connection.close()
        type_ = _OtherType if problem.errno == errno.EPROTOTYPE else UsageError
        raise type_(f"--log {target}: connect to {path}: {describe_errno(problem.errno or 0)}") from None
    return connection


SINKS: "dict[str, Any]" = {"journald": Journal, "syslog": Syslog}
