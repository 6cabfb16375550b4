"""Whose request it is, for counting: the address of the caller, or the network of one that has many."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

SIXTY_FOUR = 64  # bits of an IPv6 address that name the network of one customer


def caller_exactly(request: HttpRequest) -> str:
    """The address that asks, as it is written; behind TELARA_PROXIES proxies what the outermost of them saw."""
    return BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]  # it reads META only


def caller_address(request: HttpRequest) -> str:
    """The address that asks, of IPv6 its network."""
    written = caller_exactly(request)
    try:
        address = ip_address(written)
    except ValueError:
        return written
    if isinstance(address, IPv6Address):
        plain = address.ipv4_mapped
        return str(plain) if plain else str(IPv6Network((int(address), SIXTY_FOUR), strict=False))
    return str(address)


def site_link(request: HttpRequest, path: str) -> str:
    """`path` as somebody else reaches it: under TELARA_URL, else as this request came."""
    site = settings.TELARA_URL.rstrip("/")
    return f"{site}{path}" if site else request.build_absolute_uri(path)
