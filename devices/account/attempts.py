"""How often a sign-in may fail: five times for one name from one address, then a wait of five minutes; and fifty times
from one address, whatever the names. Kept in the cache, so for all processes together.

A name alone is never made to wait: whoever guesses from elsewhere would lock out the person whose name it is. With the
second factor it is so: see devices.account.code_tries.
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
WAIT_TEXT: Final = "Too many tries. Wait 5 minutes, then try again."
Limits = dict[str, int]  # the most failures, by the key of what is counted


def attempts_left(*, username: str, address: str) -> int:
    """How many more failures are allowed now; 0 while waiting."""
    return _left_of(_limits(username, address))


def attempt_failed(*, username: str, address: str) -> int:
    """Count a failure; how many are left. The wait begins anew with each."""
    return _count(_limits(username, address))


def attempts_forget(*, username: str, address: str) -> None:
    """Start anew after a sign-in; what failed from that address under other names stays."""
    key = _of_name(username, address)
    _open_without_cache(lambda: cache.delete(key) or MOST)


def mails_left(*, about: str, address: str) -> int:
    """How many more mails may be asked for now, `about` somebody and from an address; 0 while waiting.

    Counted apart: who asks for mails makes nobody wait who signs in from the same address.
    """
    return _left_of(_limits(about, address, of="mail"))


def mail_asked(*, about: str, address: str) -> int:
    """Count a mail, whatever came of it; how many are left."""
    return _count(_limits(about, address, of="mail"))


def links_left(*, address: str) -> int:
    """How many more unknown links may be opened from an address; 0 while waiting. Counted apart, as mails are."""
    return _left_of(_limits("a link", address, of="link"))


def unknown_link_opened(*, address: str) -> int:
    """Count a link that leads nowhere; how many more may be opened."""
    return _count(_limits("a link", address, of="link"))


def tries(left: int) -> str:
    """`1 try`, `4 tries`."""
    return "1 try" if left == 1 else f"{left} tries"


def _left_of(limits: Limits) -> int:
    return _open_without_cache(lambda: _left(cache.get_many(limits), limits))


def _count(limits: Limits) -> int:
    return _open_without_cache(lambda: _left({key: _counted(key) for key in limits}, limits))


def _left(failures: dict[str, int], limits: Limits) -> int:
    return max(0, min(most - int(failures.get(key, 0)) for key, most in limits.items()))


def _counted(key: str) -> int:
    cache.add(key, 0, WAIT_S)
    try:
        failures = cache.incr(key)
    except ValueError:  # it ended in between
        failures = 1
        cache.set(key, failures, WAIT_S)
    cache.touch(key, WAIT_S)
    return failures


def _limits(username: str, address: str, of: str = "login") -> Limits:
    return {_of_name(username, address, of): MOST, f"{of}:{secret_hash(address)}": MOST_OF_ADDRESS}


def _of_name(username: str, address: str, of: str = "login") -> str:
    return f"{of}:{secret_hash(f'{address}|{username.casefold()}')}"


def _open_without_cache(count: Callable[[], int]) -> int:
    """Whoever watches people must get in while Redis is away."""
    try:
        return count()
    except RedisError as error:
        log.warning("login.attempts_not_counted", error=str(error))
        return MOST
