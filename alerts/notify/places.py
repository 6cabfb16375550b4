"""Which addresses a message may go to: public ones, and those of networks that the settings name.

Whoever sets up a channel must not make Telara talk to what only Telara reaches. A name is looked up when the channel is
made, to say so at once, and whatever is connected to is judged again while a message is sent: in that thread every
look-up goes through `_judged`, so that a name that leads elsewhere by then, or a redirect, leads nowhere.
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_NAT64: Final = IPv6Network("64:ff9b::/96")
_IN_IPV4_OF_OLD: Final = IPv6Network("::/96")
_real: Final = socket.getaddrinfo
_thread: Final = threading.local()


class PrivatePlaceError(socket.gaierror):
    """It is an address that messages may not go to."""


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether a message may go there; an address that holds another one is judged by both."""
    inner = _held(address)
    if inner is not None:
        return is_allowed(inner, networks)
    if any(address.version == network.version and address in network for network in networks):
        return True
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _IN_IPV4_OF_OLD):
        return False  # both are out of use, and `is_global` of some versions of Python says yes
    return address.is_global and not address.is_multicast


def _held(address: Address) -> Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def host_is_refused(host: str, networks: Sequence[Network]) -> bool:
    """Whether a host, by its name or address, leads where no message may go; a name that leads nowhere yet does not."""
    try:
        found = _real(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return not all(is_allowed(_address(each), networks) for each in found)


@contextmanager
def judged(networks: Sequence[Network]) -> Iterator[list[str]]:
    """In this thread, within the block, no connection goes where it may not; gives the hosts that were refused."""
    if socket.getaddrinfo is not _judged:
        socket.getaddrinfo = _judged
    refused: list[str] = []
    _thread.networks, _thread.refused = networks, refused
    try:
        yield refused
    finally:
        del _thread.networks, _thread.refused


def _judged(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
    found = _real(host, port, *args, **options)
    networks = getattr(_thread, "networks", None)
    if networks is not None and not all(is_allowed(_address(each), networks) for each in found):
        _thread.refused.append(str(host))
        raise PrivatePlaceError(socket.EAI_FAIL, "The address is private.")
    return found


def _address(found: tuple[Any, ...]) -> Address:
    return ip_address(str(found[4][0]).partition("%")[0])
