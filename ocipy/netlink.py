"""rtnetlink(7), as much of it as moving a network interface takes.

By hand, on the C half of ``socket``: a library for all of netlink would be the heaviest import of a create, for these
five messages.  Layouts: linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, in the machine's byte order.
"""

import _socket
import errno
import posix
from _struct import Struct, pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = Struct("=BBBBBBBBI")  # rtmsg: …, protocol (the sixth), …, flags (the last)
_ATTRIBUTE = Struct("=HH")

_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 16, 18, 20, 22, 24, 26
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_INTERRUPTED = 0x10  # of an answer: things changed meanwhile
_CAPPED, _WITH_TEXT = 0x100, 0x200  # of an error: without the request; with attributes
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT = 270, 10, 11, 12
_IFLA_IFNAME, _IFLA_NET_NS_FD = 3, 28
_IFA_FLAGS = 8
_RTA_OIF = 4
_IFF_UP = 1
_INET, _INET6 = 2, 10
_TRIES = 10


class Link:
    """A network interface: its ``index``, ``name``, and whether it is ``up``."""

    __slots__ = ("index", "name", "up")

    def __init__(self, index: int, name: str, up: bool) -> None:
        self.index = index
        self.name = name
        self.up = up


class Address:
    """An address of an interface: the fixed part's ``family``, ``prefix``, ``scope``, its ``flags`` (ifa_flags and
    IFA_FLAGS as one), and all attributes, by type."""

    __slots__ = ("attributes", "family", "flags", "prefix", "scope")

    def __init__(self, family: int, prefix: int, flags: int, scope: int, attributes: "dict[int, bytes]") -> None:
        self.family = family
        self.prefix = prefix
        self.flags = flags
        self.scope = scope
        self.attributes = attributes


class Netlink:
    """A socket of one network namespace, given by a descriptor (-1: this thread's).  All methods raise OSError."""

    def __init__(self, namespace: int = -1) -> None:
        if namespace < 0:
            self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, 0)
        else:
            self._socket = _socket.socket(fileno=_socket_in(namespace))
        self._sequence = 0
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError:
                continue  # before Linux 4.20; what they add is texts and filters

    def close(self) -> None:
        self._socket.close()

    def links(self) -> "list[Link]":
        """Every interface of the namespace."""
        return [_link(body) for body in self._dump(_GETLINK, _LINK.pack(0, 0, 0, 0, 0))]

    def link(self, name: str) -> "Link | None":
        """The interface of that name, if there is one."""
        return next((each for each in self.links() if each.name == name), None)

    def change(self, index: int, name: str, namespace: int) -> None:
        """Move an interface to another namespace (a descriptor), under that name; ``%d``: the kernel numbers it."""
        attributes = _attribute(_IFLA_IFNAME, _text(name)) + _attribute(_IFLA_NET_NS_FD, pack("=I", namespace))
        self._ask(_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0) + attributes)

    def set_up(self, index: int) -> None:
        """Bring an interface up."""
        self._ask(_NEWLINK, 0, _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP))

    def addresses(self, index: int) -> "list[Address]":
        """The addresses of an interface, of both IP versions, in the kernel's order."""
        found = []
        for family in (_INET, _INET6):
            for body in self._dump(_GETADDR, _ADDRESS.pack(family, 0, 0, 0, index)):
                family_, prefix, flags, scope, its_index = _ADDRESS.unpack_from(body)
                if its_index == index and family_ == family:
                    attributes = dict(_attributes(body[_ADDRESS.size :]))
                    if _IFA_FLAGS in attributes:
                        (flags,) = unpack_from("=I", attributes[_IFA_FLAGS])
                    found.append(Address(family, prefix, flags, scope, attributes))
        return found

    def add_address(self, index: int, address: Address) -> None:
        """Give an interface an address; one that it has already is fine."""
        attributes = address.attributes | {_IFA_FLAGS: pack("=I", address.flags)}
        payload = b"".join(_attribute(kind, value) for kind, value in attributes.items())
        body = _ADDRESS.pack(address.family, address.prefix, address.flags & 0xFF, address.scope, index) + payload
        try:
            self._ask(_NEWADDR, _CREATE | _EXCL, body)
        except FileExistsError:
            pass

    def routes(self, index: int) -> "list[bytes]":
        """The routes out of an interface, as ``add_route`` takes them."""
        found = []
        for family in (_INET, _INET6):
            asked = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_OIF, pack("=I", index))
            found += [body for body in self._dump(_GETROUTE, asked) if body[0] == family and _leaves_by(body, index)]
        return found

    def add_route(self, route: bytes, flags: int) -> None:
        """Add a route, with the flags (RTNH_F_*) given in place of its own."""
        fixed = _ROUTE.unpack_from(route)
        self._ask(_NEWROUTE, _CREATE, _ROUTE.pack(*fixed[:-1], flags) + route[_ROUTE.size :])

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        for _ in self._exchange(kind, flags | _ACK, body):
            pass

    def _dump(self, kind: int, body: bytes) -> "list[bytes]":
        """The bodies of all answers, of a moment at which nothing changed."""
        for _ in range(_TRIES):
            answers = list(self._exchange(kind, _DUMP, body))
            if not any(flags & _INTERRUPTED for flags, _ in answers):
                break
        return [answer for _, answer in answers]

    def _exchange(self, kind: int, flags: int, body: bytes) -> "Iterator[tuple[int, bytes]]":
        """Send a request: (flags, body) of each answer."""
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, self._sequence, 0) + body)
        while True:
            data = self._socket.recv(1 << 18)
            at = 0
            while at + _HEADER.size <= len(data):
                length, answered, answer_flags, sequence, _ = _HEADER.unpack_from(data, at)
                answer = data[at + _HEADER.size : at + length]
                at += length + 3 & ~3
                if sequence != self._sequence:
                    continue
                if answered in (_ERROR, _DONE):
                    _raise_error(answer, answer_flags)
                    return
                yield answer_flags, answer


def _socket_in(namespace: int) -> int:
    from ocipy._shim import lib

    fd = int(lib.ocipy_netlink_socket(namespace))
    if fd < 0:
        raise OSError(-fd, "open a netlink socket in the network namespace")
    return fd


def _raise_error(body: bytes, flags: int) -> None:
    """Of NLMSG_ERROR or NLMSG_DONE: nothing if its errno is 0."""
    (number,) = unpack_from("=i", body) if len(body) >= 4 else (0,)
    if number == 0:
        return
    text = ""
    if flags & _WITH_TEXT:
        # nlmsgerr: the errno, the request's header, its body unless capped; then the attributes, the first a text.
        (length,) = unpack_from("=I", body, 4)
        attributes = dict(_attributes(body[4 + (_HEADER.size if flags & _CAPPED else length + 3 & ~3) :]))
        text = attributes.get(1, b"").rstrip(b"\0").decode("utf-8", "replace")
    raise OSError(-number, text or posix.strerror(-number))


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    name = dict(_attributes(body[_LINK.size :])).get(_IFLA_IFNAME, b"").rstrip(b"\0")
    return Link(index, name.decode("utf-8", "surrogateescape"), bool(flags & _IFF_UP))


def _leaves_by(route: bytes, index: int) -> bool:
    return dict(_attributes(route[_ROUTE.size :])).get(_RTA_OIF) == pack("=I", index)


def _text(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape") + b"\0"


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> "Iterator[tuple[int, bytes]]":
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            raise OSError(errno.EBADMSG, "netlink: an attribute without a length")
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
