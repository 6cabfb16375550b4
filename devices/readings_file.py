"""Files of readings: flat CSV, or NDJSON of events, gzipped or not; rows in the order of the file.

`read_readings` gives what Telara would store of them, for use without a database. `read_cells` gives a CSV as it was
written, with the `event_id` that the contract names for a row that has none.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec
import polars as pl

from devices.metrics import METRICS, NUMERIC, TEXT, Metric
from devices.quality import assess

SUFFIXES: Final = (".csv", ".csv.gz", ".ndjson", ".ndjson.gz")

EXPORTED: Final = ("received_at", "flags")  # what an export says of readings, and a replay finds out anew
MAX_BYTES: Final = 64 * 1024  # of an event, as the stream takes it
MAX_STRING: Final = 64
MAX_SOURCES: Final = 16
REQUIRED: Final = ("event_id", "timestamp", "user_id")
_TIME: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_USER: Final = r"^[A-Za-z0-9._\-@+:]{1,64}$"
_QUOTED: Final = r"^'([+\-@])"  # an export's, of a user_id that a spreadsheet would take for a formula
_WRONG: Final = "wrong"
_NO_CELLS: Final = pl.DataFrame(schema={"timestamp": pl.String, "user_id": pl.String})


class ReadingsFileError(Exception):
    """A file cannot be read as readings; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Readings:
    """`frame`: user_id (text), recorded_at (Datetime us UTC), event_id, flags, and every metric, in order of arrival.

    `event_id` is null where nothing else stands at the person's time, unless all were asked for. `refused` counts rows
    by the reason the contract names; `duplicates` counts those whose person, time and id were there before.
    """

    frame: pl.DataFrame
    refused: dict[str, int]
    duplicates: int


def read_readings(paths: Iterable[Path], *, all_ids: bool = False) -> Readings:
    """The readings of these files, one file after the other; raises ReadingsFileError."""
    cells = pl.concat([_NO_CELLS, *map(_cells, paths)], how="diagonal")
    typed = _typed(cells)
    verdict = typed.select(_verdict()).to_series()
    counts = verdict.drop_nulls().value_counts().sort(verdict.name)
    refused = {str(reason): int(count) for reason, count in counts.rows()}
    good, cells = typed.filter(verdict.is_null()), cells.filter(verdict.is_null())
    tied = good.select(pl.struct("user_id", "recorded_at").is_duplicated()).to_series()
    good = good.with_columns(_ids(cells, _all(good.height) if all_ids else tied).alias("event_id"))
    keys = ["user_id", "recorded_at", "event_id"]
    unique = good.unique(keys, keep="first", maintain_order=True) if tied.any() else good
    frame = assess(unique.select("user_id", "recorded_at", "event_id", *METRICS))
    return Readings(frame, refused, good.height - unique.height)


def read_cells(path: Path) -> pl.DataFrame:
    """A CSV as text: timestamp, user_id, event_id, and the metrics it has; an empty cell is null."""
    cells = _read_csv(path)
    return cells.with_columns(_ids(cells, _all(cells.height)).alias("event_id"))


def read_lines(path: Path) -> list[bytes]:
    """The events of an NDJSON file as they were written; blank lines are left out."""
    return [line for line in _content(path).split(b"\n") if line.strip()]


def is_csv(path: Path) -> bool:
    """Whether a file is flat CSV (else NDJSON) by its name; raises ReadingsFileError for any other name."""
    if not path.name.endswith(SUFFIXES):
        raise ReadingsFileError(f"{path}: a file of readings ends in one of {', '.join(SUFFIXES)}")
    return path.name.removesuffix(".gz").endswith(".csv")


def _cells(path: Path) -> pl.DataFrame:
    return _read_csv(path) if is_csv(path) else _read_events(path)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.endswith(".gz") else content
    except OSError as error:  # gzip.BadGzipFile is one
        reason = "not a gzip file" if isinstance(error, gzip.BadGzipFile) else error.strerror
        raise ReadingsFileError(f"{path}: {reason}") from error
    except (EOFError, zlib.error) as error:
        raise ReadingsFileError(f"{path}: the gzip file is cut short or damaged") from error


# --- CSV


def _read_csv(path: Path) -> pl.DataFrame:
    is_csv(path)
    content = _content(path)
    try:
        cells = pl.read_csv(content, infer_schema=False, encoding="utf8", null_values=[""])  # in quotes, too
    except pl.exceptions.NoDataError as error:
        raise ReadingsFileError(f"{path}: the file is empty") from error
    except pl.exceptions.PolarsError as error:
        raise ReadingsFileError(f"{path}: not a CSV file: {str(error).splitlines()[0]}") from error
    cells = cells.drop(EXPORTED, strict=False)
    missing = [name for name in ("timestamp", "user_id") if name not in cells.columns]
    if missing:
        raise ReadingsFileError(f"{path}: the column {' and the column '.join(missing)} is missing")
    unknown = [name for name in cells.columns if name not in {"timestamp", "user_id", "event_id", *METRICS}]
    if unknown:
        raise ReadingsFileError(f"{path}: {', '.join(unknown)}: no metric of Telara has this name")
    return cells.with_columns(pl.col("user_id").str.replace(_QUOTED, "$1"))


def _all(count: int) -> pl.Series:
    return pl.repeat(value=True, n=count, dtype=pl.Boolean, eager=True)


def _ids(cells: pl.DataFrame, needed: pl.Series) -> pl.Series:
    """The ids of the rows that need one: their own, or the one that the contract makes of their text; else null."""
    has_own = "event_id" in cells.columns
    own = cells["event_id"] if has_own else pl.repeat(None, cells.height, dtype=pl.String, eager=True)
    names = cells.select(
        pl.when(needed & own.is_null())
        .then(pl.concat_str(pl.lit("telara:"), "user_id", pl.lit("|"), "timestamp", pl.lit("|"), _written(cells)))
        .alias("name")
    ).to_series()
    made = [None if name is None else str(uuid5(NAMESPACE_URL, name)) for name in names.to_list()]
    return own.str.to_lowercase().zip_with(own.is_not_null(), pl.Series(made, dtype=pl.String))


def _written(cells: pl.DataFrame) -> pl.Expr:
    """`name=cell` of each metric that is not empty, sorted by name."""
    parts = [pl.lit(f"{name}=") + pl.col(name) for name in sorted(METRICS) if name in cells.columns]
    return pl.concat_str(parts, separator=",", ignore_nulls=True) if parts else pl.lit("")


# --- NDJSON


def _read_events(path: Path) -> pl.DataFrame:
    """The events as cells: numbers as text that reads back the same, with the reason why a line is none."""
    rows = [_flat(line) for line in read_lines(path)]
    columns = ("timestamp", "user_id", "event_id", _WRONG, *METRICS)
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _flat(line: bytes) -> dict[str, str | None]:
    """One event as cells, or why it is none: what the stream says of it before it looks at time and values."""
    if len(line) > MAX_BYTES:
        return {_WRONG: "too_large"}
    try:
        event = _event(line)
    except (ValueError, RecursionError):
        return {_WRONG: "malformed_json"}
    if not isinstance(event, dict):
        return {_WRONG: "wrong_type"}
    if any(event.get(name) is None for name in REQUIRED):
        return {_WRONG: "missing_field"}
    try:
        flat, sources = _cells_of(event), _sources(event)
    except (TypeError, OverflowError):
        return {_WRONG: "wrong_type"}
    texts = (flat[name] for name in ("timestamp", "user_id", *TEXT))
    return {_WRONG: "bad_string"} if any(map(_is_bad, (*texts, *sources))) else flat


def _event(line: bytes) -> Any:
    """Raises ValueError or RecursionError for what the stream takes for no JSON either."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # to it, a number that is too large is none
        return json.loads(line.decode("utf-8"), parse_int=float)


def _cells_of(event: dict[str, Any]) -> dict[str, str | None]:
    """Raises TypeError or OverflowError where something is of another type."""
    if not all(isinstance(event[name], str) for name in REQUIRED) or not re.match(_UUID, event["event_id"].lower()):
        raise TypeError
    return {name: event[name] for name in REQUIRED} | {m.name: _cell(event, m) for m in METRICS.values()}


def _sources(event: dict[str, Any]) -> list[str]:
    sources = event.get("device_sources")
    if sources is None:
        return []
    if not isinstance(sources, list) or len(sources) > MAX_SOURCES or not all(isinstance(it, str) for it in sources):
        raise TypeError
    return sources


def _cell(event: dict[str, Any], metric: Metric) -> str | None:
    """One metric of an event as text; TypeError or OverflowError where it is of another type."""
    group = event.get(metric.group)
    if group is None:
        return None
    if not isinstance(group, dict):
        raise TypeError(metric.group)
    value = group.get(metric.field)
    kinds = (str,) if metric.is_text else (int, float)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(metric.path)
    return value if isinstance(value, str) else repr(float(value))


def _is_bad(text: str | None) -> bool:
    return text is not None and (len(text) > MAX_STRING or _UNPRINTABLE.search(text) is not None)


# --- verdicts


def _typed(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells as values, beside what they were where that is needed for the verdict."""
    present = set(cells.columns)
    numbers = [
        (pl.col(name).cast(pl.Float64, strict=False) if name in present else pl.lit(None, pl.Float64)).alias(name)
        for name in NUMERIC
    ]
    texts = [(pl.col(name) if name in present else pl.lit(None, pl.String)).alias(name) for name in TEXT]
    unread = [
        pl.col(name).is_not_null() & ~pl.col(name).cast(pl.Float64, strict=False).is_finite().fill_null(value=False)
        for name in NUMERIC
        if name in present
    ]
    return cells.select(
        pl.col("user_id"),
        pl.col("timestamp"),
        _time().alias("recorded_at"),
        (pl.col("event_id") if "event_id" in present else pl.lit(None, pl.String)).alias("own_id"),
        (pl.col(_WRONG) if _WRONG in present else pl.lit(None, pl.String)).alias(_WRONG),
        (pl.any_horizontal(unread) if unread else pl.lit(False)).alias("unread"),  # noqa: FBT003
        *numbers,
        *texts,
    )


def _time() -> pl.Expr:
    """RFC 3339 to microseconds, further digits cut; null for anything else."""
    text = pl.when(pl.col("timestamp").str.contains(_TIME)).then(pl.col("timestamp"))
    plain = text.str.replace(r"(\.[0-9]{6})[0-9]+", "$1").str.replace("[Zz]$", "+00:00").str.replace("[t ]", "T")
    return plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)


def _verdict() -> pl.Expr:
    """The first reason of the contract for which a row is refused; null for a good one."""
    missing = pl.col("timestamp").is_null() | pl.col("user_id").is_null()
    year = pl.col("recorded_at").dt.year()
    own = pl.col("own_id").str.to_lowercase()
    checks: Sequence[tuple[str, pl.Expr]] = (
        ("missing_field", missing),
        ("wrong_type", pl.col("unread") | ~own.str.contains(_UUID)),
        ("bad_string", ~pl.col("user_id").str.contains(_USER) | _is_too_long("timestamp", *TEXT)),
        ("bad_timestamp", pl.col("recorded_at").is_null() | ~year.is_between(1, 9999)),
        ("too_old", year < 2000),
        ("out_of_range", pl.any_horizontal([_out_of_range(metric) for metric in METRICS.values()] + [_pair()])),
    )
    reasons = [pl.col(_WRONG), *(pl.when(check.fill_null(value=False)).then(pl.lit(name)) for name, check in checks)]
    return pl.coalesce(reasons).alias("reason")


def _is_too_long(*columns: str) -> pl.Expr:
    """Or holds a control character."""
    return pl.any_horizontal(
        pl.col(name).str.len_chars().gt(MAX_STRING) | pl.col(name).str.contains(r"\p{Cc}") for name in columns
    )


def _out_of_range(metric: Metric) -> pl.Expr:
    column = pl.col(metric.name)
    if metric.is_text:
        return (~column.is_in(metric.choices)).fill_null(value=False)
    within = column.is_between(metric.low, metric.high, closed="right" if metric.low_open else "both")
    return ~(within | column.is_in(metric.sentinels)).fill_null(value=True)


def _pair() -> pl.Expr:
    return (pl.col("blood_pressure_diastolic") >= pl.col("blood_pressure_systolic")).fill_null(value=False)
