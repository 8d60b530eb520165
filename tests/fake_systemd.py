"""A stand-in for systemd at the end of a unix socket: it answers the calls that the systemd driver makes.

It does what scopes are for in the hierarchies it is given: makes the cgroup, and moves the processes there.
"""

import socket
import threading
from pathlib import Path

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.low_level import Parser

MANAGER = "org.freedesktop.systemd1.Manager"
JOB = "/org/freedesktop/systemd1/job/7"


class FakeSystemd:
    """Serves until closed.  ``calls``: (method, body) in order; ``units``: name → properties of those there are.

    ``errors``: method → D-Bus errors to answer with, one a call; ``result``: that of jobs; ``silent``: methods that
    get no answer; ``greeting``: what is said to who authenticates.
    """

    def __init__(self, path, hierarchies=(), cgroup="", version="252.22-1~deb12u1"):
        self.path = str(path)
        self.hierarchies = [Path(each) for each in hierarchies]
        self.properties = {"Version": version, "ControlGroup": cgroup}
        self.calls = []
        self.units = {}
        self.errors = {}
        self.result = "done"
        self.silent = set()
        self.greeting = b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n"
        self.signal_first = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"unix:path={self.path}"

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except ConnectionError:
                    continue

    def _talk(self, connection):
        received = b""
        while b"BEGIN\r\n" not in received:
            if not (data := connection.recv(4096)):
                return
            received += data
        assert received.startswith(b"\0AUTH EXTERNAL\r\n"), received
        connection.sendall(self.greeting)
        parser = Parser()
        parser.add_data(received.partition(b"BEGIN\r\n")[2])
        while True:
            while (message := parser.get_next_message()) is not None:
                for answer in self._answer(message):
                    connection.sendall(answer.serialise(1))
            if not (data := connection.recv(1 << 16)):
                return
            parser.add_data(data)

    def _answer(self, message):
        method = message.header.fields[HeaderFields.member]
        assert message.header.message_type == MessageType.method_call
        self.calls.append((method, message.body))
        if method in self.silent:
            return
        if self.errors.get(method):
            name = self.errors[method].pop(0)
            yield new_error(message, name, "s", (f"it is {name.rpartition('.')[2]}",))
        elif method == "Get":
            yield new_method_return(message, "v", (("s", self.properties[message.body[1]]),))
        elif method == "Hello":
            yield new_method_return(message, "s", (":1.7",))
        elif method == "SetUnitProperties":
            self.SetUnitProperties(*message.body)
            yield new_method_return(message)
        elif method in ("StartTransientUnit", "StopUnit"):
            getattr(self, method)(*message.body)
            emitter = DBusAddress("/org/freedesktop/systemd1", interface=MANAGER)
            jobs = [(7, JOB), (8, JOB + "8")]
            removed = [
                new_signal(emitter, "JobRemoved", "uoss", (number, job, message.body[0], self.result))
                for number, job in reversed(jobs)
            ]
            answer = new_method_return(message, "o", (JOB,))
            yield from (*removed, answer) if self.signal_first else (answer, *removed)
        else:
            yield new_method_return(message)

    def StartTransientUnit(self, unit, mode, properties, extra):  # noqa: N802
        assert (mode, extra) == ("replace", [])
        found = {name: value for name, (_, value) in properties}
        self.units[unit] = found
        for hierarchy in self.hierarchies:
            directory = self._directory(hierarchy, unit)
            directory.mkdir(parents=True, exist_ok=True)
            for pid in found["PIDs"]:
                (directory / "cgroup.procs").write_text(str(pid))

    def SetUnitProperties(self, unit, runtime, properties):  # noqa: N802
        assert runtime
        for name, (_, value) in properties:
            listed = self.units[unit].get(name)
            # A list is added to, but for the empty one, which clears it.
            self.units[unit][name] = [*listed, *value] if isinstance(value, list) and value and listed else value

    def StopUnit(self, unit, mode):  # noqa: N802
        for hierarchy in self.hierarchies:
            directory = self._directory(hierarchy, unit)
            if directory.exists():
                directory.rmdir()
        self.units.pop(unit, None)

    def _directory(self, hierarchy, unit):
        slice_ = self.units[unit]["Slice"] if unit in self.units else "gone.slice"
        words = slice_.removesuffix(".slice").split("-")
        slices = ["-".join(words[: count + 1]) + ".slice" for count in range(len(words))]
        return hierarchy.joinpath(self.properties["ControlGroup"].strip("/"), *slices, unit)
