"""The fast way to decode: whole columns, for messages that are plainly good.

Every shortcut here may only refuse to decide. A message is accepted when its bytes prove that it is what `exact`
would accept, with the same values; whatever is not proven goes to `exact`, one by one. The proof, per message:

- no backslash, so that every string ends at the next quote;
- as many colons as known keys that were read, nulls, and colons inside known strings: so no key but a null one is
  unknown or doubled (polars takes the first of doubles, JSON readers the last);
- as many nulls as known keys that are null, and none of those was read from another place;
- no boolean, which polars turns into a number, and no list of sources that is none;
- no string looks like a number, which polars turns into a string, unless the quote is seen before it;
- JSON, numbers and UTF-8 are strict in polars itself: one bad message fails a chunk, which is then cut smaller.

What a whole column proves (no null in it, all of it between the limits) is not asked of its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_
from typing import Any, Final

import polars as pl

from devices.metrics import METRICS, NUMERIC
from ingestion.batch import EVENT_SCHEMA, Batch
from ingestion.exact import MAX_AHEAD, MAX_SOURCES, MAX_STRING, judge
from ingestion.verdicts import Accepted, Limits, Rejected

FEW: Final = 100  # up to here one by one costs less than columns: 30 us a message against some 10 ms a batch
PLAIN_BYTES: Final = 4096  # longer messages are judged one by one
CHUNK: Final = 1024  # messages parsed at once: what polars builds of them in between then stays in the cache
CUT: Final = 4
SMALLEST_CHUNK: Final = 16
_NULLS: Final = (":null", ": null")  # as compact writers and Python's spell it; any other is judged one by one
_NOT_PLAIN: Final = ("\\", "true", "false")
_COLONS_OF_A_TIME: Final = 2

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
_KEYS: Final = {name: name for name in _JSON_SCHEMA} | {metric.name: metric.field for metric in METRICS.values()}
_WRITTEN, _NULL = "nulls", "null:"  # columns: how many are written, and before the name of a key, whether it is one
_JSON: Final = pl.Struct(_JSON_SCHEMA)
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_USER_ID = r"^[A-Za-z0-9._\-@+:]{1,64}$"
_BARE_USER_ID = r"^([\d\-]|(true|false)$)"  # perhaps no string: these have no quotes around them in JSON
_SOURCE_END: Final = '"'  # cannot stand inside a string that has no backslash
_BAD_SOURCES = r'\p{Cc}|null|(^|")([\d\-\[{]|true|false)'
_TIME = r"^2[01]\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?Z$"


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
    plain = plain.filter(reduce(and_, [~_holds(text) for text in _NOT_PLAIN]))
    parsed = _parse(plain)
    fast = _accept(pl.concat(parsed, rechunk=False), limits) if parsed else EVENT_SCHEMA.to_frame()
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


def _accept(parsed: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The events of `parsed` that are proven good, as EVENT_SCHEMA."""
    leaves = [pl.col(metric.group).struct.field(metric.field).alias(metric.name) for metric in METRICS.values()]
    recorded_at = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", strict=False, time_unit="us")
    events = _with_nulls(parsed.with_columns(*leaves, recorded_at.dt.replace_time_zone("UTC").alias("recorded_at")))
    tests = [*_strings_are_good(), *_values_are_good(events), *_time_is_good(limits), *_keys_add_up(events)]
    proven = events.select(reduce(and_, tests).fill_null(value=False).alias("good"))["good"]
    return (events if proven.all() else events.filter(proven)).select(
        pl.col("message").cast(pl.Int64),
        pl.col("event_id").str.to_lowercase(),
        "recorded_at",
        pl.col("user_id").alias("username"),
        "device_sources",
        *METRICS,
    )


def _strings_are_good() -> list[pl.Expr]:
    sources, user_id = pl.col("device_sources"), pl.col("user_id").str
    longest = sources.list.eval(pl.element().str.len_chars()).list.max().fill_null(0)
    quoted = _holds('"user_id":"') | _holds('"user_id": "')
    listed = sources.is_null() | _holds('"device_sources":[') | _holds('"device_sources": [')
    return [
        pl.col("event_id").str.contains(_UUID),
        pl.col("timestamp").str.contains(_TIME),
        user_id.contains(_USER_ID) & ~user_id.contains("null", literal=True),
        ~user_id.contains(_BARE_USER_ID) | quoted,
        listed,
        ~sources.list.join(_SOURCE_END, ignore_nulls=False).str.contains(_BAD_SOURCES).fill_null(value=False),
        sources.list.len().fill_null(0) <= MAX_SOURCES,
        sources.list.eval(pl.element().is_null()).list.any().fill_null(value=False).not_(),
        longest <= MAX_STRING,
    ]


def _values_are_good(events: pl.DataFrame) -> list[pl.Expr]:
    systolic, diastolic = pl.col("blood_pressure_systolic"), pl.col("blood_pressure_diastolic")
    lowest, highest = events.select(pl.col(NUMERIC).min()), events.select(pl.col(NUMERIC).max())
    tests = [(diastolic < systolic).fill_null(value=True)]
    for metric in METRICS.values():
        column = pl.col(metric.name)
        if metric.is_text:
            tests.append(column.is_in(metric.choices).fill_null(value=True))
            continue
        between = column.is_between(metric.low, metric.high, closed="right" if metric.low_open else "both")
        ends = pl.concat([lowest[metric.name], highest[metric.name]])
        if not ends.to_frame().select(between.all()).item():
            possible = between | column.is_in(metric.sentinels) if metric.sentinels else between
            tests.append(possible.fill_null(value=True))
    return tests


def _with_nulls(events: pl.DataFrame) -> pl.DataFrame:
    """`events` with the number of nulls in the text, and for each key that some of them lack whether it is one."""
    nulls = [null for null in _NULLS if events["payload"].str.contains(null, literal=True).any()]
    is_null = [
        reduce(or_, [_holds(f'"{key}"{null}') for null in nulls]).alias(_NULL + name)
        for name, key in _KEYS.items()
        if nulls and events[name].null_count()
    ]
    return events.with_columns(pl.sum_horizontal(pl.lit(0, pl.UInt32), *map(_count, nulls)).alias(_WRITTEN), *is_null)


def _keys_add_up(events: pl.DataFrame) -> list[pl.Expr]:
    """Every key of the message is one that was read, or one that is null and was not."""
    absent = {name: events[name].null_count() for name in _KEYS}
    nulls = [name for name in _KEYS if _NULL + name in events.columns]
    everywhere = sum(count == 0 for count in absent.values())
    partly = [pl.col(name).is_not_null() for name, count in absent.items() if 0 < count < events.height]
    inside_strings = (
        pl.col("user_id").str.count_matches(":", literal=True)
        + pl.col("device_sources").list.join("").str.count_matches(":", literal=True).fill_null(0)
        + _COLONS_OF_A_TIME
    )
    return [
        _count(":") == inside_strings + everywhere + _how_many(partly) + pl.col(_WRITTEN),
        pl.col(_WRITTEN) == _how_many([pl.col(_NULL + name) for name in nulls]),
        *(~(pl.col(name).is_not_null() & pl.col(_NULL + name)) for name in nulls if absent[name] < events.height),
    ]


def _how_many(tests: Sequence[pl.Expr]) -> pl.Expr:
    """How many of them hold in each row."""
    return pl.sum_horizontal(pl.lit(0, pl.UInt32), *(test.cast(pl.UInt32) for test in tests))


def _holds(text: str) -> pl.Expr:
    return pl.col("payload").str.contains(text, literal=True)


def _count(text: str) -> pl.Expr:
    return pl.col("payload").str.count_matches(text, literal=True)


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
