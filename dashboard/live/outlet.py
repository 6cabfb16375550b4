"""One socket's way out: a bounded queue of frames, numbered as they leave."""

import asyncio
from typing import Final, Literal

from dashboard.live.visitor import Sight

MOST_WAITING: Final = 4096  # a second of a thousand people at four events a second each
Kind = Literal["vital", "alert", "status"]


class Outlet:
    """What one socket may see and has yet to send. `closing` is set to the code it shall be closed with; `look_again`
    where a right may have been taken away.

    The frames of one connection are numbered by `seq` from 1 on, without a gap.
    """

    def __init__(self, *, session: str, sees: Sight) -> None:
        self.session = session
        self.sees = sees
        self.closing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.look_again = asyncio.Event()
        self._waiting: asyncio.Queue[tuple[Kind, str]] = asyncio.Queue(MOST_WAITING)
        self._seq = 0

    def sees_person(self, user: int) -> bool:
        return self.sees == "everyone" or user in self.sees

    def put(self, kind: Kind, data: str) -> None:
        """Queue a frame whose `data` is JSON text; a socket that lets its queue fill up is closed."""
        try:
            self._waiting.put_nowait((kind, data))
        except asyncio.QueueFull:
            self.close(TOO_SLOW)

    def close(self, code: int) -> None:
        if not self.closing.done():
            self.closing.set_result(code)

    async def next_frame(self) -> str:
        """The next frame to send; waits for one."""
        kind, data = await self._waiting.get()
        self._seq += 1
        return f'{{"type":"{kind}","seq":{self._seq},"data":{data}}}'


NOT_SIGNED_IN: Final = 4401
NOT_ALLOWED: Final = 4403
TOO_SLOW: Final = 4408
