"""A D-Bus client for a few calls: one connection, one call at a time.  Loaded only with ``--systemd-cgroup``.

jeepney makes and parses the messages; the connection is our own, for it has to reach systemd's private sockets, where
there is no bus (and so no Hello), and to be let in from within a user namespace, where our uid is another than the one
the peer sees: so the credentials of the socket are used, as sd-bus does, not a uid that we say (D-Bus Specification,
EXTERNAL).
"""

import _socket
import time

from ocipy.errors import OcipyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TIMEOUT = 30.0  # seconds for one call, or one job: runc's
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")  # service, path, interface
_AUTHENTICATION = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"


class BusError(OcipyError):
    """A call failed: ``name`` is the D-Bus error's ("": there is no connection any more, or none in time)."""

    def __init__(self, message: str, name: str = "") -> None:
        self.name = name
        super().__init__(f"{message} ({name})" if name else message)


class Bus:
    """A connection.  ``signals`` are those received so far, oldest first: (member, body)."""

    def __init__(self, address: str, has_bus: bool) -> None:
        """Connect to a D-Bus address such as ``unix:path=/run/dbus/system_bus_socket``.

        ``has_bus``: a message bus is there, not the peer itself.  Raises BusError, and ImportError without jeepney.
        """
        from jeepney.low_level import Parser

        self.address = address
        self.has_bus = has_bus
        self.signals: list[tuple[str, tuple[Any, ...]]] = []
        self._parser = Parser()
        self._serial = 0
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._socket.settimeout(TIMEOUT)
            self._socket.connect(socket_name(address))
            self._authenticate()
            if has_bus:
                self.call(*BUS, "Hello")
        except OSError as problem:
            self.close()
            raise BusError(f"{address}: {problem.strerror or 'no answer'}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def call(
        self, service: str, path: str, interface: str, method: str, signature: str = "", *body: "Any"
    ) -> "tuple[Any, ...]":
        """Call a method; the value is the body of the answer.  Raises BusError."""
        from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call

        address = DBusAddress(path, service, interface)
        message = new_method_call(address, method, signature or None, body)
        self._serial += 1
        deadline = time.monotonic() + TIMEOUT
        try:
            self._socket.sendall(message.serialise(self._serial))
        except OSError as problem:
            raise BusError(f"{self.address}: {problem.strerror or 'no answer'}") from None
        while True:
            answer = self._receive(deadline, method)
            fields = answer.header.fields
            if answer.header.message_type == MessageType.signal:
                self.signals.append((fields[HeaderFields.member], answer.body))
            elif fields.get(HeaderFields.reply_serial) == self._serial:
                if answer.header.message_type == MessageType.error:
                    raise BusError(f"{method}: {' '.join(map(str, answer.body))}", fields[HeaderFields.error_name])
                body_: tuple[Any, ...] = answer.body
                return body_

    def wait_signal(self, what: str) -> "tuple[str, tuple[Any, ...]]":
        """The next signal, received already or not; ``what`` is waited for, in words.  Raises BusError."""
        from jeepney import HeaderFields, MessageType

        deadline = time.monotonic() + TIMEOUT
        while not self.signals:
            message = self._receive(deadline, what)
            if message.header.message_type == MessageType.signal:
                self.signals.append((message.header.fields[HeaderFields.member], message.body))
        return self.signals.pop(0)

    def _receive(self, deadline: float, what: str) -> "Any":
        while True:
            message = self._parser.get_next_message()
            if message is not None:
                return message
            self._parser.add_data(self._read(deadline, what))

    def _read(self, deadline: float, what: str) -> bytes:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            raise BusError(f"{what}: no answer within {TIMEOUT:.0f} s from {self.address}") from None
        except OSError as problem:
            raise BusError(f"{what}: {problem.strerror}: {self.address}") from None
        if not data:
            raise BusError(f"{what}: {self.address} closed the connection")
        return data

    def _authenticate(self) -> None:
        self._socket.sendall(_AUTHENTICATION)
        deadline = time.monotonic() + TIMEOUT
        received = b""
        while True:
            received += self._read(deadline, "authentication")
            *lines, rest = received.split(b"\r\n")
            for number, line in enumerate(lines):
                if line.startswith(b"OK"):
                    self._parser.add_data(b"\r\n".join([*lines[number + 1 :], rest]))
                    return
                if not line.startswith(b"DATA"):
                    raise BusError(f"{self.address} doesn't let us in: {line.decode(errors='replace')}")


def socket_name(address: str) -> str:
    """The unix(7) address ("\\0" before an abstract one) of the first alternative in a D-Bus address that has one."""
    for alternative in address.split(";"):
        kind, _, rest = alternative.partition(":")
        values = dict(pair.split("=", 1) for pair in rest.split(",") if "=" in pair)
        if kind == "unix" and "path" in values:
            return _unescape(values["path"])
        if kind == "unix" and "abstract" in values:
            return "\0" + _unescape(values["abstract"])
    raise BusError(f"{address!r} has no unix socket in it")


def _unescape(value: str) -> str:
    first, *rest = value.split("%")
    return first + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest)
