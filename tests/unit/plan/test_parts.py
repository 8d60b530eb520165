"""Namespaces, devices, hooks, limits, the root: each list of steps by itself."""

import pytest

from ocipy.errors import StepError
from ocipy.host import HostInfo
from ocipy.plan import hooks, network, rootfs
from ocipy.plan.devices import devices
from ocipy.plan.mounts import MountContext
from ocipy.plan.namespaces import CLONE_FLAGS, Namespaces, id_map
from ocipy.plan.rlimits import NUMBERS, rlimits


def namespaces(*entries):
    return Namespaces([{"type": type_, "path": path} for type_, path in entries])


def test_new_and_joined_namespaces():
    found = namespaces(("pid", ""), ("network", "/run/netns/a"), ("cgroup", ""))
    assert (found.new, found.joined) == (["pid", "cgroup"], {"network": "/run/netns/a"})
    assert [found.has(type_) for type_ in ("pid", "network", "uts")] == [True, True, False]
    assert found.pointers["network"] == "/linux/namespaces/1"


@pytest.mark.parametrize("path", ["", "/run/netns/a"])
def test_network_devices(path):
    found = {"eth1": {}, "eth2": {"name": "net%d"}, "a~b": {"name": ""}}
    steps = list(network.devices(found, namespaces(("network", path)), HostInfo()))
    assert [(step.pointer, step.values["name"], step.values["inside"]) for step in steps] == [
        ("/linux/netDevices/eth1", "eth1", "eth1"),
        ("/linux/netDevices/eth2", "eth2", "net%d"),
        ("/linux/netDevices/a~0b", "a~b", "a~b"),
    ]
    assert {step.values["path"] for step in steps} == {path}


def test_network_devices_are_not_an_ordinary_user_s():
    with pytest.raises(StepError, match="^linux.netDevices: only root can move"):
        list(network.devices({"eth1": {}}, namespaces(("network", "")), HostInfo(uid=1000)))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("pid", ""), ("mount", "")], {"new": ["pid", "mount"], "fork_again": False}),
        # cgroup_namespaces(7): made once the process is in its cgroup
        ([("cgroup", ""), ("uts", "")], {"new": ["uts"], "fork_again": False}),
        # pid_namespaces(7), time_namespaces(7): setns(2) into them is for children only
        ([("pid", "/p")], {"join": {"pid": "/p"}, "fork_again": True}),
        ([("time", "/t")], {"join": {"time": "/t"}, "fork_again": True}),
        ([("network", "/n")], {"join": {"network": "/n"}, "fork_again": False}),
        # new ones beside joined ones are to belong to the joined user namespace
        ([("network", "/n"), ("uts", "")], {"fork_again": True}),
        ([("user", "/u"), ("uts", "")], {"become_root": True, "wait_maps": False, "fork_again": True}),
        ([("user", "")], {"become_root": True, "wait_maps": True, "fork_again": False}),
        ([], {"new": [], "join": {}, "become_root": False, "wait_maps": False, "fork_again": False}),
    ],
)
def test_the_spawn(entries, expected):
    values = namespaces(*entries).spawn({}, {}).values
    assert {name: values[name] for name in expected} == expected


def test_the_spawn_is_in_its_cgroups():
    values = namespaces().spawn({"memory": "/m", "": "/u", "name=systemd": "/s"}, {}).values
    assert (values["tasks"], values["unified"]) == (["/m/tasks", "/s/tasks"], "/u")


def test_the_spawn_sets_clocks():
    """time_namespaces(7): before a process is in the namespace, and so by another one."""
    entries = [("time", ""), ("pid", "")]
    values = namespaces(*entries).spawn({}, {"boottime": {"secs": -5}, "monotonic": {"secs": 1, "nanosecs": 2}}).values
    assert (values["time_offsets"], values["fork_again"]) == ("monotonic 1 2\nboottime -5 0\n", True)
    assert values["new"] == ["time", "pid"]
    values = namespaces(*entries).spawn({}, {}).values
    assert (values["time_offsets"], values["fork_again"]) == ("", False)


def test_clone_flags():
    """linux/sched.h."""
    assert CLONE_FLAGS == {
        "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
        "pid": 0x20000000, "network": 0x40000000, "time": 0x80,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("uid", "host_id", "size", "deny", "helped"),
    [
        (0, 1000, 1, False, []),
        (0, 100000, 65536, False, []),
        (1000, 1000, 1, True, []),
        (1000, 1000, 2, False, ["gid", "uid"]),
        (1000, 100000, 1, False, ["gid", "uid"]),  # one id, but a subordinate one
    ],
)
def test_id_maps(uid, host_id, size, deny, helped):
    """user_namespaces(7): without privileges the own group may be mapped, and only after setgroups is given up."""
    entries = [{"containerID": 0, "hostID": host_id, "size": size}]
    values = id_map({"uidMappings": entries, "gidMappings": entries}, HostInfo(uid=uid, gid=uid)).values
    ranges = [(0, host_id, size)]
    assert values == {"uid": ranges, "gid": ranges, "deny_setgroups": deny, "helped": helped}


def test_id_maps_of_which_one_is_the_user_s_own():
    own, range_ = [{"containerID": 0, "hostID": 1000, "size": 1}], [{"containerID": 0, "hostID": 5000, "size": 10}]
    host = HostInfo(uid=1000, gid=1000)
    by_group = id_map({"uidMappings": own, "gidMappings": range_}, host).values
    assert (by_group["deny_setgroups"], by_group["helped"]) == (False, ["gid"])
    by_user = id_map({"uidMappings": range_, "gidMappings": own}, host).values
    assert (by_user["deny_setgroups"], by_user["helped"]) == (True, ["uid"])


# config-linux.md, Default Devices; runtime-linux.md, Dev symbolic links.
DEFAULT_NODES = {
    "/dev/null": (1, 3), "/dev/zero": (1, 5), "/dev/full": (1, 7), "/dev/random": (1, 8), "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
}  # fmt: skip
LINKS = {
    "/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2", "/dev/core": "/proc/kcore", "/dev/ptmx": "pts/ptmx",
}  # fmt: skip


@pytest.mark.parametrize("bind", [False, True])
def test_default_devices(bind):
    found = list(devices([], bind))
    nodes = {op.values["path"]: (op.values["major"], op.values["minor"]) for op in found if op.name == "device"}
    assert nodes == DEFAULT_NODES
    assert {op.values["bind"] for op in found if op.name == "device"} == {int(bind)}
    assert {op.values["mode"] for op in found if op.name == "device"} == {0o020666}
    assert {op.values["path"]: op.values["target"] for op in found if op.name == "symlink"} == LINKS
    assert [op.values["path"] for op in found if op.name == "symlink" and op.values["replace"]] == ["/dev/ptmx"]


def device(path, type_, **changes):
    return {"path": path, "type": type_, "fileMode": 0o600, "uid": 1, "gid": 2, "major": 7, "minor": 8} | changes


@pytest.mark.parametrize(
    ("type_", "kind", "numbers"),
    [("c", 0o020000, (7, 8)), ("u", 0o020000, (7, 8)), ("b", 0o060000, (7, 8)), ("p", 0o010000, (0, 0))],
)
def test_the_config_s_devices(type_, kind, numbers):
    op = next(op for op in devices([device("/dev/x", type_)], False) if op.values["path"] == "/dev/x")
    assert op.pointer == "/linux/devices/0"
    assert op.values["mode"] == kind | 0o600
    assert (op.values["major"], op.values["minor"], op.values["uid"], op.values["gid"]) == (*numbers, 1, 2)


def test_a_device_s_mode_has_no_type_of_its_own():
    op = next(op for op in devices([device("/dev/x", "c", fileMode=0o060640)], False) if op.pointer.endswith("0"))
    assert op.values["mode"] == 0o020640


def test_a_device_of_the_config_replaces_the_default_one():
    found = [op for op in devices([device("/dev/null", "c")], False) if op.values["path"] == "/dev/null"]
    assert [op.pointer for op in found] == ["/linux/devices/0"]


HOOKS = {
    "prestart": [
        {"path": "/a", "args": ["a", "b"], "env": ["X=1"], "timeout": 3},
        {"path": "/b", "args": ["b"], "env": []},
    ]
}


def test_hooks_of_the_runtime():
    first, second = hooks.runtime_hooks(HOOKS, "prestart")
    assert (first.name, first.pointer) == ("run-hook", "/hooks/prestart/0")
    assert first.values == {
        "hook": "prestart", "number": 0, "path": "/a", "args": ["a", "b"], "env": ["X=1"], "timeout": 3
    }  # fmt: skip
    assert (second.values["timeout"], second.values["number"]) == (0, 1)


def test_hooks_of_the_container():
    (first, _) = hooks.container_hooks(HOOKS, "prestart", {"id": "box", "status": "creating"})
    assert (first.name, first.values["timeout"]) == ("hook", 3)
    assert first.values["before_pid"] + "7" + first.values["after_pid"] == '{"id":"box","status":"creating","pid":7}'


def test_a_variable_given_twice():
    config = {"createContainer": [{"path": "/a", "args": ["a"], "env": ["X=1", "Y=1", "X=2=3"]}]}
    (only,) = hooks.container_hooks(config, "createContainer", {"id": "box"})
    assert only.values["env"] == ["X=2=3", "Y=1"]


def test_a_hook_s_timeout_is_one_that_poll_takes():
    """poll(2) counts milliseconds in an int of 32 bits."""
    (op,) = hooks.runtime_hooks({"prestart": [{"path": "/a", "args": [], "env": [], "timeout": 2**40}]}, "prestart")
    assert 0 < op.values["timeout"] * 1000 < 2**31


def test_limits_have_the_kernel_s_numbers():
    import resource

    known = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    del known["RLIMIT_OFILE"]  # another name of NOFILE
    assert {name: NUMBERS[name] for name in known} == known
    assert len(NUMBERS) == 16
    (op,) = rlimits([{"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1}])
    assert (op.pointer, op.values["resource"], op.values["hard"]) == ("/process/rlimits/0", 4, 2**64 - 1)


def config(**changes):
    linux = {
        "rootfsPropagation": "",
        "devices": [],
        "sysctl": {},
        "readonlyPaths": [],
        "maskedPaths": [],
        "mountLabel": "",
    }
    base = {"root": {"path": "rootfs", "readonly": False}, "mounts": [], "process": {"cwd": "/"}, "linux": linux}
    for place, value in changes.items():
        base["linux" if place in linux else place] |= {place: value} if place in linux else value
    return base


@pytest.mark.parametrize(
    ("wanted", "first", "private_parent", "last"),
    [
        ("", "rslave", 0, None),
        ("shared", "shared", 1, "shared"),
        ("rslave", "rslave", 0, "rslave"),
        ("slave", "rslave", 0, "slave"),  # or the root's mount would spread to what it lies on
        ("private", "rslave", 0, "private"),
        ("unbindable", "rslave", 0, "unbindable"),  # what is unbindable couldn't become the root
        ("runbindable", "rprivate", 0, "runbindable"),
    ],
)
def test_propagation(hosts, wanted, first, private_parent, last):
    from ocipy.plan.mount_options import PROPAGATION

    context = MountContext("/bundle", hosts["none"], {}, False)
    found = list(rootfs.build(config(rootfsPropagation=wanted), context, True, False))
    assert found[0].values == {"flags": PROPAGATION[first]}
    assert found[1].values == {"path": "/bundle/rootfs", "bind": 1, "private_parent": private_parent}
    end = list(rootfs.enter(config(rootfsPropagation=wanted), True, False))
    assert [op.values["flags"] for op in end if op.name == "root-propagation"] == ([PROPAGATION[last]] if last else [])


@pytest.mark.parametrize(("cwd", "made"), [("/", []), ("//", []), ("/a/b", ["/a/b"])])
def test_the_working_directory_is_made(hosts, cwd, made):
    context = MountContext("/bundle", hosts["none"], {}, False)
    found = rootfs.build(config(process={"cwd": cwd}), context, True, False)
    assert [op.values["path"] for op in found if op.name == "directory"] == made


@pytest.mark.parametrize(
    ("name", "path", "pointer"),
    [
        ("net.ipv4.ip_forward", "sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/conf/eth0.100/mtu", "sys/net/ipv4/conf/eth0.100/mtu", "net~1ipv4~1conf~1eth0.100~1mtu"),
    ],
)
def test_sysctls(name, path, pointer):
    """sysctl.d(5): dots and slashes separate alike, and a name with slashes keeps its dots."""
    (op,) = rootfs.protect(config(sysctl={name: "1"}))
    assert (op.pointer, op.values) == (f"/linux/sysctl/{pointer}", {"path": path, "value": "1"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("net.core.somaxconn", "network"),
        ("net/ipv4/ip_forward", "network"),
        ("kernel.sem", "ipc"),
        ("fs.mqueue.msg_max", "ipc"),
        ("kernel.domainname", "uts"),
    ],
)
def test_sysctls_of_a_joined_namespace_that_is_the_host_s(make_plan, name, kind):
    def change(config):
        config["linux"]["sysctl"] = {name: "1"}

    host = HostInfo()
    for other in {"network", "ipc", "uts"} - {kind}:
        host.own_namespaces = (other,)
        assert make_plan(change, host=host)
    host.own_namespaces = (kind,)
    with pytest.raises(StepError, match=f"would change the host: the {kind} namespace to join is the runtime's own"):
        make_plan(change, host=host)


@pytest.mark.parametrize(("wanted", "refused"), [("private", True), ("rprivate", True), ("rslave", False), ("", False)])
def test_a_moved_root_can_not_be_private(wanted, refused):
    """As runc: the host's mounts stay below it."""
    steps = rootfs.enter(config(rootfsPropagation=wanted), own_mounts=True, no_pivot=True)
    if refused:
        with pytest.raises(StepError, match=r"linux\.rootfsPropagation: a private propagation isn't safe"):
            list(steps)
    else:
        assert next(steps).name == "move-root"
    assert next(rootfs.enter(config(rootfsPropagation=wanted), own_mounts=True, no_pivot=False)).name == "pivot-root"
