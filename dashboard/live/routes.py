"""The addresses of the sockets."""

from typing import Any

from dashboard.live.origin import OriginCheck
from dashboard.live.socket import vitals


async def _sockets(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == "/ws/vitals":
        await vitals(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.close", "code": 1008})


sockets = OriginCheck(_sockets)
