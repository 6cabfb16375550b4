"""Looks by sockets that are narrowed to one person: noted a moment later and many at once, for a thousand may open
together."""

import asyncio
from collections.abc import Mapping
from io import BytesIO
from itertools import islice
from typing import Any, Final

import structlog
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import Error  # InterfaceError, of a connection that closed, is no DatabaseError
from django.utils import timezone

from dashboard.live.outlet import Outlet
from dashboard.live.visitor import Visitor
from devices.models import Look
from devices.rights.looks import Sighting, looks_note

log = structlog.get_logger(__name__)
GATHER_S: Final = 0.05  # those who come together are noted together
AT_ONCE: Final = 50  # looks, before others get their turn at the database
AGAIN_S: Final = 1.0
SETTLE_S: Final = 2.0


class Sightings:
    """Those of one event loop that are not noted yet; they wait for a database that is away."""

    def __init__(self) -> None:
        self._waiting: dict[str, Sighting] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, outlet: Outlet, visitor: Visitor) -> None:
        """`visitor` sees through `outlet` what they may: a look, where that is one person they asked for by name, and
        not themselves."""
        if outlet.asked.only is None or visitor.sees == "everyone":
            return
        for person in visitor.sees - {visitor.person}:
            way = Look.Way.API if outlet.credentials.token else Look.Way.PAGE
            sighting = Sighting(visitor.person, person, way, timezone.now(), _asked(outlet.scope))
            self._waiting[sighting.key] = sighting
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._note())

    async def settle(self) -> None:
        """Wait a moment for what is not noted yet."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=SETTLE_S)

    async def _note(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            some = dict(islice(self._waiting.items(), AT_ONCE))
            try:
                await database_sync_to_async(looks_note)(some.values())
            except Error as error:
                log.warning("live.looks_not_noted", error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
                continue
            for key in some:
                del self._waiting[key]


def _asked(scope: Mapping[str, Any]) -> ASGIRequest:
    """The handshake as the request that it was: the audit log reads from it where somebody asked from."""
    return ASGIRequest({**scope, "type": "http", "method": "GET"}, BytesIO())
