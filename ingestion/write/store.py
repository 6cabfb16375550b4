"""Readings into PostgreSQL, each identity once.

Where nothing of a batch is expected to be there already, it is copied straight into the table, under a savepoint: that
costs PostgreSQL a quarter less than the other way. Meanwhile what follows from the readings is worked out, as if all of
them were new. The first row that is there after all undoes both, and the batch goes the other way: COPY to a staging
table, then one insert that leaves what is there alone.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from django.db import connection, transaction

from alerts.engine.rows import instants
from devices.metrics import METRICS
from devices.models.reading import COLUMNS
from ingestion.write.copying import Copying, Later, NotAllNewError, at_once
from ingestion.write.pgcopy import BinaryRows, binary_rows

STAGING: Final = "reading_staging"
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
_COPY_DIRECTLY = "COPY devices_reading ({}) FROM STDIN (FORMAT binary)"
_COPY = f"COPY {STAGING} (seq, {_NAMES}) FROM STDIN (FORMAT binary)"
_INSERT = f"INSERT INTO devices_reading ({_NAMES}) SELECT {_NAMES} FROM {STAGING} ON CONFLICT DO NOTHING"
_KEY = "r.user_id = s.user_id AND r.recorded_at = s.recorded_at AND r.event_id = s.event_id"
# Rows that this transaction wrote carry its own xid; no savepoint may lie around the insert.
_NEW = f"SELECT s.seq FROM {STAGING} s JOIN devices_reading r ON {_KEY} WHERE r.xmin = pg_current_xact_id()::xid"
_CONFLICTS = (
    f"SELECT count(*) FROM {STAGING} s JOIN devices_reading r ON {_KEY}"
    " WHERE r.xmin <> pg_current_xact_id()::xid AND ("
    + " OR ".join(f"r.{name} IS DISTINCT FROM s.{name}" for name in METRICS)
    + ")"
)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """`new`: the rows that were not there before, in order of arrival; the rest were duplicates.

    `conflicting` counts the duplicates whose content differs from what is stored: the first content wins.
    """

    new: pl.DataFrame
    duplicates: int
    conflicting: int


def store_while(
    readings: pl.DataFrame,
    work: Callable[[pl.DataFrame, Later], T],
    *,
    written: BinaryRows | None = None,
    is_likely_new: bool = True,
) -> tuple[Stored, T]:
    """Insert `readings` (COLUMNS, in order of arrival), each identity once, and do `work` with those that are new.
    Inside a transaction, no savepoint.

    `work` may run before it is known which are new, and once more when that was wrong: it changes nothing but the
    database. The first use of the connection waits for the readings to be stored; what `work` hands to its second
    argument is done right after that. `written` is `direct_rows` of just these readings, where somebody had the time
    for it already. `is_likely_new` only chooses the way that is tried first.
    """
    if is_likely_new and not readings.is_empty():
        rows = direct_rows(readings) if written is None else written
        try:
            with Copying(_COPY_DIRECTLY.format(", ".join(rows.columns)), rows.data) as copying:
                found = work(readings, copying.then)
        except NotAllNewError:
            transaction.set_rollback(False)  # to the savepoint it is done, whatever was in the middle of asking
        else:
            return Stored(new=readings, duplicates=0, conflicting=0), found
    stored = store(readings)
    return stored, work(stored.new, at_once)


def store(readings: pl.DataFrame) -> Stored:
    """Insert `readings` by way of a staging table; else as `store_while`."""
    unique = readings.unique(["user_id", "recorded_at", "event_id"], keep="first", maintain_order=True)
    repeated = readings.height - unique.height
    conflicting = _differing(readings, unique) if repeated else 0
    rows = binary_rows(unique.select(pl.int_range(pl.len()).alias("seq"), *COLUMNS), _TYPES)
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with connection.wrap_database_errors:
            cursor.copy_expert(_COPY, io.BytesIO(rows.data))
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
    """`readings` (COLUMNS) as COPY reads them, in the order of the index, so that neighbours go to one page of it. What
    nobody measured is left out."""
    absent = [name for name in METRICS if readings[name].null_count() == readings.height]
    return binary_rows(readings[[name for name in COLUMNS if name not in absent]][_order(readings)], _TYPES)


def with_flags(written: BinaryRows, readings: pl.DataFrame) -> BinaryRows:
    """`direct_rows` of `readings`, from those of readings that differ from them in their flags alone: much faster."""
    return written.with_integers(readings["flags"].to_numpy()[_order(readings)], at=_FLAGS_AT)


def _order(readings: pl.DataFrame) -> npt.NDArray[np.intp]:
    """By person and time, as in the index."""
    return np.lexsort((instants(readings["recorded_at"]), readings["user_id"].to_numpy()))


def _differing(readings: pl.DataFrame, unique: pl.DataFrame) -> int:
    """How many repetitions within one batch say something else than the first."""
    content = ["user_id", "recorded_at", "event_id", *METRICS]
    return readings.select(content).unique().height - unique.height
