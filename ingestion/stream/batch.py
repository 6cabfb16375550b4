"""A micro-batch: what was polled, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from devices.metrics import METRICS

EVENT_SCHEMA: Final = pl.Schema(
    {
        "message": pl.Int64,
        "event_id": pl.String,
        "recorded_at": pl.Datetime("us", "UTC"),
        "username": pl.String,
        "device_sources": pl.List(pl.String),
        **{metric.name: pl.String if metric.is_text else pl.Float64 for metric in METRICS.values()},
    }
)


class Position(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Origin(NamedTuple):
    """Where a message came from."""

    position: Position
    offset: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages in order of arrival, as parallel columns, and where each partition stands after them.

    `origins` are made when they are asked for: of few messages they matter. `received_at` (Datetime us UTC) is the
    broker's time of each message, never ahead of our clock. `next` is the offset after the batch, of every partition in
    it.
    """

    payloads: list[bytes]
    origins: Sequence[Origin]
    received_at: pl.Series
    next: dict[Position, int]

    def __len__(self) -> int:
        return len(self.payloads)
