"""How many sockets one person may hold open: counted in Redis over all web processes, and in each by itself.

A place is leased. The process that serves the socket renews the lease; one that is killed stops doing so, and its
places are free again LEASE_S later. While Redis is away each process counts alone: seeing alarms is worth more.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from uuid import uuid4

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
LEASE_S: Final = 90
RENEW_S: Final = 30.0
PATIENCE_S: Final = 1.0  # for Redis
ASKED_AT_ONCE: Final = 8
AT_ONCE: Final = 50  # places, renewed before others get their turn
NARROW_PER_WIDE: Final = 20  # a socket narrowed to one wearer costs little beside one that shows everybody


class Place(NamedTuple):
    """A socket among those of its person; `key` is also that of the sorted set in Redis: places by when they end."""

    key: str
    name: str


class Places:
    """Those that the sockets of one event loop hold."""

    def __init__(self) -> None:
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._client: Any = None
        self._few = asyncio.Semaphore(ASKED_AT_ONCE)  # each is a connection to Redis

    async def take(self, *, person: int, is_narrow: bool) -> Place | None:
        """A place for one more socket of that person (key), None where they have as many as they may."""
        most = settings.TELARA_SOCKETS_PER_PERSON * (NARROW_PER_WIDE if is_narrow else 1)
        key = f"{settings.TELARA_LIVE_PREFIX}:sockets:{person}:{'one' if is_narrow else 'all'}"
        if len(self._held.get(key, ())) >= most:
            return None
        place = Place(key, uuid4().hex)
        self._held[key].add(place.name)  # before anything is awaited: sockets that come together count each other
        if await self._counted(place) > most:
            await self.give_back(place)
            return None
        return place

    async def give_back(self, place: Place) -> None:
        """Free at once, or at the end of its lease where Redis does not hear of it."""
        self._held[place.key].discard(place.name)
        if not self._held[place.key]:
            del self._held[place.key]
        await self._ask(lambda pipe: pipe.zrem(place.key, place.name))
        if not self._held and self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def keep(self) -> None:
        """Renew every lease, again and again."""
        while True:
            await asyncio.sleep(RENEW_S)
            keys = [*self._held]
            for start in range(0, len(keys), AT_ONCE):
                await self._renew(keys[start : start + AT_ONCE])

    async def _renew(self, keys: Iterable[str]) -> None:
        ends = time.time() + LEASE_S

        def renew(pipe: Any) -> None:
            for key in keys:
                if held := self._held.get(key):
                    pipe.zadd(key, dict.fromkeys(held, ends))
                    pipe.expire(key, LEASE_S)

        await self._ask(renew)

    async def _counted(self, place: Place) -> int:
        """Take it; how many of that person's are held now, this one included; 0 while Redis is away."""
        now = time.time()

        def count(pipe: Any) -> None:
            pipe.zremrangebyscore(place.key, "-inf", now)
            pipe.zadd(place.key, {place.name: now + LEASE_S})
            pipe.expire(place.key, LEASE_S)
            pipe.zcard(place.key)

        answers = await self._ask(count)
        return int(answers[-1]) if answers else 0

    async def _ask(self, fill: Any) -> list[Any]:
        """The answers to what `fill` puts into a transaction; none while Redis is away."""
        client = self._client = self._client or Redis.from_url(settings.REDIS_URL)
        try:
            async with asyncio.timeout(PATIENCE_S), self._few, client.pipeline(transaction=True) as pipe:
                fill(pipe)
                return list(await pipe.execute())
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("live.places_not_counted", error=str(error) or type(error).__name__)
            return []
