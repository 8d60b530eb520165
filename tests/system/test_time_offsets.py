"""``linux.timeOffsets``: the clocks of a container with a time namespace of its own (time_namespaces(7))."""

from pathlib import Path

import pytest

from tests.system.looking import (
    NAMESPACES,
    in_user_namespace,
    inside,
    namespace_of,
    set_linux,
    set_namespaces,
    together,
)
from tests.system.runtime import RUNTIME

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/proc/self/timens_offsets").exists(), reason="no time namespaces in this kernel"),
]

HOUR = 3600
OFFSETS = {"boottime": {"secs": 100 * HOUR, "nanosecs": 7}, "monotonic": {"secs": 5}}
SHOWN = ["monotonic", "5", "0", "boottime", str(100 * HOUR), "7"]
LOOK = "cat /proc/self/timens_offsets /proc/uptime"


def uptime():
    return float(Path("/proc/uptime").read_text().split()[0])


def clocks(text):
    """(what timens_offsets says, the uptime)."""
    fields = text.split()
    return fields[:6], float(fields[6])


def with_offsets(*changes, **offsets):
    return together(set_namespaces(time=""), set_linux(timeOffsets=offsets or OFFSETS), *changes)


def test_clocks_are_moved(ocipy, bundle):
    before = uptime()
    offsets, up = clocks(inside(ocipy, bundle, LOOK, change=with_offsets()))
    assert offsets == SHOWN
    assert before + 100 * HOUR <= up <= uptime() + 100 * HOUR + 1


def test_the_host_s_clocks_stay(ocipy, bundle):
    """The runtime itself has entered nothing, nor has a process beside the container's."""
    before = uptime()
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=with_offsets())))
    assert namespace_of(pid, "time") != namespace_of("self", "time")
    assert before <= uptime() < before + HOUR
    assert Path("/proc/self/timens_offsets").read_text().split() == ["monotonic", "0", "0", "boottime", "0", "0"]


def test_back_in_time(ocipy, bundle):
    if uptime() < 20:
        pytest.skip("this machine has just started")
    offsets, up = clocks(inside(ocipy, bundle, LOOK, change=with_offsets(boottime={"secs": -10})))
    assert offsets[3:] == ["boottime", "-10", "0"]
    assert up < uptime() - 9


def test_only_what_is_asked_for(ocipy, bundle):
    change = with_offsets(monotonic={"nanosecs": 9})
    assert clocks(inside(ocipy, bundle, LOOK, change=change))[0] == ["monotonic", "0", "9", "boottime", "0", "0"]


def test_beside_a_new_user_namespace(ocipy, bundle):
    script = LOOK + "; cat /proc/self/uid_map; id -u"
    said = inside(ocipy, bundle, script, change=with_offsets(in_user_namespace))
    assert clocks(said)[0] == SHOWN
    assert said.split()[8:] == ["0", "100000", "65536", "0"]


@pytest.mark.parametrize("kinds", [("network", "uts"), ("user", "network", "uts", "ipc"), ("pid",)])
def test_beside_joined_namespaces(ocipy, bundle, kinds):
    """The joined user namespace owns the new time namespace."""
    first = bundle("sleep", "1000", change=in_user_namespace)
    pid = ocipy.pid(ocipy.start(first))
    paths = {kind: f"/proc/{pid}/ns/{NAMESPACES[kind]}" for kind in kinds}

    def without_names(config):
        del config["hostname"]
        if "user" not in kinds:
            config["mounts"] = [each for each in config["mounts"] if each["type"] != "sysfs"]

    container = ocipy.start(bundle("sleep", "1000", change=with_offsets(set_namespaces(**paths), without_names)))
    inner = ocipy.pid(container)
    assert Path(f"/proc/{inner}/timens_offsets").read_text().split() == SHOWN
    for kind in kinds:
        assert namespace_of(inner, kind) == namespace_of(pid, kind)
    assert namespace_of(inner, "time") not in (namespace_of(pid, "time"), namespace_of("self", "time"))


@pytest.mark.parametrize("changes", [(), (in_user_namespace,)])
def test_a_clock_below_zero(ocipy, bundle, changes):
    path = bundle(change=with_offsets(*changes, boottime={"secs": -(2**40)}))
    assert ocipy.refused(path) == (
        "linux.namespaces: write to timens_offsets: ERANGE: numerical result out of range "
        "(a clock would be below 0, or centuries ahead)"
    )


@pytest.mark.parametrize("path", [None, "/proc/self/ns/time"])
def test_offsets_without_a_new_namespace(ocipy, bundle, path):
    """Refused before anything is made."""
    change = together(set_namespaces(time=path), set_linux(timeOffsets=OFFSETS))
    line = ocipy.refused(bundle(change=change))
    assert "/linux/timeOffsets" in line
    assert ("are set for good" if path else "the clocks are the host's") in line
    assert not list(ocipy.root.iterdir())


def test_killed_with_its_parent_like_any(ocipy, bundle):
    """A second clone is a child of the runtime too: run passes its exit status on."""
    done = ocipy.run(bundle("sh", "-c", "exit 7", change=with_offsets()))
    assert done.returncode == 7


def test_without_the_right_to_set_clocks(ocipy, bundle):
    """As the root of an outer container is."""
    path = bundle(change=with_offsets())
    command = ("setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", RUNTIME)
    done = ocipy.execute(*command, "--root", str(ocipy.root), "run", "--bundle", path, ocipy.new_id(), status=1)
    assert "write to timens_offsets: EPERM" in done.stderr
    assert "CAP_SYS_TIME" in done.stderr
    path = bundle("sh", "-c", LOOK, change=with_offsets(in_user_namespace))
    done = ocipy.execute(*command, "--root", str(ocipy.root), "run", "--bundle", path, ocipy.new_id(), status=0)
    assert clocks(done.stdout)[0] == SHOWN, "its own user namespace gives it that right"
