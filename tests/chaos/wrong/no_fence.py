"""It writes whether or not the partition is still its own."""

from typing import Any

from ingestion.stream import pipeline


def change() -> None:
    def fence(*_: Any, **__: Any) -> None:
        return

    pipeline.fence = fence
