"""The fast way to decode: whole columns, for messages that are plainly good.

Every shortcut here may only refuse to decide. A message is accepted when its bytes prove that it is what `exact`
would accept, with the same values; whatever is not proven goes to `exact`, one by one. The proof, per message:

- no backslash and no newline, so that every string ends at the next quote and one message is one line;
- as many colons as known keys that were read, nulls, and colons inside known strings: so no key is unknown or doubled
  (polars takes the first of doubles, JSON readers the last);
- as many quotes as those keys and strings need: so no number or object stands where a string was read (polars turns
  them into strings);
- numbers, JSON and UTF-8 are strict in polars itself: one bad line fails a chunk, which is then cut smaller.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import Final

import polars as pl

from devices.metrics import METRICS
from ingestion.batch import EVENT_SCHEMA, Batch
from ingestion.exact import MAX_AHEAD, MAX_SOURCES, MAX_STRING, judge
from ingestion.verdicts import Accepted, Limits, Rejected

PLAIN_BYTES: Final = 4096  # longer messages are judged one by one
SMALLEST_CHUNK: Final = 64
CUT: Final = 8

_FIELD_TYPE = {metric.name: pl.String if metric.is_text else pl.Float64 for metric in METRICS.values()}
_GROUPS = {
    group: pl.Struct({m.field: _FIELD_TYPE[m.name]() for m in METRICS.values() if m.group == group})
    for group in ("vitals", "activity", "sleep", "environment")
}
_JSON_SCHEMA: Final = {
    "event_id": pl.String,
    "timestamp": pl.String,
    "user_id": pl.String,
    "device_sources": pl.List(pl.String),
    **_GROUPS,
}
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_USER_ID = r"^[A-Za-z0-9._\-@+:]{1,64}$"
_TIME = r"^2[01]\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?Z$"


@dataclass(frozen=True, slots=True)
class Decoded:
    """`events`: EVENT_SCHEMA, `message` being the index into the batch; `rejected` by that index."""

    events: pl.DataFrame
    rejected: dict[int, Rejected]
    unknown_fields: int = 0


def decode(batch: Batch, *, limits: Limits) -> Decoded:
    """The verdict on every message of the batch."""
    raw = pl.DataFrame(
        {"payload": pl.Series(batch.payloads, dtype=pl.Binary), "received_at": pl.Series(batch.received_at)}
    ).with_row_index("message")
    plain = _as_text(raw.filter(_is_plain()))
    plain = plain.filter(~pl.col("payload").str.contains_any(["\\", "\n"]))
    accepted = [_accept(chunk, limits) for chunk in _parse(plain)]
    fast = pl.concat([EVENT_SCHEMA.to_frame(), *accepted])
    rest = raw.select("message").join(fast.select(pl.col("message").cast(pl.UInt32)), on="message", how="anti")
    return _with_exact(fast, rest["message"].to_list(), batch, limits)


def _is_plain() -> pl.Expr:
    return pl.col("payload").bin.size().is_between(2, PLAIN_BYTES)


def _as_text(plain: pl.DataFrame) -> pl.DataFrame:
    """`plain` with its payload as text, without those that are none: one of them, and polars refuses the column."""
    try:
        return plain.with_columns(pl.col("payload").cast(pl.String))
    except pl.exceptions.ComputeError:
        texts = [payload.decode(errors="replace") for payload in plain["payload"]]
        return plain.with_columns(pl.Series("payload", texts)).filter(~pl.col("payload").str.contains("\ufffd"))


def _parse(plain: pl.DataFrame) -> list[pl.DataFrame]:
    """`plain` with its parsed columns, in pieces; without the pieces that hold a line polars refuses."""
    if plain.is_empty():
        return []
    lines = "\n".join(plain["payload"].to_list()).encode()
    try:
        parsed = pl.read_ndjson(lines, schema=_JSON_SCHEMA)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        parsed = None
    if parsed is not None and parsed.height == plain.height:
        return [plain.hstack(parsed)]
    if plain.height <= SMALLEST_CHUNK:
        return []
    size = -(-plain.height // CUT)
    return [piece for part in plain.iter_slices(size) for piece in _parse(part)]


def _accept(parsed: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The events of `parsed` that are proven good, as EVENT_SCHEMA."""
    leaves = [pl.col(metric.group).struct.field(metric.field).alias(metric.name) for metric in METRICS.values()]
    recorded_at = pl.col("timestamp").str.strip_suffix("Z").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False)
    events = parsed.with_columns(
        *leaves, recorded_at.dt.cast_time_unit("us").dt.replace_time_zone("UTC").alias("recorded_at")
    )
    good = reduce(and_, [*_strings_are_good(), *_values_are_good(), *_bytes_add_up(), *_time_is_good(limits)])
    return events.filter(good).select(
        pl.col("message").cast(pl.Int64),
        pl.col("event_id").str.to_lowercase(),
        "recorded_at",
        pl.col("user_id").alias("username"),
        "device_sources",
        *METRICS,
    )


def _strings_are_good() -> list[pl.Expr]:
    joined = pl.col("device_sources").list.join("", ignore_nulls=False).fill_null("")
    longest = pl.col("device_sources").list.eval(pl.element().str.len_chars()).list.max().fill_null(0)
    return [
        pl.col("event_id").str.contains(_UUID),
        pl.col("timestamp").str.contains(_TIME),
        pl.col("user_id").str.contains(_USER_ID) & ~pl.col("user_id").str.contains("null", literal=True),
        ~joined.str.contains(r'["\p{Cc}]|null'),
        pl.col("device_sources").list.len().fill_null(0) <= MAX_SOURCES,
        pl.col("device_sources").list.eval(pl.element().is_null()).list.any().fill_null(value=False).not_(),
        longest <= MAX_STRING,
    ]


def _values_are_good() -> list[pl.Expr]:
    systolic, diastolic = pl.col("blood_pressure_systolic"), pl.col("blood_pressure_diastolic")
    tests = [(diastolic < systolic).fill_null(value=True)]
    for metric in METRICS.values():
        column = pl.col(metric.name)
        if metric.is_text:
            test = column.is_in(metric.choices)
        else:
            test = column.is_between(metric.low, metric.high, closed="right" if metric.low_open else "both")
            test = test | column.is_in(metric.sentinels) if metric.sentinels else test
        tests.append(test.fill_null(value=True))
    return tests


def _bytes_add_up() -> list[pl.Expr]:
    """The colons and quotes of the message are those of what was read, and no more."""
    payload = pl.col("payload")
    keys = (
        pl.sum_horizontal(*(pl.col(name).is_not_null().cast(pl.UInt32) for name in (*_JSON_SCHEMA, *METRICS)))
        + payload.str.count_matches(":null", literal=True)
        + payload.str.count_matches(": null", literal=True)
    )
    colons_inside = (
        pl.col("timestamp").str.count_matches(":", literal=True)
        + pl.col("user_id").str.count_matches(":", literal=True)
        + pl.col("device_sources").list.join("").str.count_matches(":", literal=True).fill_null(0)
    )
    strings = pl.col("device_sources").list.len().fill_null(0) + pl.sum_horizontal(
        *(pl.col(m.name).is_not_null().cast(pl.UInt32) for m in METRICS.values() if m.is_text)
    )
    return [
        payload.str.count_matches(":", literal=True) == keys + colons_inside,
        payload.str.count_matches('"', literal=True) == 2 * (keys + strings + 3),
    ]


def _time_is_good(limits: Limits) -> list[pl.Expr]:
    recorded_at = pl.col("recorded_at")
    return [
        recorded_at.is_not_null(),
        recorded_at >= limits.oldest,
        recorded_at <= pl.col("received_at") + MAX_AHEAD,
        recorded_at < datetime(2200, 1, 1, tzinfo=UTC),
    ]


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
