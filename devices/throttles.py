"""Throttles of the API: beyond what a person or a device does, and off where the cache is away.

Counted by Redis in one step, so that no two processes count a request as one. Windows slide: as much of the one before
counts as still lies within the last minute (or hour).
"""

from typing import TYPE_CHECKING

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, SimpleRateThrottle, UserRateThrottle

from devices.addresses import caller_address

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


class Sliding(SimpleRateThrottle):
    """Counts every request of a caller, refused ones too, in windows of the rate's duration."""

    num_requests: int | None
    duration: int | None

    def allow_request(self, request: "Request", view: "APIView") -> bool:
        """Let pass while Redis is away: counting requests is worth less than readings and alerts."""
        key = self.get_cache_key(request, view)
        if self.rate is None or key is None:
            return True
        try:
            return self._count(key) <= self._limit
        except RedisError as error:
            log.warning("throttle_without_cache", error=str(error))
            return True

    def wait(self) -> float:
        """Seconds after which there is room again, whoever asks meanwhile; at most the duration."""
        duration = self.duration or 1
        return min(duration, duration - self.timer() % duration + duration / self._limit)

    def get_ident(self, request: "Request") -> str:
        return caller_address(request._request)

    def _count(self, key: str) -> float:
        duration = self.duration or 1
        window, within = divmod(self.timer(), duration)
        now, before = f"{key}:{window:.0f}", f"{key}:{window - 1:.0f}"
        cache.add(now, 0, 2 * duration)  # so that it cannot end before it is counted
        earlier = min(int(cache.get(before, 0)), self._limit)
        return round(earlier * (1 - within / duration), 6) + int(cache.incr(now))

    @property
    def _limit(self) -> int:
        return self.num_requests or 0


class Anonymous(AnonRateThrottle, Sliding):
    """Callers without a token or session, by address."""


class SignedIn(UserRateThrottle, Sliding):
    """Everyone signed in, each by themselves; a device counts as its wearer."""


class Scoped(ScopedRateThrottle, Sliding):
    """What a view names as its `throttle_scope`."""
