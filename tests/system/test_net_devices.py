"""linux.netDevices: interfaces move into the container's network namespace (config-linux.md#network-devices).

What is the host's here is a network namespace of the test's own, around the runtime: the machine's stays as it is.
"""

import json
import os
import signal
import subprocess

import pytest

from tests.system.hooking import hook, with_hooks
from tests.system.looking import in_user_namespace, set_linux, set_namespaces, together
from tests.system.runtime import RUNTIME, wait_ended

pytestmark = [pytest.mark.root, pytest.mark.tool("ip"), pytest.mark.tool("nsenter"), pytest.mark.tool("unshare")]

FOREVER = ("sleep", "1000")


class Network:
    """A network namespace: that of a process."""

    def __init__(self, pid):
        self.pid = pid

    @property
    def path(self):
        return f"/proc/{self.pid}/ns/net"

    def ip(self, *words):
        command = ["nsenter", f"--net={self.path}", "ip", "-j", *" ".join(words).split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else []

    def links(self):
        return {link["ifname"]: link for link in self.ip("-d link show")}

    def names(self):
        return set(self.links()) - {"lo", "sit0", "tunl0"}

    def addresses(self, name):
        """Those of global scope."""
        (found,) = self.ip("addr show dev", name)
        return {
            f"{each['local']}/{each['prefixlen']}": each for each in found["addr_info"] if each["scope"] == "global"
        }


@pytest.fixture
def namespaces(ocipy):
    """``namespaces()``: a new one.  They end before ``ocipy`` looks for what is left."""
    del ocipy
    holders = []

    def make():
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        holders.append(holder)
        holder.stdout.readline()
        network = Network(holder.pid)
        network.ip("link set lo up")
        return network

    yield make
    for holder in holders:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@pytest.fixture
def host(namespaces):
    """The host's, with a pair of interfaces: ``eth7``, and its peer ``peer``."""
    network = namespaces()
    network.ip("link add eth7 type veth peer name peer")
    network.ip("link set peer up")
    return network


@pytest.fixture
def within(ocipy, host):
    """The command, run where the host's network is ``host``."""

    def run(*argv, **options):
        command = ("nsenter", f"--net={host.path}", RUNTIME, "--root", str(ocipy.root), *map(str, argv))
        return ocipy.execute(*command, **options)

    return run


@pytest.fixture
def create(ocipy, within):
    """``create(path)``: the network of the new container."""

    def make(path, **options):
        container = ocipy.expect(ocipy.new_id())
        within("create", "--bundle", path, container, status=0, **options)
        return Network(ocipy.pid(container))

    return make


@pytest.fixture
def refused(ocipy, within):
    def run(path):
        done = within("create", "--bundle", path, ocipy.new_id(), status=1)
        assert done.stderr.count("\n") == 1, done.stderr
        assert ocipy.left() == []
        return done.stderr.removeprefix("ocipy: ").rstrip("\n")

    return run


def moving(**devices):
    return set_linux(netDevices={name: {"name": inside} if inside else {} for name, inside in devices.items()})


@pytest.mark.parametrize("inside", ["", "net0"])
@pytest.mark.parametrize("namespace", [None, in_user_namespace])
def test_moved(host, create, bundle, inside, namespace):
    """Up, with what it was, and its lasting addresses of global scope; and gone from the host."""
    host.ip("link set eth7 address 02:00:00:00:00:07 mtu 1400 txqueuelen 123 alias uplink up")
    for address in ("10.7.0.1/24", "10.7.0.2/24", "fd00::7/64", "10.8.0.1/24 noprefixroute metric 77",
                    "10.9.0.1 peer 10.9.0.2/32", "10.10.0.1/16 broadcast 10.10.0.9"):  # fmt: skip
        host.ip("addr add", address, "dev eth7")
    for address in ("169.254.7.7/16 scope link", "10.99.0.1/24 valid_lft 1000 preferred_lft 1000", "fe80::7/64"):
        host.ip("addr add", address, "dev eth7")
    before = host.addresses("eth7")
    container = create(bundle(*FOREVER, change=together(moving(eth7=inside), namespace)))
    assert host.names() == {"peer"}
    assert container.names() == {inside or "eth7"}
    link = container.links()[inside or "eth7"]
    assert (link["address"], link["mtu"], link["txqlen"], link["ifalias"]) == ("02:00:00:00:00:07", 1400, 123, "uplink")
    assert "UP" in link["flags"]
    after = container.addresses(inside or "eth7")
    assert set(after) == set(before) - {"10.99.0.1/24"}
    same = ("family", "prefixlen", "broadcast", "address", "noprefixroute", "metric", "valid_life_time", "secondary")
    for text, address in after.items():
        assert {name: address.get(name) for name in same} == {name: before[text].get(name) for name in same}
    assert after["10.7.0.1/24"]["label"] == (inside or "eth7")


def test_what_was_down_is_up(host, create, bundle):
    container = create(bundle(*FOREVER, change=moving(eth7="")))
    assert "UP" in container.links()["eth7"]["flags"]


def test_several(host, create, bundle):
    """Names may be exchanged; a pattern is for the kernel to fill in."""
    for number in range(3):
        host.ip(f"link add a{number} type veth peer name b{number}")
    container = create(bundle(*FOREVER, change=moving(a0="a1", a1="a0", a2="net%d", eth7="net%d")))
    assert {"a0", "a1"} < container.names()
    others = container.names() - {"a0", "a1"}
    assert len(others) == 2
    assert all(name.startswith("net") and name[3:].isdigit() for name in others)
    assert host.names() == {"b0", "b1", "b2", "peer"}
    pairs = {name: link["link_index"] for name, link in container.links().items() if name in ("a0", "a1")}
    peers = {name: link["ifindex"] for name, link in host.links().items()}
    assert pairs == {"a1": peers["b0"], "a0": peers["b1"]}


@pytest.mark.parametrize(("inside", "free"), [("net%d", "net0"), ("eth7", "net0"), ("net1", "eth7")])
def test_into_a_namespace_that_is_there(host, namespaces, create, bundle, inside, free):
    """It has interfaces of its own; one of the host's name is in the way of no other."""
    joined = namespaces()
    joined.ip(f"link add {free} type veth peer name own")
    host.ip("addr add fd00::7/64 dev eth7")
    create(bundle(*FOREVER, change=together(moving(eth7=inside), set_namespaces(network=joined.path))))
    (new,) = joined.names() - {free, "own"}
    assert new == inside or (inside == "net%d" and new.startswith("net"))
    assert list(joined.addresses(new)) == ["fd00::7/64"]
    assert host.names() == {"peer"}


def test_it_is_there_for_sysctls_and_hooks(host, create, bundle, tmp_path):
    change = together(
        moving(eth7="net0"),
        lambda config: config["linux"].update(sysctl={"net.ipv4.conf.net0.forwarding": "1"}),
        with_hooks(createRuntime=[hook(f"sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' > {tmp_path}/pid;"
                                       f" cat /proc/$(cat {tmp_path}/pid)/net/dev > {tmp_path}/dev")]),
    )  # fmt: skip
    create(bundle(*FOREVER, change=change))
    assert "net0:" in (tmp_path / "dev").read_text()


def test_a_virtual_one_ends_with_the_namespace(host, create, within, ocipy, bundle):
    """The runtime must not move it out: that it is gone is the kernel's doing."""
    container = create(bundle(*FOREVER, change=moving(eth7="")))
    os.kill(container.pid, signal.SIGKILL)
    wait_ended(container.pid)
    within("delete", ocipy._created[0], status=0)
    assert "eth7" not in host.names()


def test_it_stays_in_a_namespace_that_was_there(host, namespaces, create, within, ocipy, bundle):
    joined = namespaces()
    create(bundle(*FOREVER, change=together(moving(eth7="net0"), set_namespaces(network=joined.path))))
    within("delete", "--force", ocipy._created[0], status=0)
    assert joined.names() == {"net0"}
    assert host.names() == {"peer"}


@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_a_failure_later_on_takes_it_back(host, namespaces, refused, bundle, joins, kind):
    """As if create had never been attempted: name, addresses, state and routes; also where it is init that fails, and
    its new namespace would end with it."""
    host.ip("link set eth7 up")
    for address in ("10.7.0.1/24 label eth7:1", "fd00::7/64 nodad"):
        host.ip("addr add", address, "dev eth7")
    host.ip("route add 10.20.0.0/16 via 10.7.0.254 metric 7")
    host.ip("route add 10.21.0.0/16 via 10.50.0.1 dev eth7 onlink table 99")
    host.ip("route add fd01::/64 via fd00::1")

    def seen():
        """Without the kernel's own routes, which come as the state of the link and of the addresses has it."""
        link = host.links()["eth7"]
        routes = [*host.ip("-4 route show table all dev eth7"), *host.ip("-6 route show table all dev eth7")]
        added = sorted(str(each) for each in routes if each.get("protocol") != "kernel")
        assert len(added) == 3
        return link["ifindex"], link["address"], "UP" in link["flags"], link["mtu"], host.addresses("eth7"), added

    before = seen()
    joined = namespaces() if joins else None
    change = together(moving(eth7="net0"), with_hooks(**{kind: [hook("exit 3")]}),
                      set_namespaces(network=joined.path) if joined else None)  # fmt: skip
    assert f"{kind} hook #0" in refused(bundle(*FOREVER, change=change))
    assert seen() == before
    assert joined is None or joined.names() == set()


def test_one_that_cannot_move_takes_the_others_back(host, refused, bundle):
    """A bridge is of its namespace."""
    host.ip("link add br7 type bridge")
    message = refused(bundle(*FOREVER, change=moving(eth7="net0", br7="")))
    assert message.startswith("linux.netDevices.br7: move the network interface")
    assert message.endswith("EINVAL: invalid argument")
    assert host.names() == {"eth7", "peer", "br7"}


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ({"nothere": ""}, "linux.netDevices.nothere: there is no such network interface"),
        ({"eth7": "lo"}, "linux.netDevices.eth7: the container's network namespace has a lo already"),
        ({"eth7": "net0", "peer": "net0"}, "/linux/netDevices/peer/name (line 1"),
        ({"eth7": "peer", "peer": ""}, "'peer' is the name of two interfaces (first in /linux/netDevices/eth7/name)"),
        ({"lo": "net0"}, "the loopback interface can't be moved"),
        ({"eth7": "a/b"}, "is no interface name"),
        ({"eth7": "x" * 16}, "is no interface name"),
        ({"eth7": "n%dx"}, "the only pattern is a %d at the end"),
        ({"eth7": "n%s"}, "the only pattern is a %d at the end"),
    ],
)
def test_refused_before_anything_is_made(host, refused, bundle, devices, message, tmp_path):
    change = together(moving(**devices), with_hooks(prestart=[hook(f"touch {tmp_path}/ran")]))
    assert message in refused(bundle(*FOREVER, change=change))
    assert host.names() == {"eth7", "peer"}
    assert not (tmp_path / "ran").exists()


def test_a_name_that_a_joined_namespace_has(host, namespaces, refused, bundle):
    joined = namespaces()
    joined.ip("link add net0 type veth peer name own")
    change = together(moving(eth7="net0"), set_namespaces(network=joined.path))
    message = refused(bundle(*FOREVER, change=change))
    assert message == "linux.netDevices.eth7: the container's network namespace has a net0 already"
    assert host.names() == {"eth7", "peer"}


def test_no_namespace_to_move_it_to(host, refused, bundle):
    change = moving(eth7="")
    assert "/linux/netDevices" in refused(bundle(*FOREVER, change=together(change, set_namespaces(network=None))))
    message = refused(bundle(*FOREVER, change=together(change, set_namespaces(network=host.path))))
    assert (
        message == f"linux.netDevices: {host.path} is the runtime's own network namespace: nothing can be moved there"
    )
    message = refused(bundle(*FOREVER, change=together(change, set_namespaces(network="/proc/1/nothing"))))
    assert message == "linux.netDevices: look into /proc/1/nothing: ENOENT: no such file or directory"


def test_none(ocipy, bundle):
    ocipy.run(bundle("true", change=set_linux(netDevices={})), status=0)
