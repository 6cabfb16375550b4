"""Whose request it is, for counting: the address of the caller, or the network of one that has many."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

SIXTY_FOUR = 64  # bits of an IPv6 address that name the network of one customer


def caller_address(request: HttpRequest) -> str:
    """The address that asks, of IPv6 its network; behind TELARA_PROXIES proxies what the outermost of them saw."""
    written: str = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]  # it reads META only
    try:
        address = ip_address(written)
    except ValueError:
        return written
    if isinstance(address, IPv6Address):
        plain = address.ipv4_mapped
        return str(plain) if plain else str(IPv6Network((int(address), SIXTY_FOUR), strict=False))
    return str(address)
