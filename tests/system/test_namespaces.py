"""Namespaces: new, joined by path, and the host's, seen by the numbers of their inodes."""

import os
import signal
import subprocess
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
    without_tty_group,
)
from tests.system.runtime import until

pytestmark = pytest.mark.root

LIST = "for kind in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$kind; done"
ALL = tuple(NAMESPACES)


def without_hostname(config):
    del config["hostname"]


def seen(text):
    """Kind → the namespace that LIST printed."""
    return dict(zip(ALL, text.split(), strict=True))


def host_namespaces():
    return {kind: namespace_of("self", kind) for kind in ALL}


@pytest.fixture
def holder():
    """Starts a process in new namespaces (options of unshare(1)); its /proc directory."""
    started = []

    def start(*options):
        process = subprocess.Popen(["unshare", *options, "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()  # the namespaces are there
        if "--pid" not in options:
            return Path(f"/proc/{process.pid}")
        return Path(f"/proc/{Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().strip()}")

    yield start
    for process in started:
        if children := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(children[0]), signal.SIGKILL)
        process.kill()
        process.wait()
        process.stdout.close()


def path_of(holder_proc, kind):
    return f"{holder_proc}/ns/{NAMESPACES[kind]}"


def test_all_eight_are_new(ocipy, bundle):
    change = together(set_namespaces(**dict.fromkeys(ALL, "")), in_user_namespace)
    found, host = seen(inside(ocipy, bundle, LIST, change=change)), host_namespaces()
    assert {kind for kind in ALL if found[kind] != host[kind]} == set(ALL)


def test_only_those_asked_for_are_new(ocipy, bundle):
    change = set_namespaces(**dict.fromkeys(set(ALL) - {"mount"}), mount="")
    found, host = (
        seen(inside(ocipy, bundle, LIST, change=together(change, without_hostname))),
        host_namespaces(),
    )
    assert {kind for kind in ALL if found[kind] != host[kind]} == {"mount"}


def test_init_is_process_1_of_a_new_pid_namespace(ocipy, bundle):
    assert inside(ocipy, bundle, "echo $$; echo /proc/[0-9]*").split() == ["1", "/proc/1"]


def test_the_host_s_pid_namespace(ocipy, bundle):
    said = inside(ocipy, bundle, "echo $$; cat /proc/1/comm", change=set_namespaces(pid=None)).split()
    assert int(said[0]) > 1
    assert said[1] == Path("/proc/1/comm").read_text().strip()


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--net", "network"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroup", "cgroup"), ("--time", "time")],
)
def test_joined_by_path(ocipy, bundle, holder, option, kind):
    # unshare(1) itself stays in the old time namespace when it execs without forking
    proc = holder(option, *(["--fork"] if kind == "time" else []))
    if kind == "time":
        proc = Path(f"/proc/{(proc / f'task/{proc.name}/children').read_text().strip()}")
    wanted = os.readlink(path_of(proc, kind))
    change = set_namespaces(**{kind: path_of(proc, kind)})
    if kind == "uts":
        change = together(change, without_hostname)
    found = seen(inside(ocipy, bundle, LIST, change=change))
    assert found[kind] == wanted
    assert found[kind] != namespace_of("self", kind)
    assert found["pid"] != namespace_of("self", "pid")


def test_a_joined_pid_namespace(ocipy, bundle, holder):
    proc = holder("--pid", "--fork", "--mount-proc")
    path = bundle("sh", "-c", "echo $$; cat /proc/1/cmdline; readlink /proc/self/ns/pid", change=set_namespaces(
        pid=path_of(proc, "pid")))  # fmt: skip
    said = ocipy.run(path, status=0).stdout
    assert said.startswith(tuple("23456789"))
    assert "sleep\x001000" in said
    assert said.endswith(os.readlink(path_of(proc, "pid")) + "\n")


def test_signals_and_states_with_a_joined_pid_namespace(ocipy, bundle, holder):
    """Init is a grandchild, yet its parent, its pid and its end are as ever."""
    proc = holder("--pid", "--fork", "--mount-proc")
    container = ocipy.start(bundle("sleep", "1000", change=set_namespaces(pid=path_of(proc, "pid"))))
    pid = ocipy.pid(container)
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    assert namespace_of(pid, "pid") == os.readlink(path_of(proc, "pid"))
    ocipy("kill", container, "KILL", status=0)
    until(lambda: ocipy.status(container) == "stopped")
    ocipy("delete", container, status=0)
    assert (proc / "comm").read_text() == "sleep\n", "the namespace's other process still runs"


def test_a_joined_mount_namespace(ocipy, bundle, holder):
    proc = holder("--mount", "--propagation", "private")
    found = seen(inside(ocipy, bundle, LIST, change=set_namespaces(mount=path_of(proc, "mount"))))
    assert found["mount"] == os.readlink(path_of(proc, "mount"))


def test_a_user_namespace_with_others_that_belong_to_it(ocipy, bundle, holder):
    proc = holder("--user", "--map-root-user", "--net", "--uts", "--ipc", "--cgroup")
    kinds = ("user", "network", "uts", "ipc", "cgroup")
    change = together(
        set_namespaces(**{kind: path_of(proc, kind) for kind in kinds}, pid="", mount=""),
        without_hostname,
        without_tty_group,
    )
    found = seen(inside(ocipy, bundle, LIST, change=change))
    assert {kind: found[kind] for kind in kinds} == {kind: os.readlink(path_of(proc, kind)) for kind in kinds}
    host = host_namespaces()
    assert found["pid"] != host["pid"]
    assert found["mount"] != host["mount"]


def test_a_joined_network_of_the_host_s_and_a_new_user_namespace(ocipy, bundle, holder):
    proc = holder("--net")

    def change(config):
        in_user_namespace(config)
        set_namespaces(network=path_of(proc, "network"))(config)
        # sysfs shows the network namespace, which the user namespace doesn't own
        config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/sys")]

    found = seen(inside(ocipy, bundle, LIST, change=change))
    assert found["network"] == os.readlink(path_of(proc, "network"))
    assert found["user"] != namespace_of("self", "user")


def test_a_pod(ocipy, bundle):
    """As Kubernetes has it: one container makes the namespaces, others join its network, ipc and uts."""
    first = ocipy.start(bundle("sleep", "1000"))
    pid = ocipy.pid(first)
    paths = {kind: f"/proc/{pid}/ns/{NAMESPACES[kind]}" for kind in ("network", "ipc", "uts", "pid")}
    change = together(set_namespaces(**paths), without_hostname)
    script = LIST + "; hostname; kill -0 1 && echo alive; cat /proc/1/comm"
    *lines, name, alive, command = inside(ocipy, bundle, script, change=change).split()
    found = seen("\n".join(lines))
    assert {kind: found[kind] for kind in paths} == {kind: namespace_of(pid, kind) for kind in paths}
    assert found["mount"] != namespace_of(pid, "mount")
    assert (name, alive, command) == ("runc", "alive", "sleep")


@pytest.mark.parametrize("kind", ["network", "pid", "user"])
def test_a_path_that_is_no_such_namespace(ocipy, bundle, tmp_path, kind):
    other = f"/proc/self/ns/{NAMESPACES['ipc']}"
    path = bundle(change=set_namespaces(**{kind: other}))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == (
        f"linux.namespaces: setns into the {kind} namespace: EINVAL: invalid argument "
        "(the path is no namespace of that type)"
    )
    path = bundle(change=set_namespaces(**{kind: tmp_path / "missing"}))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert f"open {tmp_path}/missing: ENOENT: no such file or directory" in line


def test_names(ocipy, bundle):
    def change(config):
        config.update(hostname="inner-host", domainname="inner.domain")

    host = os.uname().nodename
    said = inside(ocipy, bundle, "hostname; cat /proc/sys/kernel/domainname; uname -n", change=change)
    assert said.split() == ["inner-host", "inner.domain", "inner-host"]
    assert os.uname().nodename == host


def test_loopback_is_up_in_a_new_network_and_alone(ocipy, bundle):
    script = "ls /sys/class/net; cat /sys/class/net/lo/flags; ip -4 addr show lo | grep -o 127.0.0.1/8"
    interfaces, flags, address = inside(ocipy, bundle, script).split()
    assert interfaces == "lo"
    assert int(flags, 16) & 1, "IFF_UP"
    assert address == "127.0.0.1/8"


def test_sysctls(ocipy, bundle):
    values = {"net.core.somaxconn": "333", "net/ipv4/ip_forward": "1", "kernel.shmmax": "65536",
              "fs.mqueue.msg_max": "7", "net.ipv4.conf.lo.forwarding": "1"}  # fmt: skip
    files = ["net/core/somaxconn", "net/ipv4/ip_forward", "kernel/shmmax", "fs/mqueue/msg_max",
             "net/ipv4/conf/lo/forwarding"]  # fmt: skip
    before = [Path("/proc/sys", file).read_text() for file in files]
    script = "cd /proc/sys; cat " + " ".join(files)
    assert inside(ocipy, bundle, script, change=set_linux(sysctl=values)).split() == list(values.values())
    assert [Path("/proc/sys", file).read_text() for file in files] == before


def test_a_sysctl_that_is_not_there(ocipy, bundle):
    path = bundle(change=set_linux(sysctl={"net.no.such": "1"}))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line == (
        "linux.sysctl.net.no.such (sys/net/no/such): open /proc/sys/net/no/such: ENOENT: no such file or directory "
        "(this kernel doesn't have that setting)"
    )
    path = bundle(change=set_linux(sysctl={"net.core.somaxconn": "many"}))
    line = ocipy.fails("run", "--bundle", path, ocipy.new_id())
    assert line.endswith(": write to /proc/sys/net/core/somaxconn: EINVAL: invalid argument")


def test_time_namespace_counts_as_the_host_s_clock(ocipy, bundle):
    said = inside(ocipy, bundle, "cat /proc/self/timens_offsets; cat /proc/uptime", change=set_namespaces(time=""))
    fields = said.split()
    assert fields[:6] == ["monotonic", "0", "0", "boottime", "0", "0"]
    assert abs(float(fields[6]) - float(Path("/proc/uptime").read_text().split()[0])) < 60


@pytest.mark.parametrize(("kind", "name"), [("network", "net.core.somaxconn"), ("ipc", "kernel.shmmax")])
def test_sysctls_of_a_joined_namespace_that_is_the_host_s(ocipy, bundle, kind, name):
    before = Path("/proc/sys", name.replace(".", "/")).read_text()
    joined = set_namespaces(**{kind: f"/proc/self/ns/{NAMESPACES[kind]}"})
    line = ocipy.refused(bundle(change=together(joined, set_linux(sysctl={name: "77"}))))
    assert line == (
        f"linux.sysctl.{name}: would change the host: the {kind} namespace to join is the runtime's own "
        "(drop it from config.json)"
    )
    assert Path("/proc/sys", name.replace(".", "/")).read_text() == before
    assert not list(ocipy.root.iterdir())


def test_sysctls_of_a_joined_namespace(ocipy, bundle, holder):
    proc = holder("--net")
    change = together(set_namespaces(network=path_of(proc, "network")), set_linux(sysctl={"net.core.somaxconn": "77"}))
    assert inside(ocipy, bundle, "cat /proc/sys/net/core/somaxconn", change=change) == "77\n"
