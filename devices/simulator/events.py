"""Frames of readings to events of the stream: the JSON of the contract, one string a reading."""

from typing import Final

import polars as pl

from devices.metrics import METRICS, Group
from devices.simulator.people import People
from devices.simulator.stream import REPORTED

_GROUPS: Final[tuple[Group, ...]] = ("vitals", "activity", "sleep", "environment")


def encode(who: People, frame: pl.DataFrame) -> pl.Series:
    """One event a row of `frame` (see `readings`), in its order, as JSON text."""
    sources = pl.DataFrame(
        {"user_id": who.user_ids, "device_sources": [list(worn) for worn in who.device_sources]},
        schema={"user_id": pl.String, "device_sources": pl.List(pl.String)},
    )
    event = pl.struct(
        "event_id",
        pl.from_epoch("at_ms", time_unit="ms").dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ").alias("timestamp"),
        "user_id",
        "device_sources",
        *(_group(name) for name in _GROUPS),
    )
    worn = frame.join(sources, on="user_id", how="left", maintain_order="left")
    return worn.select(event.struct.json_encode().alias("event"))["event"]


def _group(group: Group) -> pl.Expr:
    inner = [_field(name) for name in REPORTED if METRICS[name].group == group]
    return pl.struct(inner).alias(group)


def _field(name: str) -> pl.Expr:
    metric = METRICS[name]
    column = pl.col(name)
    whole = not metric.is_text and metric.decimals == 0
    return (column.cast(pl.Int32) if whole else column).alias(metric.field)
