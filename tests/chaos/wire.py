"""The line between a consumer and PostgreSQL, and what can go wrong on it at the worst moment: at the COMMIT."""

import socket
from typing import Literal

from tests.telara.proxy import Proxy

Loss = Literal["commit", "answer"]
_COPY = b"COPY devices_reading"
_STAGED = b"COPY reading_staging"
_COMMIT = b"COMMIT\0"


class Line(Proxy):
    """A proxy that breaks once at the COMMIT of a transaction that copied readings: `lose("commit")` before the server
    has it, `lose("answer")` when the server has done it and before the client knows."""

    def __init__(self, host: str, target: int) -> None:
        super().__init__(host, target)
        self._to_lose: Loss | None = None
        self._copied: set[socket.socket] = set()
        self._deaf: set[socket.socket] = set()
        self.lost = 0

    def lose(self, what: Loss) -> None:
        self._to_lose = what

    def _passes(self, client: socket.socket, source: socket.socket, data: bytes) -> bool:
        """Whether the bytes are passed on; if not, the connection is cut."""
        if source is not client:
            return client not in self._deaf
        if _COPY in data or _STAGED in data:
            self._copied.add(client)
        if _COMMIT not in data or client not in self._copied:
            return True
        self._copied.discard(client)
        lost, self._to_lose = self._to_lose, None
        self.lost += lost is not None
        if lost == "answer":
            self._deaf.add(client)
        return lost != "commit"
