"""rtnetlink by hand: what is sent and what is taken, against the kernel's own answers."""

import errno
import os
from _struct import pack

import pytest

from ocipy import netlink
from ocipy.netlink import Address, Netlink


@pytest.fixture
def socket():
    found = Netlink()
    yield found
    found.close()


def test_the_loopback_interface(socket):
    link = socket.link("lo")
    assert (link.index, link.name) == (1, "lo")
    with open("/sys/class/net/lo/flags") as file:
        assert link.up == bool(int(file.read(), 16) & 1)


def test_every_interface(socket):
    assert {link.name for link in socket.links()} >= set(os.listdir("/sys/class/net")) - {"bonding_masters"}
    assert socket.link("not-there") is None


def test_addresses(socket):
    for address in socket.addresses(socket.link("lo").index):
        assert address.family in (2, 10)
        assert address.flags & 0x80, "permanent"
        assert len(address.attributes[1]) == {2: 4, 10: 16}[address.family]
    with pytest.raises(OSError, match="."):
        socket.addresses(2**31 - 1)


def test_routes_are_those_of_the_interface(socket):
    for route in socket.routes(socket.link("lo").index):
        assert dict(netlink._attributes(route[12:]))[4] == pack("=I", 1)


def test_what_is_not_permitted():
    """In a child that has given up its rights: root may."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            Netlink().set_up(1)
        except PermissionError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_kernel_s_reason_is_told(socket):
    """The text of an extended acknowledgement (NETLINK_EXT_ACK), where there is one."""
    bad = Address(2, 99, 0, 0, {2: b"\1\2\3\4"})
    with pytest.raises(OSError, match="prefix|permitted") as caught:
        socket.add_address(1, bad)
    assert caught.value.errno in (errno.EINVAL, errno.EPERM)


def test_no_such_interface(socket):
    with pytest.raises(OSError, match=".") as caught:
        socket.change(2**31 - 1, "x", 0)
    assert caught.value.errno in (errno.ENODEV, errno.EINVAL, errno.EPERM)


def test_attributes_are_padded():
    data = netlink._attribute(3, b"abcde") + netlink._attribute(0x8004, b"")
    assert data == pack("=HH", 9, 3) + b"abcde\0\0\0" + pack("=HH", 4, 0x8004)
    assert list(netlink._attributes(data)) == [(3, b"abcde"), (4, b"")]


def test_an_attribute_without_a_length():
    with pytest.raises(OSError, match="attribute"):
        list(netlink._attributes(bytes(8)))


@pytest.mark.parametrize(("flags", "capped"), [(0x200, False), (0x300, True)])
def test_the_text_of_an_error(flags, capped):
    request = pack("=IHHII", 20, 16, 0, 1, 0) + b"body"
    body = pack("=i", -errno.EINVAL) + (request[:16] if capped else request) + netlink._attribute(1, b"why\0")
    with pytest.raises(OSError, match="why") as caught:
        netlink._raise_error(body, flags)
    assert caught.value.errno == errno.EINVAL
    netlink._raise_error(pack("=i", 0), 0)
    netlink._raise_error(b"", 0)


def test_a_namespace_that_is_none():
    with open("/dev/null") as file, pytest.raises(OSError, match="network namespace") as caught:
        Netlink(file.fileno())
    assert caught.value.errno in (errno.EINVAL, errno.EPERM)
