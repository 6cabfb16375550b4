"""SIGTERM and SIGINT as a wish to stop, which a loop sees between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
