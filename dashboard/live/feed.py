"""What comes to a web process once and goes to all its sockets: news from the channel layer, and a status each 2 s."""

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.utils import timezone
from redis.exceptions import RedisError

from dashboard.live.coalesce import Coalescer
from dashboard.live.figures import UNKNOWN, AlertFigures, alert_figures, pipeline_figures
from dashboard.live.outlet import NOT_SIGNED_IN, Kind, Outlet
from dashboard.live.visitor import Sight
from devices.live import GROUP
from devices.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger(__name__)
FLUSH_S: Final = 0.05
STATUS_S: Final = 2.0
AGAIN_S: Final = 1.0
JOIN_S: Final = 2.0


class Feed:
    """The sockets of one event loop. It works while there are any, and costs nothing without."""

    def __init__(self) -> None:
        self._outlets: set[Outlet] = set()
        self._coalescer = Coalescer()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = asyncio.Event()

    async def join(self, outlet: Outlet) -> None:
        """Give `outlet` what it may see from now on, its status first; waits a moment for a layer that is away."""
        self._outlets.add(outlet)
        if not self._tasks or any(task.done() for task in self._tasks):
            await self._stop()
            loops: tuple[Coroutine[Any, Any, None], ...] = (self._listen(), self._flush(), self._tell())
            self._tasks = [asyncio.create_task(loop) for loop in loops]
        else:
            await self._status([outlet])
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_S):
                await self._listening.wait()

    async def leave(self, outlet: Outlet) -> None:
        self._outlets.discard(outlet)
        if not self._outlets:
            await self._stop()

    async def _stop(self) -> None:
        """End the loops; one that had failed is logged, and its successor begins anew."""
        tasks, self._tasks = self._tasks, []
        self._listening.clear()
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("live.loop_failed", exc_info=ended)

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
                if outlet.session == message["session"]:
                    outlet.close(NOT_SIGNED_IN)
            return
        if message["type"] == "live.rights_changed":
            for outlet in self._outlets:
                outlet.look_again.set()
            return
        self._coalescer.add((user, event) for user, event in message["vitals"])
        self._send("alert", message["alerts"])
        self._send("vital", self._coalescer.take(now=time.monotonic()))

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._send("vital", self._coalescer.take(now=time.monotonic()))

    def _send(self, kind: Kind, items: list[tuple[int, dict[str, Any]]]) -> None:
        for user, data in items:
            text = json.dumps(data, separators=(",", ":"))
            for outlet in self._outlets:
                if outlet.sees_person(user):
                    outlet.put(kind, text)

    async def _tell(self) -> None:
        while True:
            await self._status(list(self._outlets))
            await asyncio.sleep(STATUS_S)

    async def _status(self, outlets: list[Outlet]) -> None:
        pipeline, alerts = await database_sync_to_async(_figures)({outlet.sees for outlet in outlets})
        for outlet in outlets:
            found = alerts.get(outlet.sees)
            of_alerts = {
                "alerts_open": found.open if found else None,
                "alerts_firing": found.firing if found else None,
                "alerts_revision": found.revision if found else None,
            }
            outlet.put("status", json.dumps(pipeline | of_alerts | {"server_time": rfc3339(timezone.now())}))


def _figures(sights: set[Sight]) -> tuple[dict[str, Any], dict[Sight, AlertFigures]]:
    """Of the pipeline, and of the alerts by sight; unknown while the database is away, and pages say so."""
    now = timezone.now()
    try:
        return pipeline_figures(now=now), {sees: alert_figures(sees=sees, now=now) for sees in sights}
    except Error as error:
        log.warning("live.no_figures", reason=type(error).__name__)
        return UNKNOWN, {}


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """The feed of this process (of the running loop)."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
