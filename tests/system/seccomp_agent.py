"""A seccomp agent (config-linux.md#seccomp): takes container process states, and decides on system calls."""

import array
import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

from tests.system.runtime import DEADLINE

_RECV = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND (linux/seccomp.h)
_SEND = 0xC0182101
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


def deny(number):
    """An answer: the call fails with this errno."""
    return 0, -number, 0


def pretend(value):
    """An answer: the call isn't done, and returns this."""
    return value, 0, 0


LET_THROUGH = (0, 0, _CONTINUE)


class Agent:
    """Listens on ``path``; ``decide(number, arguments)`` gives the answer to a system call.

    ``states`` are the documents that came, one a connection; ``messages`` how many descriptors came with each part
    of them; ``seen`` the numbers of the calls that were asked about.
    """

    def __init__(self, path, decide=lambda number, arguments: LET_THROUGH, part=1 << 16):
        self.states, self.messages, self.seen = [], [], []
        self._decide, self._part = decide, part
        self._listeners = []
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        at = os.open(os.path.dirname(path), os.O_PATH)
        self._server.bind(f"/proc/self/fd/{at}/{os.path.basename(path)}")
        os.close(at)
        self._server.listen()
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._stopped)
        self._thread.join(DEADLINE)
        for fd in (*self._listeners, self._stop):
            os.close(fd)
        self._server.close()

    def _serve(self):
        while True:
            ready, _, _ = select.select([self._stop, self._server, *self._listeners], [], [])
            if self._stop in ready:
                return
            for fd in ready:
                if fd is self._server:
                    self._take_state()
                else:
                    self._answer(fd)

    def _take_state(self):
        connection, _ = self._server.accept()
        text = b""
        with connection:
            while True:
                part, control, _, _ = connection.recvmsg(self._part, socket.CMSG_SPACE(64))
                fds = array.array("i")
                for _, kind, data in control:
                    assert kind == socket.SCM_RIGHTS
                    fds.frombytes(data)
                self._listeners += fds
                if not part:
                    break
                self.messages.append(len(fds))
                text += part
        self.states.append(json.loads(text))

    def _answer(self, fd):
        if _is_over(fd):  # before Linux 6.11, to take a call that nobody can make is to wait for ever
            self._listeners.remove(fd)
            os.close(fd)
            return
        request = bytearray(80)
        try:
            fcntl.ioctl(fd, _RECV, request)
        except OSError as problem:
            if problem.errno != errno.ENOENT:
                raise
            return  # the caller was killed before its call was taken
        identity, _, _, number, _, _, *arguments = struct.unpack("=QIIiIQ6Q", request)
        self.seen.append(number)
        value, error, flags = self._decide(number, arguments)
        with contextlib.suppress(FileNotFoundError):  # the caller was killed meanwhile
            fcntl.ioctl(fd, _SEND, struct.pack("=QqiI", identity, value, error, flags))


def _is_over(fd):
    """Whether no process is left that the filter is for (POLLHUP, seccomp_unotify(2))."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poller.poll(0))
