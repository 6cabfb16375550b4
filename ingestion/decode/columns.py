"""The fast way to decode: whole columns, for messages that are plainly good.

Every shortcut here may only refuse to decide. A message is accepted when its bytes prove (`proof`) that it is what
`exact` would accept, with the same values; whatever is not proven goes to `exact`, one by one. JSON, numbers and UTF-8
are strict in polars itself: one bad message fails a chunk, which is then cut smaller.
"""

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from devices.metrics import METRICS
from ingestion.decode.exact import judge
from ingestion.decode.plain_times import times
from ingestion.decode.proof import proven
from ingestion.decode.verdicts import Accepted, Limits, Rejected
from ingestion.stream.batch import EVENT_SCHEMA, Batch

FEW: Final = 100  # up to here one by one costs less than columns: 30 us a message against some 10 ms a batch
PLAIN_BYTES: Final = 4096  # longer messages are judged one by one
CHUNK: Final = 1024  # messages parsed at once: what polars builds of them in between then stays in the cache
CUT: Final = 4
SMALLEST_CHUNK: Final = 16
_NOT_PLAIN: Final = ("\\", "true", "false")

_FIELD_TYPE = {metric.name: pl.String if metric.is_text else pl.Float64 for metric in METRICS.values()}
_GROUPS = {
    group: pl.Struct({m.field: _FIELD_TYPE[m.name]() for m in METRICS.values() if m.group == group})
    for group in ("vitals", "activity", "sleep", "environment")
}
_JSON_SCHEMA: Final[dict[str, Any]] = {
    "event_id": pl.String,
    "timestamp": pl.String,
    "user_id": pl.String,
    "device_sources": pl.List(pl.String),
    **_GROUPS,
}
_JSON: Final = pl.Struct(_JSON_SCHEMA)


@dataclass(frozen=True, slots=True)
class Decoded:
    """`events`: EVENT_SCHEMA, `message` being the index into the batch; `rejected` by that index."""

    events: pl.DataFrame
    rejected: dict[int, Rejected]
    unknown_fields: int = 0


def decode(batch: Batch, *, limits: Limits) -> Decoded:
    """The verdict on every message of the batch, by the way that is cheaper for its size."""
    if len(batch) < FEW:
        return _with_exact(EVENT_SCHEMA.to_frame(), list(range(len(batch))), batch, limits)
    return decode_columns(batch, limits=limits)


def decode_columns(batch: Batch, *, limits: Limits) -> Decoded:
    """The verdict on every message of the batch, by columns where their bytes prove them good."""
    raw = pl.DataFrame(
        {"payload": pl.Series(batch.payloads, dtype=pl.Binary), "received_at": batch.received_at}
    ).with_row_index("message")
    plain = _as_text(raw.filter(pl.col("payload").bin.size().is_between(2, PLAIN_BYTES)))
    plain = plain.filter(~pl.any_horizontal(pl.col("payload").str.contains(text, literal=True) for text in _NOT_PLAIN))
    parsed = _parse(plain)
    fast = _accept(pl.concat(parsed, rechunk=False), batch, limits) if parsed else EVENT_SCHEMA.to_frame()
    if fast.height == len(batch):
        return Decoded(fast, {})
    rest = raw.select("message").join(fast.select(pl.col("message").cast(pl.UInt32)), on="message", how="anti")
    return _with_exact(fast, rest["message"].to_list(), batch, limits)


def _as_text(plain: pl.DataFrame) -> pl.DataFrame:
    """`plain` with its payload as text, without those that are none: one of them, and polars refuses the column."""
    try:
        return plain.with_columns(pl.col("payload").cast(pl.String))
    except pl.exceptions.ComputeError:
        texts = [payload.decode(errors="replace") for payload in plain["payload"]]
        return plain.with_columns(pl.Series("payload", texts)).filter(~pl.col("payload").str.contains("\ufffd"))


def _parse(plain: pl.DataFrame, size: int = CHUNK) -> list[pl.DataFrame]:
    """`plain` with its parsed columns, in pieces; without the small ones that hold a message polars refuses."""
    pieces = []
    for piece in plain.iter_slices(size):
        try:
            pieces.append(piece.hstack(piece["payload"].str.json_decode(_JSON).struct.unnest()))
        except pl.exceptions.PolarsError:
            pieces += _parse(piece, size // CUT) if size // CUT >= SMALLEST_CHUNK else []
    return pieces


def _accept(parsed: pl.DataFrame, batch: Batch, limits: Limits) -> pl.DataFrame:
    """The events of `parsed` that are proven good, as EVENT_SCHEMA."""
    leaves = [pl.col(metric.group).struct.field(metric.field).alias(metric.name) for metric in METRICS.values()]
    recorded_at, colons = times(parsed["timestamp"])
    events = parsed.with_columns(*leaves, recorded_at, pl.Series("colons_of_time", colons))
    is_whole = parsed.height == len(batch)
    payloads = batch.payloads if is_whole else [batch.payloads[index] for index in parsed["message"]]
    good = proven(events, payloads, limits=limits)
    return (events if good.all() else events.filter(good)).select(
        pl.col("message").cast(pl.Int64),
        pl.col("event_id").str.to_lowercase(),
        "recorded_at",
        pl.col("user_id").alias("username"),
        "device_sources",
        *METRICS,
    )


def _with_exact(fast: pl.DataFrame, rest: list[int], batch: Batch, limits: Limits) -> Decoded:
    """`fast`, and the messages of `rest` judged one by one."""
    verdicts = {
        index: judge(batch.payloads[index], received_at=batch.received_at[index], limits=limits) for index in rest
    }
    accepted = {index: verdict for index, verdict in verdicts.items() if isinstance(verdict, Accepted)}
    events = pl.concat([fast, frame_of(accepted)]).sort("message") if accepted else fast
    return Decoded(
        events=events,
        rejected={index: verdict for index, verdict in verdicts.items() if isinstance(verdict, Rejected)},
        unknown_fields=sum(verdict.unknown_fields for verdict in accepted.values()),
    )


def frame_of(accepted: dict[int, Accepted]) -> pl.DataFrame:
    """Events judged one by one, as EVENT_SCHEMA."""
    rows = [
        {
            "message": index,
            "event_id": event.event_id,
            "recorded_at": event.recorded_at,
            "username": event.user_id,
            "device_sources": list(event.device_sources),
            **event.values,
        }
        for index, event in accepted.items()
    ]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA)
