"""The systemd driver's other half: units are started and stopped over D-Bus, and their jobs waited for.

Loaded only with ``--systemd-cgroup``, and for deleting a container that was made with it.
"""

import posix

from ocipy.cgroups.dbus import BUS, Bus, BusError
from ocipy.cgroups.systemd import Manager
from ocipy.errors import StepError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ocipy.cgroups.systemd import Property

_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_MATCH = f"type='signal',sender='{_NAME}',path='{_PATH}',interface='{_MANAGER}',member='JobRemoved'"


def probe(user: bool) -> Manager:
    """Ask the system's systemd, or the user's, who it is.  Raises UsageError when there is none."""
    try:
        systemd = _Systemd(user)
    except BusError as problem:
        what = "the user's systemd" if user else "systemd"
        raise UsageError(f"--systemd-cgroup: {what} can't be reached: {problem}") from None
    try:
        version = _version(systemd.property("Version"))
        return Manager(user, version, systemd.property("ControlGroup") or "/")
    except BusError as problem:
        raise UsageError(f"--systemd-cgroup: {problem}") from None
    finally:
        systemd.close()


def start(unit: str, properties: "Iterable[Property]", pid: int, user: bool) -> None:
    """Make the scope with the process in it, and wait until it is there.  Raises StepError."""
    arguments = [(name, (signature, value)) for name, signature, value in properties]
    arguments.append(("PIDs", ("au", [pid])))
    try:
        systemd = _Systemd(user)
        try:
            result = systemd.start(unit, arguments)
        finally:
            systemd.close()
    except BusError as problem:
        raise _error(unit, str(problem)) from None
    if result != "done":
        raise _error(unit, f"systemd's job to start it ended as {result!r}")


def attach(unit: str, below: str, pid: int) -> None:
    """Have the user's systemd put a process of the user's into a unit's cgroup, or one below it ("", or a path from
    "/" on): it may move it from where the user may not.  Raises StepError.
    """
    try:
        systemd = _Systemd(user=True)
        try:
            systemd.attach(unit, below, pid)
        finally:
            systemd.close()
    except BusError as problem:
        raise _error(unit, str(problem)) from None


def change(unit: str, properties: "Iterable[Property]", user: bool) -> None:
    """Give a unit other properties, until it is stopped, and wait until they are in force.  Raises StepError."""
    try:
        systemd = _Systemd(user)
        try:
            systemd.change(unit, [(name, (signature, value)) for name, signature, value in properties])
        finally:
            systemd.close()
    except BusError as problem:
        raise _error(unit, str(problem)) from None


def stop(unit: str, user: bool) -> None:
    """Have the unit removed, if it is still there, and wait until it is.  Raises StepError."""
    try:
        systemd = _Systemd(user)
        try:
            systemd.stop(unit)
        finally:
            systemd.close()
    except BusError as problem:
        raise _error(unit, str(problem)) from None


def _error(unit: str, detail: str) -> StepError:
    return StepError(f"linux.cgroupsPath ({unit})", detail, 0, f"see systemctl status {unit}", -1, "/linux/cgroupsPath")


def _version(text: str) -> int:
    """252 of ``252.22-1~deb12u1`` or ``v252``."""
    digits = text.lstrip("v")
    length = next((at for at, letter in enumerate(digits) if not letter.isdigit()), len(digits))
    return int(digits[:length] or 0)


class _Systemd:
    """The manager's interface (org.freedesktop.systemd1(5))."""

    def __init__(self, user: bool) -> None:
        try:
            self._bus = _connect(user)
        except ImportError:
            raise BusError("the Python package jeepney is missing (pip install jeepney)") from None

    def close(self) -> None:
        self._bus.close()

    def property(self, name: str) -> str:
        interface = "org.freedesktop.DBus.Properties"
        ((_, value),) = self._bus.call(_NAME, _PATH, interface, "Get", "ss", _MANAGER, name)
        return str(value)

    def start(self, unit: str, properties: "list[tuple[str, tuple[str, Any]]]") -> str:
        """The result of the job, "done" if it went well."""
        self._subscribe()
        body: tuple[Any, ...] = (unit, "replace", properties, [])
        try:
            (job,) = self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", *body)
        except BusError as problem:
            if problem.name != f"{_NAME}.UnitExists":
                raise
            # It may be the rest of a container that failed: forgotten, it makes way.
            self._reset(unit)
            (job,) = self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", *body)
        result = self._wait(job, unit)
        if result != "done":
            self._reset(unit)
        return result

    def change(self, unit: str, properties: "list[tuple[str, tuple[str, Any]]]") -> None:
        self._call("SetUnitProperties", "sba(sv)", unit, True, properties)
        # It answers before it writes to the cgroup, and writes before it takes another call (manager_loop).
        self.property("Version")

    def attach(self, unit: str, below: str, pid: int) -> None:
        self._call("AttachProcessesToUnit", "ssau", unit, below, [pid])

    def stop(self, unit: str) -> None:
        self._subscribe()
        try:
            (job,) = self._call("StopUnit", "ss", unit, "replace")
            self._wait(job, unit)
        except BusError as problem:
            if problem.name != f"{_NAME}.NoSuchUnit":
                raise
        self._reset(unit)

    def _subscribe(self) -> None:
        if self._bus.has_bus:
            self._bus.call(*BUS, "AddMatch", "s", _MATCH)
        self._call("Subscribe")

    def _reset(self, unit: str) -> None:
        """A failed unit stays until it is told to be forgotten; one that isn't loaded is so already."""
        try:
            self._call("ResetFailedUnit", "s", unit)
        except BusError as problem:
            if problem.name != f"{_NAME}.NoSuchUnit":
                raise

    def _wait(self, job: str, unit: str) -> str:
        while True:
            member, body = self._bus.wait_signal(f"the job for {unit}")
            if member == "JobRemoved" and body[1] == job:
                return str(body[3])

    def _call(self, method: str, signature: str = "", *body: "Any") -> "tuple[Any, ...]":
        return self._bus.call(_NAME, _PATH, _MANAGER, method, signature, *body)


def _connect(user: bool) -> Bus:
    """The first that answers.  Raises BusError."""
    problems = []
    for address, has_bus in _addresses(user):
        try:
            return Bus(address, has_bus)
        except BusError as problem:
            problems.append(str(problem))
    raise BusError("; ".join(problems) or "no address: set XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS")


def _addresses(user: bool) -> "Iterator[tuple[str, bool]]":
    """As systemctl looks: what the environment names; systemd's own socket, which needs no bus; the bus."""
    named = _environment("DBUS_SESSION_BUS_ADDRESS" if user else "DBUS_SYSTEM_BUS_ADDRESS")
    if named:
        yield named, True
    own, bus = "/run/systemd/private", "/run/dbus/system_bus_socket"
    if user:
        directory = _environment("XDG_RUNTIME_DIR") or f"/run/user/{posix.geteuid()}"
        own, bus = f"{directory}/systemd/private", f"{directory}/bus"
    yield f"unix:path={own}", False
    yield f"unix:path={bus}", True


def _environment(name: str) -> str:
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")
