"""How often a sign-in may fail: five times, then a wait of five minutes; per name and address, kept in the cache."""

from typing import Final

from django.core.cache import cache

from devices.hashing import secret_hash

MOST: Final = 5
WAIT_S: Final = 300


def attempts_left(*, username: str, address: str) -> int:
    """How many more failures are allowed now; 0 while waiting."""
    return max(0, MOST - int(cache.get(_key(username, address), 0)))


def attempt_failed(*, username: str, address: str) -> int:
    """Count a failure; how many are left. The wait begins anew with each."""
    key = _key(username, address)
    cache.add(key, 0, WAIT_S)
    failures = cache.incr(key)
    cache.touch(key, WAIT_S)
    return max(0, MOST - failures)


def attempts_forget(*, username: str, address: str) -> None:
    """Start anew after a sign-in."""
    cache.delete(_key(username, address))


def _key(username: str, address: str) -> str:
    return f"login:{secret_hash(f'{address}|{username.casefold()}')}"
