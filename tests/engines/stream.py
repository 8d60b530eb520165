"""What CRI's Exec and Attach give a URL for: stdin, stdout, stderr, sizes and the exit status over a WebSocket.

The frames are those of RFC 6455; of the subprotocol v4.channel.k8s.io each message begins with the number of a channel.
"""

import base64
import json
import os
import select
import socket
from typing import Self
from urllib.parse import urlsplit

from tests.engines.machine import Machine

DEADLINE = 30  # seconds
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
BINARY, CLOSE = 2, 8


class Stream:
    """``with Stream(machine, url) as stream:`` talks with the streaming server that listens in the machine."""

    def __init__(self, machine: Machine, url: str) -> None:
        parts = urlsplit(url)
        self.said = {STDOUT: "", STDERR: "", ERROR: ""}
        self._received = b""
        self._ended = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._relay = machine.start("busybox", "nc", parts.hostname, parts.port, stdin=theirs, stdout=theirs)
        fields = {
            "Host": parts.netloc,
            "Origin": f"http://{parts.netloc}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
        }
        lines = [f"GET {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = self._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._relay.wait(DEADLINE)

    def send(self, text: str) -> None:
        self._send(STDIN, text)

    def resize(self, rows: int, columns: int) -> None:
        self._send(RESIZE, json.dumps({"Width": columns, "Height": rows}))

    def wait_for(self, text: str, channel: int = STDOUT) -> str:
        """Read until ``text`` has come: all that came on that channel."""
        while text not in self.said[channel]:
            assert not self._ended, f"the end, and no {text!r}, but {self.said}"
            self._receive()
        return self.said[channel]

    def wait(self) -> int:
        """Read to the end: the exit status."""
        while not self._ended:
            self._receive()
        status = json.loads(self.said[ERROR])
        if status["status"] == "Success":
            return 0
        assert status["reason"] == "NonZeroExitCode", status
        return int(status["details"]["causes"][0]["message"])

    def _send(self, channel: int, text: str) -> None:
        payload = bytes([channel]) + text.encode()
        assert len(payload) < 126
        mask = bytes(4)  # a client's frames have one; this changes nothing
        self._socket.sendall(bytes([0x80 | BINARY, 0x80 | len(payload)]) + mask + payload)

    def _receive(self) -> None:
        """One frame."""
        kind, size = self._take(2)
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        payload = self._take(size)
        self._ended = kind & 0xF == CLOSE
        if kind & 0xF == BINARY:
            self.said[payload[0]] += payload[1:].decode(errors="replace")

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._more()
        head, _, self._received = self._received.partition(mark)
        return head

    def _more(self) -> None:
        assert select.select([self._socket], [], [], DEADLINE)[0], f"nothing comes any more, after {self.said}"
        data = self._socket.recv(1 << 16)
        assert data, f"cut off after {self.said}"
        self._received += data
