"""The systemd driver's client, against a stand-in for systemd."""

import pytest

from ocipy.cgroups import dbus, units
from ocipy.cgroups.dbus import Bus, BusError
from ocipy.errors import StepError, UsageError
from tests.fake_systemd import FakeSystemd

SCOPE = [("Slice", "s", "a-b.slice"), ("Delegate", "b", True), ("DeviceAllow", "a(ss)", [("char-*", "m")]),
         ("AllowedCPUs", "ay", b"\3"), ("MemoryMax", "t", 2**64 - 1)]  # fmt: skip


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    fake = FakeSystemd(tmp_path / "bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", fake.address)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setattr(dbus, "TIMEOUT", 5.0)
    yield fake
    fake.close()


def methods(fake):
    return [method for method, _ in fake.calls]


@pytest.mark.parametrize(
    ("text", "version"), [("252.22-1~deb12u1", 252), ("v245.4-1.fc32", 245), ("241", 241), ("?", 0)]
)
def test_probe(systemd, text, version):
    systemd.properties = {"Version": text, "ControlGroup": "/init.scope"}
    found = units.probe(user=False)
    assert (found.user, found.version, found.cgroup) == (False, version, "/init.scope")


def test_the_root_is_the_cgroup_of_a_system_s_systemd(systemd):
    assert units.probe(user=False).cgroup == "/"


def test_nobody_there(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    with pytest.raises(UsageError, match="--systemd-cgroup: the user's systemd can't be reached: unix:path=/nowhere"):
        units.probe(user=True)


@pytest.mark.parametrize("signal_first", [True, False])
def test_start(systemd, signal_first):
    """The job may be done before we are told its name."""
    systemd.signal_first = signal_first
    units.start("x-y.scope", SCOPE, 42, user=False)
    assert methods(systemd) == ["Hello", "AddMatch", "Subscribe", "StartTransientUnit"]
    assert systemd.units["x-y.scope"] == {
        "Slice": "a-b.slice", "Delegate": True, "DeviceAllow": [("char-*", "m")], "AllowedCPUs": b"\3",
        "MemoryMax": 2**64 - 1, "PIDs": [42],
    }  # fmt: skip


def test_change(systemd):
    """A second call is answered once the first has been done in the cgroup."""
    units.start("x-y.scope", SCOPE, 42, user=False)
    del systemd.calls[:]
    units.change("x-y.scope", [("MemoryMax", "t", 7), ("AllowedCPUs", "ay", b"")], user=False)
    assert methods(systemd) == ["Hello", "SetUnitProperties", "Get"]
    assert systemd.units["x-y.scope"] | {"MemoryMax": 7, "AllowedCPUs": b""} == systemd.units["x-y.scope"]


def test_a_change_that_systemd_refuses(systemd):
    systemd.errors["SetUnitProperties"] = ["org.freedesktop.systemd1.PropertyReadOnly"]
    with pytest.raises(StepError, match=r"\(x-y.scope\): SetUnitProperties: it is PropertyReadOnly"):
        units.change("x-y.scope", [("MemoryMax", "t", 7)], user=False)


def test_a_user_s(systemd, monkeypatch):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", systemd.address)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    units.start("x-y.scope", SCOPE, 42, user=True)
    assert "x-y.scope" in systemd.units


def test_systemd_s_own_socket_has_no_bus(tmp_path, monkeypatch):
    directory = tmp_path / "systemd"
    directory.mkdir()
    fake = FakeSystemd(directory / "private")
    try:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
        units.start("x-y.scope", SCOPE, 42, user=True)
        assert methods(fake) == ["Subscribe", "StartTransientUnit"]
    finally:
        fake.close()


def test_a_job_that_fails(systemd):
    systemd.result = "failed"
    with pytest.raises(StepError, match=r"\(x-y.scope\): systemd's job to start it ended as 'failed'"):
        units.start("x-y.scope", SCOPE, 42, user=False)
    assert methods(systemd)[-1] == "ResetFailedUnit"


def test_the_rest_of_a_unit_that_failed_makes_way(systemd):
    systemd.errors["StartTransientUnit"] = ["org.freedesktop.systemd1.UnitExists"]
    units.start("x-y.scope", SCOPE, 42, user=False)
    assert methods(systemd)[-3:] == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (["org.freedesktop.systemd1.UnitExists"] * 2, "it is UnitExists"),
        (["org.freedesktop.DBus.Error.InvalidArgs"], "it is InvalidArgs"),
    ],
)
def test_a_refusal(systemd, errors, said):
    systemd.errors["StartTransientUnit"] = errors
    with pytest.raises(StepError, match=said):
        units.start("x-y.scope", SCOPE, 42, user=False)


def test_stop(systemd):
    units.start("x-y.scope", SCOPE, 42, user=False)
    units.stop("x-y.scope", user=False)
    assert methods(systemd)[-2:] == ["StopUnit", "ResetFailedUnit"]
    assert systemd.units == {}


def test_what_has_gone_needs_no_stop(systemd):
    gone = "org.freedesktop.systemd1.NoSuchUnit"
    systemd.errors = {"StopUnit": [gone], "ResetFailedUnit": [gone]}
    units.stop("x-y.scope", user=False)


def test_no_answer_in_time(systemd, monkeypatch):
    monkeypatch.setattr(dbus, "TIMEOUT", 0.05)
    systemd.silent = {"Subscribe"}
    with pytest.raises(StepError, match="Subscribe: no answer within"):
        units.start("x-y.scope", SCOPE, 42, user=False)


def test_not_let_in(systemd):
    systemd.greeting = b"REJECTED EXTERNAL\r\n"
    with pytest.raises(BusError, match="doesn't let us in: REJECTED EXTERNAL"):
        Bus(systemd.address, has_bus=True)


def test_without_jeepney(systemd, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jeepney", None)
    monkeypatch.setitem(__import__("sys").modules, "jeepney.low_level", None)
    with pytest.raises(UsageError, match="the Python package jeepney is missing"):
        units.probe(user=False)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("unix:path=/run/dbus/system_bus_socket", "/run/dbus/system_bus_socket"),
        ("unix:path=/a,guid=12", "/a"),
        ("unix:guid=12,abstract=/tmp/x%2dy", "\0/tmp/x-y"),
        ("tcp:host=x,port=1;unix:path=/b%20c", "/b c"),
    ],
)
def test_addresses(address, name):
    """D-Bus Specification, Server Addresses."""
    assert dbus.socket_name(address) == name


def test_an_address_without_a_socket():
    with pytest.raises(BusError, match="has no unix socket"):
        dbus.socket_name("tcp:host=x,port=1")
