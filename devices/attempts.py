"""How often a sign-in may fail: five times for one name from one address, then a wait of five minutes; and fifty times
from one address, whatever the names. Kept in the cache, so for all processes together.

A name alone is never made to wait: whoever guesses from elsewhere would lock out the person whose name it is.
"""

from collections.abc import Callable
from typing import Final

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

from devices.hashing import secret_hash

log = structlog.get_logger(__name__)
MOST: Final = 5
MOST_OF_ADDRESS: Final = 50
WAIT_S: Final = 300


def attempts_left(*, username: str, address: str) -> int:
    """How many more failures are allowed now; 0 while waiting."""
    return _open_without_cache(lambda: _left(cache.get_many(_limits(username, address)), username, address))


def attempt_failed(*, username: str, address: str) -> int:
    """Count a failure; how many are left. The wait begins anew with each."""
    return _open_without_cache(
        lambda: _left({key: _counted(key) for key in _limits(username, address)}, username, address)
    )


def attempts_forget(*, username: str, address: str) -> None:
    """Start anew after a sign-in; what failed from that address under other names stays."""
    _open_without_cache(lambda: cache.delete(_of_name(username, address)) or MOST)


def _left(failures: dict[str, int], username: str, address: str) -> int:
    return max(0, min(most - int(failures.get(key, 0)) for key, most in _limits(username, address).items()))


def _counted(key: str) -> int:
    cache.add(key, 0, WAIT_S)
    try:
        failures = cache.incr(key)
    except ValueError:  # it ended in between
        failures = 1
        cache.set(key, failures, WAIT_S)
    cache.touch(key, WAIT_S)
    return failures


def _limits(username: str, address: str) -> dict[str, int]:
    return {_of_name(username, address): MOST, f"login:{secret_hash(address)}": MOST_OF_ADDRESS}


def _of_name(username: str, address: str) -> str:
    return f"login:{secret_hash(f'{address}|{username.casefold()}')}"


def _open_without_cache(count: Callable[[], int]) -> int:
    """Whoever watches people must get in while Redis is away."""
    try:
        return count()
    except RedisError as error:
        log.warning("login.attempts_not_counted", error=str(error))
        return MOST
