"""Readings into PostgreSQL, each identity once.

Where nothing of a batch is expected to be there already, it is copied straight into the table, under a savepoint: that
costs PostgreSQL a quarter less than the other way. The first row that is there after all undoes it, and the batch goes
the other way: COPY to a staging table, then one insert that leaves what is there alone.
"""

import io
from dataclasses import dataclass
from typing import Final

import polars as pl
from django.db import IntegrityError, connection, transaction

from devices.metrics import METRICS
from devices.models.reading import COLUMNS
from ingestion.pgcopy import BinaryRows, binary_rows

STAGING: Final = "reading_staging"
UNIQUE_VIOLATION: Final = "23505"
COPY_BYTES: Final = 256 * 1024  # handed over at once
_TYPES: Final = {
    "seq": "integer", "user_id": "bigint", "recorded_at": "timestamptz", "received_at": "timestamptz",
    "event_id": "uuid", "flags": "integer",
    **{metric.name: "text" if metric.is_text else "double precision" for metric in METRICS.values()},
}  # fmt: skip
# Where in a row of COPY its flags lie: what stands before them is never null, and of one length each.
_BYTES: Final = {"bigint": 8, "timestamptz": 8, "uuid": 16}
_FLAGS_AT: Final = 2 + sum(4 + _BYTES[_TYPES[name]] for name in COLUMNS[: COLUMNS.index("flags")]) + 4
_NAMES: Final = ", ".join(COLUMNS)
_CREATE = (
    f"CREATE TEMP TABLE IF NOT EXISTS {STAGING} (seq integer, "
    + ", ".join(f"{name} {_TYPES[name]}" for name in COLUMNS)
    + ") ON COMMIT DELETE ROWS"
)
_COPY_DIRECTLY = f"COPY devices_reading ({_NAMES}) FROM STDIN (FORMAT binary)"
_COPY = f"COPY {STAGING} (seq, {_NAMES}) FROM STDIN (FORMAT binary)"
_INSERT = f"INSERT INTO devices_reading ({_NAMES}) SELECT {_NAMES} FROM {STAGING} ON CONFLICT DO NOTHING"
_INDEX: Final = ("user_id", "recorded_at", "event_id")
_KEY = "r.user_id = s.user_id AND r.recorded_at = s.recorded_at AND r.event_id = s.event_id"
# Rows that this transaction wrote carry its own xid; no savepoint may lie around the insert.
_NEW = f"SELECT s.seq FROM {STAGING} s JOIN devices_reading r ON {_KEY} WHERE r.xmin = pg_current_xact_id()::xid"
_CONFLICTS = (
    f"SELECT count(*) FROM {STAGING} s JOIN devices_reading r ON {_KEY}"
    " WHERE r.xmin <> pg_current_xact_id()::xid AND ("
    + " OR ".join(f"r.{name} IS DISTINCT FROM s.{name}" for name in METRICS)
    + ")"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """`new`: the rows that were not there before, in order of arrival; the rest were duplicates.

    `conflicting` counts the duplicates whose content differs from what is stored: the first content wins.
    """

    new: pl.DataFrame
    duplicates: int
    conflicting: int


def store(readings: pl.DataFrame, *, written: BinaryRows | None = None, is_likely_new: bool = True) -> Stored:
    """Insert `readings` (COLUMNS, in order of arrival), each identity once. Inside a transaction, no savepoint.

    `written` is `direct_rows` of just these readings, where somebody had the time for it already.
    `is_likely_new` only chooses the way that is tried first.
    """
    # What goes into the table as it is has no row twice: only where it does not is that looked for.
    if is_likely_new and _is_copied_directly(direct_rows(readings) if written is None else written):
        return Stored(new=readings, duplicates=0, conflicting=0)
    unique = readings.unique(["user_id", "recorded_at", "event_id"], keep="first", maintain_order=True)
    repeated = readings.height - unique.height
    conflicting = _differing(readings, unique) if repeated else 0
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        _copy(_COPY, binary_rows(unique.select(pl.int_range(pl.len()).alias("seq"), *COLUMNS), _TYPES))
        cursor.execute(_INSERT)
        if cursor.rowcount == unique.height:
            return Stored(new=unique, duplicates=repeated, conflicting=conflicting)
        cursor.execute(_NEW)
        fresh = pl.Series("seq", [seq for (seq,) in cursor.fetchall()], dtype=pl.Int64)
        cursor.execute(_CONFLICTS)
        conflicting += cursor.fetchone()[0]
    new = unique.with_row_index("seq").filter(pl.col("seq").cast(pl.Int64).is_in(fresh.implode())).drop("seq")
    return Stored(new=new, duplicates=readings.height - new.height, conflicting=conflicting)


def direct_rows(readings: pl.DataFrame) -> BinaryRows:
    """`readings` (COLUMNS) as COPY reads them, in the order of the index, so that neighbours go to one page of it."""
    return binary_rows(readings.select(COLUMNS).sort(*_INDEX), _TYPES)


def with_flags(written: BinaryRows, readings: pl.DataFrame) -> BinaryRows:
    """`direct_rows` of `readings`, from those of readings that differ from them in their flags alone: much faster."""
    return written.with_integers(readings.select("flags", *_INDEX).sort(*_INDEX)["flags"].to_numpy(), at=_FLAGS_AT)


def _is_copied_directly(rows: BinaryRows) -> bool:
    """Whether all of it went into the table; if not, nothing did."""
    try:
        with transaction.atomic():
            _copy(_COPY_DIRECTLY, rows)
    except IntegrityError as error:
        if getattr(error.__cause__, "pgcode", None) != UNIQUE_VIOLATION:
            raise
        return False
    return True


def _copy(sql: str, rows: BinaryRows) -> None:
    """COPY, its errors as Django's: its cursors translate those of `execute` alone."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(sql, io.BytesIO(rows.data), COPY_BYTES)


def _differing(readings: pl.DataFrame, unique: pl.DataFrame) -> int:
    """How many repetitions within one batch say something else than the first."""
    content = ["user_id", "recorded_at", "event_id", *METRICS]
    return readings.select(content).unique().height - unique.height
