"""One socket's way out: frames wait in order, are numbered as they leave, and are bounded in what they hold."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, Literal

import structlog

from dashboard.live.visitor import Asked, Sight
from devices.account.credentials import Credentials

log = structlog.get_logger(__name__)
MOST_WAITING: Final = 16 << 20  # characters, which sockets share: three times everybody, of ten thousand people
SEND_S: Final = 5.0  # a send that takes longer means that nobody reads
CLOSE_S: Final = 10.0  # so long a client that does not read may take to hear why it was dropped
GONE: Final = 1001
NOT_SIGNED_IN: Final = 4401
NOT_ALLOWED: Final = 4403
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
Kind = Literal["vital", "alert", "planned", "status"]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]
_NOWHERE: Final[Scope] = MappingProxyType({"path": "", "headers": []})


class Outlet:
    """What one socket may hear and has yet to send; `look_at` is when to look again at who is there (monotonic),
    `scope` how it was opened.

    The frames of one connection are numbered by `seq` from 1 on, without a gap. A task writes while there is something
    to write, so that a socket at rest costs none.
    """

    __slots__ = (
        "_closing",
        "_send",
        "_seq",
        "_size",
        "_task",
        "_waiting",
        "_writing",
        "asked",
        "credentials",
        "look_at",
        "scope",
        "sees",
        "told_of"
    )  # fmt: skip

    def __init__(  # noqa: PLR0913  # what a socket is, each by name
        self, *, credentials: Credentials, asked: Asked, sees: Sight, told_of: Sight, send: Send,
        scope: Scope = _NOWHERE,
    ) -> None:  # fmt: skip
        self.credentials = credentials
        self.scope = scope
        self.asked = asked
        self.sees = sees
        self.told_of = told_of
        self.look_at = 0.0
        self._send = send
        self._task = asyncio.current_task()
        self._waiting: list[tuple[Kind, str]] = []
        self._size = 0
        self._seq = 0
        self._writing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether we close it, or have."""
        return self._closing is not None

    def put(self, kind: Kind, data: str) -> None:
        """Queue a frame whose `data` is JSON text; a socket that lets too much pile up is closed."""
        if self.is_closed:
            return
        self._waiting.append((kind, data))
        self._size += len(data)
        if self._size > MOST_WAITING:
            self.close(TOO_SLOW)
        elif self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            async with asyncio.timeout(SEND_S) as limit:
                while self._waiting:
                    await self._write_waiting()
                    limit.reschedule(asyncio.get_running_loop().time() + SEND_S)
        except TimeoutError:
            self.close(TOO_SLOW)
        except OSError:
            self.close(GONE)
        finally:
            self._writing = None

    async def _write_waiting(self) -> None:
        """What waits now, while what comes meanwhile waits in turn."""
        waiting, self._waiting = self._waiting, []
        size = self._size
        for kind, data in waiting:
            self._seq += 1
            await self._send({"type": "websocket.send", "text": f'{{"type":"{kind}","seq":{self._seq},"data":{data}}}'})
        self._size -= size

    def close(self, code: int) -> None:
        """End it with that code: what waits is dropped, and the task that serves the socket is cancelled."""
        if not self.is_closed:
            log.info("live.closed", close_code=code)
            self._waiting.clear()
            self._closing = asyncio.get_running_loop().create_task(self._close(code))

    async def _close(self, code: int) -> None:
        if self._writing is not None:
            self._writing.cancel()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_S):
                await self._send({"type": "websocket.close", "code": code})
        if self._task is not None:
            self._task.cancel()
