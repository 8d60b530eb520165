"""What a caller hands to create and exec, and gets from them: descriptors, sockets, the pid file, the pidfd."""

import _socket
import errno
import posix
from _struct import pack

from ocipy import files
from ocipy.errors import SyscallError, UsageError

FIRST_FD = 3  # after stdin, stdout, stderr; SD_LISTEN_FDS_START


def fill_stdio() -> None:
    """Where the caller closed a standard stream, what we open next would take its place, and reach the container."""
    for fd in range(FIRST_FD):
        try:
            posix.fstat(fd)
        except OSError:
            posix.set_inheritable(posix.open("/dev/null", posix.O_RDWR), True)


def listen_fds() -> int:
    """How many descriptors the environment says that a service manager passed to this process (sd_listen_fds(3)).

    0 as well where LISTEN_PID names another process.  Raises UsageError for a LISTEN_FDS that is no count.
    """
    count = posix.environ.get(b"LISTEN_FDS", b"")
    if not count or posix.environ.get(b"LISTEN_PID") != b"%d" % posix.getpid():
        return 0
    if not count.isdigit() or len(count) > _MOST_DIGITS:
        raise UsageError(f"LISTEN_FDS in the environment is no count: {count.decode('utf-8', 'surrogateescape')!r}")
    return int(count)


_MOST_DIGITS = 9


def notify_socket() -> str:
    """Where the environment says that a service manager listens for who is ready (sd_notify(3)); "": nowhere."""
    return posix.environ.get(b"NOTIFY_SOCKET", b"").decode("utf-8", "surrogateescape")


def check_passed(listen: int, preserve: int) -> int:
    """How many descriptors after stdio go on to the container: those of LISTEN_FDS, then those of --preserve-fds.

    Only what was handed to us may: all that the runtime opens itself is close-on-exec.  Raises UsageError.
    """
    if preserve < 0:
        raise UsageError(f"--preserve-fds {preserve}: a count can't be negative")
    for fd in range(FIRST_FD, FIRST_FD + listen + preserve):
        try:
            passed = posix.get_inheritable(fd)
        except OSError:
            passed = False
        if not passed:
            asked = f"LISTEN_FDS={listen}" if fd < FIRST_FD + listen else f"--preserve-fds {preserve}"
            raise UsageError(f"{asked}: file descriptor {fd} is not open, or not inheritable")
    return listen + preserve


def connect(path: str, what: str) -> int:
    """A connection to a stream socket of the caller's; ``what`` it is, for the error.  Raises SyscallError.

    Nothing is waited for: whoever listens there has room for us, or is in trouble of its own.
    """
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    named = -1
    try:
        client.setblocking(False)
        address = path
        if len(path.encode("utf-8", "surrogateescape")) > _MOST_OF_A_NAME:
            named = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
            address = f"/proc/self/fd/{named}"
        client.connect(address)
        client.setblocking(True)
    except OSError as problem:
        client.close()
        raise SyscallError(f"connect to the {what} socket", problem.errno or 0, path, _advice(problem, path)) from None
    finally:
        if named >= 0:
            posix.close(named)
    return client.detach()


_MOST_OF_A_NAME = 107  # bytes of sun_path, but for the NUL (unix(7))
_SOCKET, _TYPE = 0o140000, 0o170000  # S_IFSOCK, S_IFMT


def _advice(problem: OSError, path: str) -> str:
    if problem.errno == errno.ECONNREFUSED:
        # Any file takes part in connect(2), and none but a socket can have somebody listen.
        return "nobody listens there" if posix.stat(path).st_mode & _TYPE == _SOCKET else "it is no socket"
    return {
        errno.ENOENT: "nobody listens there",
        errno.EPROTOTYPE: "it is no stream socket",
        errno.EAGAIN: "whoever listens there has more connections waiting than it takes",
    }.get(problem.errno or 0, "")


class PidReport:
    """Who else gets to know the new process: by a pid file, and by a socket that takes its pidfd ("": none).

    ``kind`` is the data that comes with the pidfd: runc's are "standard", for a container's init, and "setns", for a
    process of exec.
    """

    __slots__ = ("_kind", "_pid_file", "_pidfd_socket", "_socket", "_written")

    def __init__(self, pid_file: str = "", pidfd_socket: str = "", kind: str = "standard") -> None:
        self._pid_file = pid_file
        self._pidfd_socket = pidfd_socket
        self._kind = kind
        self._socket = -1
        self._written = False

    def open(self) -> None:
        """Connect, where a socket was named: before there is a process.  Raises SyscallError."""
        if self._pidfd_socket:
            self._socket = connect(self._pidfd_socket, "pidfd")

    def tell(self, pid: int) -> None:
        """Report a child of ours, or one that can't have been reaped.  Raises SyscallError."""
        if self._socket >= 0:
            self._send_pidfd(pid)
        if self._pid_file:
            try:
                # Whole or not at all: an engine reads it as soon as it is there.
                files.replace(self._pid_file, str(pid).encode(), 0o666)
            except OSError as problem:
                raise SyscallError("write the pid file", problem.errno or 0, self._pid_file) from None
            self._written = True

    def _send_pidfd(self, pid: int) -> None:
        pidfd = posix.pidfd_open(pid)
        connection = _socket.socket(fileno=self._socket)
        try:
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pack("i", pidfd))
            connection.sendmsg([self._kind.encode()], [rights])
        except OSError as problem:
            raise SyscallError("send the pidfd to", problem.errno or 0, self._pidfd_socket) from None
        finally:
            connection.detach()
            posix.close(pidfd)

    def take_back(self) -> None:
        """There is no such process after all."""
        if self._written:
            posix.unlink(self._pid_file)

    def close(self) -> None:
        """Hang up."""
        if self._socket >= 0:
            posix.close(self._socket)
            self._socket = -1
