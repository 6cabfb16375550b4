"""What comes to a web process once and goes to all its sockets: news from the channel layer, and a status each 2 s."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from random import uniform
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.utils import timezone
from redis.exceptions import RedisError

from dashboard.live.audience import Audience
from dashboard.live.coalesce import Coalescer
from dashboard.live.figures import status_texts
from dashboard.live.outlet import NOT_ALLOWED, NOT_SIGNED_IN, Kind, Outlet
from dashboard.live.places import Places
from dashboard.live.sightings import Sightings
from dashboard.live.text import text_of
from dashboard.live.visitor import Asked, Visitor, visitor_find
from devices.account.credentials import Credentials
from devices.live import GROUP

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger(__name__)
FLUSH_S: Final = 0.05
STATUS_S: Final = 2.0
GATHER_S: Final = 0.05  # those who come together are told together
AT_ONCE: Final = 50  # sockets, before others get their turn
AGAIN_S: Final = 1.0
JOIN_S: Final = 2.0
CHECK_S: Final = 60.0  # how long a right that was taken away unnoticed still counts
CHECK_EVERY_S: Final = 0.2
ADMITTED_AT_ONCE: Final = 8  # handshakes that ask the database; statuses wait behind no more than these


class Feed:
    """The sockets of one event loop. It works while there are any, and costs nothing without."""

    def __init__(self) -> None:
        self.places = Places()
        self.sightings = Sightings()
        self._outlets: set[Outlet] = set()
        self._audience = Audience()
        self._new: set[Outlet] = set()
        self._coalescer = Coalescer()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = asyncio.Event()
        self._came = asyncio.Event()
        self._door = asyncio.Semaphore(ADMITTED_AT_ONCE)

    async def admit(self, credentials: Credentials, asked: Asked) -> Visitor | None:
        """Who that is; a few at a time, because a thousand may come at once. Raises django.db.Error."""
        async with self._door:
            return await database_sync_to_async(visitor_find)(credentials=credentials, asked=asked, at=timezone.now())

    async def join(self, outlet: Outlet) -> None:
        """Give `outlet` a status and then what it may see; waits a moment for a layer that is away."""
        outlet.look_at = time.monotonic() + CHECK_S * uniform(0.5, 1.0)  # noqa: S311  # spread, not secret
        self._outlets.add(outlet)
        self._new.add(outlet)
        self._came.set()
        if not self._tasks or any(task.done() for task in self._tasks):
            await self._stop()
            loops: tuple[Coroutine[Any, Any, None], ...]
            loops = (self._listen(), self._flush(), self._tell(), self._look_again(), self.places.keep())
            self._tasks = [asyncio.create_task(loop) for loop in loops]
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_S):
                await self._listening.wait()

    async def leave(self, outlet: Outlet) -> None:
        self._outlets.discard(outlet)
        self._new.discard(outlet)
        self._audience.discard(outlet)
        if not self._outlets:
            await self._stop()
            await self.sightings.settle()

    async def _stop(self) -> None:
        """End the loops; one that had failed is logged, and its successor begins anew."""
        tasks, self._tasks = self._tasks, []
        self._listening.clear()
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("live.loop_failed", exc_info=ended)

    # News.

    async def _listen(self) -> None:
        layer: Any = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self._listening.set()
                while True:
                    self._take(await layer.receive(channel))
            except (RedisError, OSError) as error:
                self._listening.clear()
                log.warning("live.subscription_lost", error=str(error))
                await asyncio.sleep(AGAIN_S)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "live.session_ended":
            for outlet in self._outlets:
                if outlet.credentials.session == message["session"]:
                    outlet.close(NOT_SIGNED_IN)
            return
        if message["type"] == "live.rights_changed":
            for outlet in self._outlets:
                outlet.look_at = 0.0
            return
        self._coalescer.add((user, at, text) for user, at, text in message["vitals"])
        self._send("alert", ((user, text_of(alert)) for user, alert in message["alerts"]))
        self._send("planned", ((user, text_of(planned)) for user, planned in message.get("planned", ())))
        self._send("vital", self._coalescer.take(now=time.monotonic()))

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._send("vital", self._coalescer.take(now=time.monotonic()))

    def _send(self, kind: Kind, items: Iterable[tuple[int, str]]) -> None:
        who = self._audience.told if kind == "alert" else self._audience.hearing
        for user, text in items:
            for outlet in list(who(user)):
                outlet.put(kind, text)

    # Status.

    async def _tell(self) -> None:
        while True:
            await self._status(self._outlets)
            due = time.monotonic() + STATUS_S
            while (left := due - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._came.wait()
                        await asyncio.sleep(GATHER_S)
                        await self._status(self._new)

    async def _status(self, outlets: Iterable[Outlet]) -> None:
        """One for each; newcomers hear of people from then on."""
        told = list(outlets)
        self._came.clear()
        texts = await database_sync_to_async(status_texts)({outlet.told_of for outlet in told}, now=timezone.now())
        for place, outlet in enumerate(told):
            if outlet in self._outlets and (text := texts.get(outlet.told_of)):
                outlet.put("status", text)
                if outlet in self._new:
                    self._new.discard(outlet)
                    self._audience.add(outlet)
            if place % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)

    # Rights.

    async def _look_again(self) -> None:
        """Look again at who is there and whom they may see: now and then, and at once where rights changed."""
        while True:
            now = time.monotonic()
            due = [outlet for outlet in self._outlets if outlet.look_at <= now and not outlet.is_closed][:AT_ONCE]
            if due:
                await self._look_at(due)
            else:
                await asyncio.sleep(CHECK_EVERY_S)

    async def _look_at(self, outlets: list[Outlet]) -> None:
        for outlet in outlets:
            outlet.look_at = time.monotonic() + CHECK_S
        try:
            visitors = await database_sync_to_async(_visitors)([(each.credentials, each.asked) for each in outlets])
        except Error:
            return  # the statuses say that the database is away; next time, then
        for outlet, visitor in zip(outlets, visitors, strict=True):
            code = refusal(visitor, outlet.asked)
            if visitor is None or code:
                outlet.close(code)
            elif outlet in self._outlets:
                self.sightings.add(outlet, visitor)
                if outlet in self._new:
                    outlet.sees, outlet.told_of = visitor.sees, visitor.told_of
                else:
                    self._audience.look(outlet, sees=visitor.sees, told_of=visitor.told_of)


def refusal(visitor: Visitor | None, asked: Asked) -> int:
    """The code to close with; 0 where they may stay."""
    if visitor is None:
        return NOT_SIGNED_IN
    return NOT_ALLOWED if asked.only is not None and not visitor.sees else 0


def _visitors(sockets: list[tuple[Credentials, Asked]]) -> list[Visitor | None]:
    now = timezone.now()
    return [visitor_find(credentials=credentials, asked=asked, at=now) for credentials, asked in sockets]


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """The feed of this process (of the running loop)."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
