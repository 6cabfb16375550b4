"""A thousand browsers in one process, as light as they go: they count frames, and note how old each vital is.

    python -m benchmarks._listeners PORT FILE     the file: a JSON list of [query, token]

Says `open` when every socket had its first frame, and on SIGTERM one line of JSON with what it heard.
"""

import asyncio
import base64
import json
import os
import signal
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import uvloop

MARK = b'"event_id":"'
VITAL = b'{"type":"vital"'
HIGHEST = 0x7D
OPENING = 100  # handshakes under way at once, as a kernel's backlog allows


class Notes:
    """What all sockets heard."""

    def __init__(self) -> None:
        self.micros, self.ages = array("q"), array("q")
        self.frames = 0
        self.closed: dict[str, int] = {}


class Listener(asyncio.Protocol):
    """One socket. It parses no more than it must."""

    def __init__(self, port: int, query: str, token: str, notes: Notes) -> None:
        self._port, self._query, self._token, self._notes = port, query, token, notes
        self._rest = b""
        self._is_open = False
        self.first_frame: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /ws/vitals{self._query} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Token {self._token}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.time_ns() // 1000
        data = self._rest + data if self._rest else data
        at = 0
        if not self._is_open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            if b" 101 " not in data[:20]:
                raise SystemExit(data[:200])
            self._is_open = True
        while at + 2 <= len(data):
            length, body = data[at + 1] & 0x7F, at + 2
            if length > HIGHEST:
                wide = 2 if length == 126 else 8
                if body + wide > len(data):
                    break
                length, body = int.from_bytes(data[body : body + wide], "big"), body + wide
            if body + length > len(data):
                break
            self._frame(data[at] & 0x0F, data[body : body + length], now)
            at = body + length
        self._rest = data[at:]

    def _frame(self, opcode: int, body: bytes, now: int) -> None:
        notes = self._notes
        if opcode == 1:
            notes.frames += 1
            if not self.first_frame.done():
                self.first_frame.set_result(None)
            if body.startswith(VITAL):
                at = body.index(MARK, 15, 60) + len(MARK)
                sent = int(body[at : at + 8] + body[at + 9 : at + 13] + body[at + 14 : at + 18], 16)
                notes.micros.append(sent)
                notes.ages.append(now - sent)
        elif opcode == 9:
            mask = os.urandom(4)
            masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
            self._transport.write(bytes((0x8A, 0x80 | len(body))) + mask + masked)
        elif opcode == 8:
            code = str(int.from_bytes(body[:2], "big"))
            notes.closed[code] = notes.closed.get(code, 0) + 1
            if not self.first_frame.done():
                self.first_frame.set_exception(ConnectionError(f"closed with {code}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.first_frame.done():
            self.first_frame.set_exception(ConnectionError(str(exc)))


async def run(port: int, wanted: list[tuple[str, str]]) -> None:
    loop, notes = asyncio.get_running_loop(), Notes()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    gate = asyncio.Semaphore(OPENING)

    async def open_one(query: str, token: str) -> None:
        async with gate:
            _, each = await loop.create_connection(lambda: Listener(port, query, token, notes), "127.0.0.1", port)
        await each.first_frame

    began = time.monotonic()
    await asyncio.gather(*(open_one(*each) for each in wanted))
    opened_s = time.monotonic() - began
    print("open", flush=True)
    await ended.wait()
    found = {"opened_s": opened_s, "frames": notes.frames, "closed": notes.closed}
    print(json.dumps(found | {"micros": notes.micros.tolist(), "ages": notes.ages.tolist()}), flush=True)


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]), [tuple(each) for each in json.loads(Path(sys.argv[2]).read_text())]))
