"""uvicorn's WebSocket, which lets a client that reads nothing go: `--ws dashboard.live.protocol:Protocol`.

A transport that is closed first writes what it still holds, and a client that has stopped reading never takes it: the
connection, and what it holds here and in the kernel, would stay for as long as that client's machine does.
"""

import asyncio
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S: Final = 5.0  # for what was written before the end to be taken


class Protocol(WebSocketsSansIOProtocol):
    """Ends LINGER_S after the application is done with it, or after no pong came, whoever reads."""

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def _end_soon(self) -> None:
        if not self.disconnected:
            self.loop.call_later(LINGER_S, self.transport.abort)
