"""Throttles of the API: beyond what a person or a device does, and off where the cache is away."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


def _open_without_cache(allow: Callable[[], bool]) -> bool:
    """Let pass while Redis is away: counting requests is worth less than readings and alerts."""
    try:
        return allow()
    except RedisError as error:
        log.warning("throttle_without_cache", error=str(error))
        return True


class Anonymous(AnonRateThrottle):
    """Callers without a token or session, by address."""

    def allow_request(self, request: "Request", view: "APIView") -> bool:
        return _open_without_cache(lambda: super(Anonymous, self).allow_request(request, view))


class SignedIn(UserRateThrottle):
    """Everyone signed in, each by themselves."""

    def allow_request(self, request: "Request", view: "APIView") -> bool:
        return _open_without_cache(lambda: super(SignedIn, self).allow_request(request, view))


class Scoped(ScopedRateThrottle):
    """What a view names as its `throttle_scope`."""

    def allow_request(self, request: "Request", view: "APIView") -> bool:
        return _open_without_cache(lambda: super(Scoped, self).allow_request(request, view))
