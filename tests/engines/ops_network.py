"""Operations: networks, and namespaces that are shared."""

import contextlib
from collections.abc import Iterator

from tests.engines.commandline import PODMAN, CommandLine
from tests.engines.matrix import operation
from tests.system.runtime import until

SERVE = ("sh", "-c", "echo served >/tmp/index.html; exec httpd -f -p 80 -h /tmp")


@contextlib.contextmanager
def server(engine: CommandLine, *flags: object) -> Iterator[str]:
    with engine.container(*flags, command=SERVE) as name:
        yield name


def fetch(engine: CommandLine, address: str) -> str:
    return engine.machine.run("busybox", "wget", "-q", "-O", "-", f"http://{address}/").out


@operation(*PODMAN)
def network_none(engine: CommandLine) -> None:
    """run --network none: a loopback interface that is up."""
    said = engine.inside(
        "ls /sys/class/net; ip -o addr; ping -c 1 127.0.0.1 >/dev/null && echo up", "--network", "none"
    )
    assert "127.0.0.1/8" in said
    assert said.endswith("up\n")
    assert "eth0" not in engine.inside("ip -o link", "--network", "none")


@operation(*PODMAN)
def network_host(engine: CommandLine) -> None:
    """run --network host: the engine's own."""
    own = engine.machine.run(*engine.become(), "readlink", "/proc/self/ns/net").out
    assert engine.inside("readlink /proc/self/ns/net", "--network", "host") == own


@operation(*PODMAN)
def network_port(engine: CommandLine) -> None:
    """run -p: a published port of the default network is reached from outside."""
    with server(engine, "-p", "127.0.0.1:8088:80"):
        until(lambda: fetch(engine, "127.0.0.1:8088") == "served\n", "an answer")


@operation("podman")
def network_bridge(engine: CommandLine) -> None:
    """A bridge: two containers reach each other, and both the host."""
    with server(engine, "--network", "bridge") as name:
        address = engine.inspect(name)["NetworkSettings"]["IPAddress"]
        assert address
        until(lambda: fetch(engine, address) == "served\n", "an answer")
        said = engine.inside(f"wget -q -O - http://{address}/", "--network", "bridge")
        assert said == "served\n"


@operation("podman")
def network_own(engine: CommandLine) -> None:
    """network create, connect: a network of the user's, with an address of the user's choice."""
    engine("network", "create", "--subnet", "10.99.7.0/24", "own")
    try:
        with server(engine, "--network", "own", "--ip", "10.99.7.9"):
            assert engine.inside("wget -q -O - http://10.99.7.9/", "--network", "own") == "served\n"
        with engine.container("--network", "bridge") as name:
            before = engine.inspect(name)["NetworkSettings"]["Networks"]
            engine("network", "connect", "own", name)
            after = engine.inspect(name)["NetworkSettings"]["Networks"]
            assert after.keys() - before.keys() == {"own"}
    finally:
        engine("network", "rm", "own")


@operation(*PODMAN)
def network_of_another(engine: CommandLine) -> None:
    """run --network container:…: the network of another."""
    with server(engine) as name:
        script = "until wget -q -O - http://127.0.0.1/ 2>/dev/null; do :; done"
        assert engine.inside(script, "--network", f"container:{name}") == "served\n"


@operation(*PODMAN)
def network_files(engine: CommandLine) -> None:
    """run --add-host, --dns, --hostname: the files in /etc."""
    flags = ("--add-host", "there:10.1.2.3", "--dns", "10.4.5.6", "--hostname", "here")
    network = ("--network", "slirp4netns") if engine.rootless else ("--network", "bridge")
    said = engine.inside("cat /etc/hosts /etc/resolv.conf /etc/hostname", *flags, *network)
    assert "10.1.2.3\tthere" in said
    assert "nameserver 10.4.5.6" in said
    assert said.strip().endswith("here")


@operation(*PODMAN)
def namespaces_of_another(engine: CommandLine) -> None:
    """run --pid, --ipc container:…: processes and shared memory of another."""
    with engine.container("--ipc", "shareable", command=("sh", "-c", "echo x >/dev/shm/x; exec sleep 1234")) as name:
        assert "sleep 1234" in engine.inside("ps", "--pid", f"container:{name}")
        wait = "until [ -s /dev/shm/x ]; do :; done; cat /dev/shm/x"
        assert engine.inside(wait, "--ipc", f"container:{name}") == "x\n"


@operation(*PODMAN, not_here={"podman-rootless": "the host has no /dev/mqueue"})
def namespaces_of_the_host(engine: CommandLine) -> None:
    """run --pid, --ipc, --uts host."""
    script = "readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts"
    own = engine.machine.run("sh", "-c", script).out
    assert engine.inside(script, "--ipc", "host", "--uts", "host") == own
    assert int(engine.inside("ps | wc -l", "--pid", "host")) > 4


@operation(*PODMAN)
def sysctl(engine: CommandLine) -> None:
    """run --sysctl: of the network and of IPC; others are refused."""
    flags = ("--sysctl", "kernel.msgmax=8000", "--sysctl", "net.ipv4.ip_default_ttl=77")
    assert engine.inside("cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_default_ttl", *flags) == "8000\n77\n"
    done = engine.run("--sysctl", "kernel.panic=1", command=("true",), status=None)
    assert done.status
    assert "kernel.panic" in done.err
