"""SIGTERM and SIGINT as a wish to stop, which a loop sees between two steps; a worker that hangs is made to."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType
from typing import Final

import structlog

log = structlog.get_logger(__name__)
PATIENCE_S: Final = 15.0


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that holds the signals that came; what they did before is restored at the end. Main thread only."""
    came: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, catch) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopping:
    """True once the process was told to stop.

    Signals reach Python's own handlers between two lines only: a worker that waits for a service that hangs would never
    hear of them. So a thread of its own listens. Once told, the worker has `PATIENCE_S`; if it is still there then, the
    process ends under it. Nothing is lost: what is not committed is read again.
    """

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._told = Event()
        self._ended = Event()
        self._listener, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)  # noqa: FBT003  # the socket's own shape

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; from the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _caught, _frame: self._told.set())
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        Thread(target=self._watch, name="stopping", daemon=True).start()

    def __bool__(self) -> bool:
        return self._told.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless told to stop."""
        self._told.wait(seconds)

    def end(self) -> None:
        """The worker has ended well: nobody has to be made to."""
        self._ended.set()

    def _watch(self) -> None:
        asked = (signal.SIGTERM, signal.SIGINT)
        while not any(number in self._listener.recv(64) for number in asked):
            continue
        self._told.set()
        if not self._ended.wait(self._patience_s):
            log.error("consumer.stopped_waiting", after_s=self._patience_s)
            sys.stdout.flush()
            os._exit(0)
