"""However slowly somebody answers, a message takes so long and no longer: then its connections are cut.

The time-outs of a socket are for each read, and a byte every few seconds meets them for ever.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_real: Final = socket.socket.connect
_thread: Final = threading.local()


class Connections:
    """What one thread has connected to, until it is cut off; `is_cut` says whether it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._twins: list[socket.socket] = []
        self.is_cut = False

    def add(self, connected: socket.socket) -> None:
        """Watch it. Raises TimeoutError where the time is over."""
        with self._lock:
            if self.is_cut:
                raise TimeoutError("It took too long.")
            # TLS takes a socket over, and leaves an empty one: what is cut is another handle of the connection
            self._twins.append(socket.socket(fileno=os.dup(connected.fileno())))

    def cut(self) -> None:
        """Whoever reads from one of them or writes to it fails at once, and so does whoever connects anew."""
        with self._lock:
            self.is_cut = True
            for twin in self._twins:
                with suppress(OSError):  # the other side was faster
                    twin.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Watch none of them any more."""
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


@contextmanager
def cut_after(seconds: float) -> Iterator[Connections]:
    """In this thread, within the block, every connection is cut once so much time is over."""
    if socket.socket.connect is not _watched:
        socket.socket.connect = _watched  # type: ignore[method-assign,assignment]
    mine = Connections()
    alarm = threading.Timer(seconds, mine.cut)
    alarm.daemon = True
    alarm.start()
    _thread.connections = mine
    try:
        yield mine
    finally:
        del _thread.connections
        alarm.cancel()
        mine.let_go()


def _watched(self: socket.socket, address: Any) -> None:
    _real(self, address)
    mine: Connections | None = getattr(_thread, "connections", None)
    if mine is not None:
        mine.add(self)
