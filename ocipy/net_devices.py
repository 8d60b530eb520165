"""``linux.netDevices``: network interfaces of the host's move into the container's network namespace.

Source: config-linux.md#network-devices.  The kernel moves name, MAC address, MTU and so on along, and drops addresses
and routes; the addresses that are permanent and of global scope are given again, the rest is not the runtime's matter.
"""

import errno
import posix

from ocipy.errors import StepError
from ocipy.netlink import Address, Link, Netlink
from ocipy.pointers import dotted, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OWN = "/proc/thread-self/ns/net"
_PERMANENT = 0x80  # IFA_F_*, linux/if_addr.h
_UNIVERSE = 0
# What the kernel finds out anew: SECONDARY (IPv4), DADFAILED, DEPRECATED, TENTATIVE, PERMANENT, STABLE_PRIVACY.
_FOUND_OUT = 0x01 | 0x08 | 0x20 | 0x40 | 0x80 | 0x800
# IFA_LABEL names the interface, which may have another name now; IFA_CACHEINFO says "forever" of a permanent one.
_LABEL, _CACHE_INFO = 3, 6
_BY_HAND = 3  # the first rtm_protocol (rtnetlink.h) of a route that isn't the kernel's own
_ROUTER_ADVERTISEMENT = 9
_ONLINK = 4  # the one of RTNH_F_* that is a setting and not a state


def check(devices: "dict[str, Any]", namespaces: "list[dict[str, Any]]") -> None:
    """Raise StepError for what would fail: an interface that isn't there, a name that is taken where it is to go."""
    path = next(entry["path"] for entry in namespaces if entry["type"] == "network")
    here, there = Netlink(), None
    try:
        present = {link.name for link in here.links()}
        if path:
            there = _open_joined(path)
        taken = {link.name for link in there.links()} if there else {"lo"}
        for name, device in devices.items():
            pointer = f"/linux/netDevices/{escape(name)}"
            if name not in present:
                raise _fault(pointer, "there is no such network interface in the runtime's network namespace")
            inside = device.get("name") or name
            if inside in taken:
                raise _fault(pointer, f"the container's network namespace has a {inside} already")
    finally:
        here.close()
        if there:
            there.close()


def _open_joined(path: str) -> Netlink:
    pointer = "/linux/netDevices"
    try:
        namespace = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            status, own = posix.fstat(namespace), posix.stat(_OWN)
            if (status.st_dev, status.st_ino) == (own.st_dev, own.st_ino):
                raise _fault(pointer, f"{path} is the runtime's own network namespace: nothing can be moved there")
            return Netlink(namespace)
        finally:
            posix.close(namespace)
    except OSError as problem:
        raise StepError(dotted(pointer), f"look into {path}", problem.errno or 0, "", -1, pointer) from None


def _fault(pointer: str, message: str) -> StepError:
    return StepError(dotted(pointer), message, 0, "", -1, pointer)


class Move:
    """One interface on its way; ``undo`` takes it back, for a create that fails later on.

    From ``do`` to ``close`` it holds the namespace: one that is new ends with init, and an interface in it as well.
    """

    def __init__(self, name: str, inside: str, namespace_path: str) -> None:
        """``name`` on the host, ``inside`` in the namespace (with ``%d``: the kernel chooses a number).

        Raises OSError, with the action as its text; nothing is changed then.
        """
        self._name = name
        self._inside = inside
        self._path = namespace_path
        self._addresses: list[Address] = []
        self._routes: list[bytes] = []
        self._before: set[str] = set()
        self._link: Link | None = None
        self._namespace = -1

    def do(self) -> None:
        """Move, give the addresses again, bring up.  Raises OSError; nothing is changed then."""
        self._namespace = posix.open(self._path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            self._between(self._move)
        except BaseException:
            self.close()
            raise

    def undo(self) -> None:
        """Bring it back, with its name, addresses, routes and state.  Raises OSError."""
        self._between(self._take_back)

    def close(self) -> None:
        """Let go of the namespace."""
        if self._namespace >= 0:
            posix.close(self._namespace)
            self._namespace = -1

    def _between(self, action: "Callable[[Netlink, Netlink], None]") -> None:
        here = Netlink()
        try:
            there = Netlink(self._namespace)
            try:
                action(here, there)
            finally:
                there.close()
        finally:
            here.close()

    def _prepare(self, here: Netlink, there: Netlink) -> None:
        self._link = here.link(self._name)
        if self._link is None:
            raise OSError(errno.ENODEV, "find the network interface")
        self._addresses = here.addresses(self._link.index)
        self._routes = here.routes(self._link.index)
        self._before = {link.name for link in there.links()}
        if self._inside in self._before:
            # Asked of the kernel, the interface would have lost its addresses, or be there under its old name.
            raise OSError(errno.EEXIST, f"give the network interface the name {self._inside}")

    def _move(self, here: Netlink, there: Netlink) -> None:
        self._prepare(here, there)
        assert self._link
        try:
            _named("move the network interface", here.change, self._link.index, self._inside, self._namespace)
            moved = self._find(there)
            for address in self._addresses:
                if address.flags & _PERMANENT and address.scope == _UNIVERSE:
                    _named("give the network interface its address", there.add_address, moved.index, _lasting(address))
            _named("bring the network interface up", there.set_up, moved.index)
        except OSError:
            if here.link(self._name) is None:
                self._take_back(here, there)
            raise

    def _find(self, there: Netlink) -> Link:
        """Whatever name and index it has now."""
        new = [link for link in there.links() if link.name not in self._before]
        if not new:
            raise OSError(errno.ENODEV, "find the network interface after the move")
        return next((link for link in new if link.name == self._inside), new[0])

    def _take_back(self, here: Netlink, there: Netlink) -> None:
        assert self._link
        own = posix.open(_OWN, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            there.change(self._find(there).index, self._name, own)
        finally:
            posix.close(own)
        back = here.link(self._name)
        assert back
        for address in self._addresses:
            if address.flags & _PERMANENT:
                here.add_address(back.index, _lasting(address, keep_label=True))
        if self._link.up:
            here.set_up(back.index)
            if back.index == self._link.index:  # else the routes name another interface
                self._add_routes(here)

    def _add_routes(self, here: Netlink) -> None:
        for route in self._routes:
            protocol, flags = route[5], route[8]
            if protocol >= _BY_HAND and protocol != _ROUTER_ADVERTISEMENT:
                here.add_route(route, flags & _ONLINK)


def _lasting(address: Address, keep_label: bool = False) -> Address:
    """An address as it is to be given again."""
    drop = (_CACHE_INFO,) if keep_label else (_CACHE_INFO, _LABEL)
    kept = {kind: value for kind, value in address.attributes.items() if kind not in drop}
    return Address(address.family, address.prefix, address.flags & ~_FOUND_OUT, address.scope, kept)


def _named(action: str, function: "Any", *arguments: object) -> None:
    try:
        function(*arguments)
    except OSError as problem:
        said = posix.strerror(problem.errno or 0) != problem.strerror and problem.strerror
        raise OSError(problem.errno, f"{action} ({said})" if said else action) from None
