"""The proof that messages which polars parsed are what `exact` would accept, with the same values.

Polars takes the first of doubled keys (JSON readers the last), turns numbers into strings and booleans into numbers. So
a message is proven good by its bytes only:

- it has no backslash, so that every string ends at the next quote, and no boolean;
- as many colons as known keys that were read, nulls, and colons inside known strings: so no key but a null one is
  unknown or doubled, and there are no objects but the event and its groups;
- as many nulls as known keys that are null where they belong, and none of those was read from another place;
- no list of sources that is none, and no string looks like a number unless the quote is seen before it.

What is the same for a whole column (nothing absent, all within the limits) or said by few values (who sent it) is not
asked of every row. What the messages add up to together is not asked of each: each has at least the colons and the
nulls that are accounted for, so where the sums are equal, all are.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add, and_, or_
from typing import Final

import numpy as np
import polars as pl

from devices.metrics import METRICS, NUMERIC
from ingestion.decode.exact import MAX_AHEAD, MAX_SOURCES, MAX_STRING
from ingestion.decode.verdicts import Limits

_TOP: Final = ("event_id", "timestamp", "user_id", "device_sources", *dict.fromkeys(m.group for m in METRICS.values()))
KEYS: Final = {name: name for name in _TOP} | {metric.name: metric.field for metric in METRICS.values()}
# As compact writers and Python's spell a null and the start of a group; any other is judged one by one.
_NULLS: Final = {":null": ":{", ": null": ": {"}
_NULL: Final = "null:"  # columns: before the name of a key, whether it is one
_REST: Final = "rest:"  # columns: before how a group starts, the text from there on
_END: Final = "end:"  # columns: before how a group starts, where in that text it ends
_TO_NO_END_BUT_THE_LAST: Final = r"^[^{}]*(\{|\}\s*$)"  # from a key on that is in no group
_STRINGS: Final = ("user_id", "sources")  # which may hold colons
_COUNTED_AT_ONCE: Final = 512  # messages: what is counted then stays in the cache
_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_USER_ID: Final = r"^[A-Za-z0-9._\-@+:]{1,64}$"
_BARE_USER_ID: Final = r"^([\d\-]|(true|false)$)"  # perhaps no string: these have no quotes around them in JSON
_SOURCE_END: Final = '"'  # cannot stand inside a string that has no backslash
_BAD_SOURCES: Final = r'\p{Cc}|null|(^|")([\d\-\[{]|true|false)'


def proven(events: pl.DataFrame, payloads: Sequence[bytes], *, limits: Limits) -> pl.Series:
    """Which of `events` are good: a Boolean a row.

    `events` have the columns of `KEYS` as polars parsed them, `payload` (text without a backslash or a boolean),
    `received_at`, `recorded_at` (null where the time is not plainly one) and `colons_of_time`; `payloads` are the same
    messages as bytes.
    """
    sources = events.select(pl.col("device_sources").list.join(_SOURCE_END, ignore_nulls=False)).to_series()
    events = events.with_columns(sources.alias("sources"))
    tests = [
        *_strings_are_good(events),
        _is_among_good(events["user_id"], _names_are_good),
        pl.col("sources").is_null() | _is_among_good(events["sources"], _lists_are_good),
        *_values_are_good(events),
        *_time_is_good(limits),
    ]
    good = events.select(reduce(and_, tests).fill_null(value=False).alias("good"))["good"]
    if good.all() and _add_up_together(events, payloads):
        return good
    named = _with_nulls(events)
    return good & named.select(reduce(and_, _keys_add_up(named)).fill_null(value=False)).to_series()


def _strings_are_good(events: pl.DataFrame) -> list[pl.Expr]:
    sources = pl.col("device_sources")
    listed = _holds('"device_sources":[')
    if not events.select((sources.is_null() | listed).all()).item():
        listed |= _holds('"device_sources": [')
    bare = events["user_id"].unique().drop_nulls().str.extract(_BARE_USER_ID, 0).drop_nulls()
    quoted = _holds('"user_id":"') | _holds('"user_id": "')
    return [
        pl.col("event_id").str.contains(_UUID),
        sources.is_null() | listed,
        sources.is_null() | pl.col("sources").is_not_null(),  # a null among them
        *([~pl.col("user_id").str.contains(_BARE_USER_ID) | quoted] if len(bare) else []),
    ]


def _is_among_good(texts: pl.Series, tests: Callable[[pl.Series], list[pl.Series]]) -> pl.Expr:
    """Whether a text passes, of a column that says few things many times."""
    said = texts.unique().drop_nulls()
    good = said.filter(reduce(and_, tests(said)))
    column = pl.col(texts.name)
    return column.is_not_null() if len(good) == len(said) else column.is_in(good.implode())


def _names_are_good(names: pl.Series) -> list[pl.Series]:
    return [names.str.contains(_USER_ID), ~names.str.contains("null", literal=True)]


def _lists_are_good(lists: pl.Series) -> list[pl.Series]:
    each = lists.str.split(_SOURCE_END)
    return [
        ~lists.str.contains(_BAD_SOURCES),
        each.list.eval(pl.element().str.len_chars()).list.max() <= MAX_STRING,
        each.list.len() <= MAX_SOURCES,
    ]


def _values_are_good(events: pl.DataFrame) -> list[pl.Expr]:
    systolic, diastolic = pl.col("blood_pressure_systolic"), pl.col("blood_pressure_diastolic")
    lowest = events.select(pl.col(NUMERIC).min()).row(0, named=True)
    highest = events.select(pl.col(NUMERIC).max()).row(0, named=True)
    tests = [(diastolic < systolic).fill_null(value=True)]
    for metric in METRICS.values():
        column, low, high = pl.col(metric.name), lowest.get(metric.name), highest.get(metric.name)
        if metric.is_text:
            tests.append(column.is_in(metric.choices).fill_null(value=True))
        elif low is not None and high is not None:
            above = low > metric.low if metric.low_open else low >= metric.low
            if not (above and high <= metric.high):
                between = column.is_between(metric.low, metric.high, closed="right" if metric.low_open else "both")
                possible = between | column.is_in(metric.sentinels) if metric.sentinels else between
                tests.append(possible.fill_null(value=True))
    return tests


def _time_is_good(limits: Limits) -> list[pl.Expr]:
    recorded_at = pl.col("recorded_at")
    return [recorded_at >= limits.oldest, recorded_at <= pl.col("received_at") + MAX_AHEAD]


def _add_up_together(events: pl.DataFrame, payloads: Sequence[bytes]) -> bool:
    """Whether good `events` have, all in all, just the colons and nulls that are accounted for."""
    colons, compact, spaced = _counted(payloads)
    nulls = [null for null, count in zip(_NULLS, (compact, spaced), strict=True) if count]
    absent = {name: events[name].null_count() for name in KEYS}
    read = sum(events.height - count for count in absent.values())
    if colons != _colons_in_strings(events) + read + compact + spaced:
        return False
    null_keys = [name for name in KEYS if absent[name]] if nulls else []
    if not null_keys:
        return compact + spaced == 0
    named = _with_null_keys(events, null_keys, nulls)
    sums, doubled = named.select(
        pl.sum_horizontal(pl.col(_NULL + name).sum() for name in null_keys).alias("sum"),
        pl.any_horizontal((pl.col(_NULL + name) & pl.col(name).is_not_null()).any() for name in null_keys).alias("any"),
    ).row(0)
    return sums == compact + spaced and not doubled


def _counted(payloads: Sequence[bytes]) -> tuple[int, int, int]:
    """How many colons there are, and how many of them an `n` follows at once, or after a space."""
    colons = compact = spaced = 0
    for start in range(0, len(payloads), _COUNTED_AT_ONCE):
        text = np.frombuffer(b"".join((*payloads[start : start + _COUNTED_AT_ONCE], b"  ")), np.uint8)
        is_colon, after = text[:-2] == ord(":"), text[1:-1]
        colons += int(np.count_nonzero(is_colon))
        compact += int(np.count_nonzero(is_colon & (after == ord("n"))))
        is_space = is_colon & (after == ord(" "))
        if is_space.any():
            spaced += int(np.count_nonzero(is_space & (text[2:] == ord("n"))))
    return colons, compact, spaced


def _colons_in_strings(events: pl.DataFrame) -> int:
    inside = 0
    for name in _STRINGS:
        if events[name].unique().str.contains(":", literal=True).any():
            inside += int(events[name].str.count_matches(":", literal=True).sum())
    return inside + int(events["colons_of_time"].sum())


def _with_nulls(events: pl.DataFrame) -> pl.DataFrame:
    """`events` with the number of nulls in the text, and for each key that some of them lack whether it is one."""
    nulls = [null for null in _NULLS if events["payload"].str.contains(null, literal=True).any()]
    counted = _how_many([pl.col("payload").str.count_matches(null, literal=True) for null in nulls]).alias("nulls")
    null_keys = [key for key in KEYS if nulls and events[key].null_count()]
    return _with_null_keys(events.with_columns(counted), null_keys, nulls)


def _keys_add_up(named: pl.DataFrame) -> list[pl.Expr]:
    """Every key of the message is one that was read, or one that is null and was not."""
    null_keys = [name for name in KEYS if _NULL + name in named.columns]
    inside = reduce(add, [pl.col(name).str.count_matches(":", literal=True).fill_null(0) for name in _STRINGS])
    read = _how_many([pl.col(name).is_not_null() for name in KEYS])
    colons = pl.col("payload").str.count_matches(":", literal=True)
    doubled = [pl.col(name).is_not_null() & pl.col(_NULL + name) for name in null_keys]
    return [
        colons == inside + pl.col("colons_of_time") + read + pl.col("nulls"),
        pl.col("nulls") == _how_many([pl.col(_NULL + name) for name in null_keys]),
        *([~pl.any_horizontal(doubled)] if doubled else []),
    ]


def _how_many(counts: Sequence[pl.Expr]) -> pl.Expr:
    """Their sum in each row; what is true counts as one."""
    return pl.sum_horizontal(pl.lit(0, pl.Int64), *(count.cast(pl.Int64) for count in counts))


def _with_null_keys(events: pl.DataFrame, names: Sequence[str], nulls: Sequence[str]) -> pl.DataFrame:
    """`events` with what tells of each of these keys whether it stands where it belongs, as null."""
    starts = dict.fromkeys(_start(name, null) for name in names if name in METRICS for null in nulls)
    cut = events.with_columns(_from(start).alias(_REST + start) for start in starts)
    cut = cut.with_columns(pl.col(_REST + start).str.find("}", literal=True).alias(_END + start) for start in starts)
    return cut.with_columns(
        reduce(or_, [_is_in_place(name, null) for null in nulls]).alias(_NULL + name) for name in names
    )


def _is_in_place(name: str, null: str) -> pl.Expr:
    """Whether the text of a null key is there: in its group, which no brace ends before; or in none."""
    key = f'"{KEYS[name]}"{null}'
    if name not in METRICS:
        return _from(key).str.contains(_TO_NO_END_BUT_THE_LAST).fill_null(value=False)
    start = _start(name, null)
    return (pl.col(_REST + start).str.find(key, literal=True) < pl.col(_END + start)).fill_null(value=False)


def _start(name: str, null: str) -> str:
    return f'"{METRICS[name].group}"{_NULLS[null]}'


def _from(text: str) -> pl.Expr:
    """The payload from that text on (null without it), which is found by bytes, as it is cut."""
    payload = pl.col("payload")
    return payload.cast(pl.Binary).bin.slice(payload.str.find(text, literal=True)).cast(pl.String)


def _holds(text: str) -> pl.Expr:
    return pl.col("payload").str.contains(text, literal=True)
