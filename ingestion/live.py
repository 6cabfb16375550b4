"""Readings as the screens get them: the newest of each person, at most four a second a person."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.rows import instants
from devices.doubts import DOUBTFUL, doubts_of
from devices.live import Vital
from devices.metrics import METRICS, Flag

LEAST_GAP: Final = timedelta(milliseconds=250)
GAP_BEHIND: Final = timedelta(seconds=1)  # while we catch up, what is shown is old in any case
_GROUPS: Final = tuple(dict.fromkeys(metric.group for metric in METRICS.values()))


class Newest:
    """Holds back what a screen could not follow: the newest event of each person, merged, until it is due."""

    def __init__(self) -> None:
        self._waiting: list[pl.DataFrame] = []
        self._sent: dict[int, datetime] = {}
        self._taken_at = datetime.min.replace(tzinfo=UTC)

    def add(self, stored: pl.DataFrame) -> None:
        """Take over new rows (COLUMNS, username, device_sources); late ones are history, not news."""
        is_late = stored["flags"].to_numpy() & int(Flag.LATE) != 0
        timely = stored.filter(~is_late) if is_late.any() else stored
        if timely.height:
            self._waiting.append(_newest_of(timely))

    def take(self, *, now: datetime, is_behind: bool = False) -> list[Vital]:
        """The events of the people whose turn it is."""
        if not self._waiting or (is_behind and now - self._taken_at < GAP_BEHIND):
            return []
        self._taken_at = now
        newest = self._waiting[0] if len(self._waiting) == 1 else _newest_of(pl.concat(self._waiting))
        is_due = [now - self._sent.get(user, now - LEAST_GAP) >= LEAST_GAP for user in newest["user_id"]]
        due = newest.filter(pl.Series(is_due))
        self._waiting = [] if due.height == newest.height else [newest.filter(~pl.Series(is_due))]
        self._sent |= dict.fromkeys(due["user_id"], now)
        return vitals_of(due)


def _newest_of(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a person: the newest, with those values of older ones that it lacks."""
    order, is_repeated = _in_order(rows)
    if is_repeated:  # of readings of one time the last by its id is the newest
        rows = rows.sort("event_id")
        order, _ = _in_order(rows)
    users = rows["user_id"].to_numpy()[order]
    last = np.append(np.flatnonzero(np.diff(users)), len(users) - 1)
    begins = np.concatenate(([0], last[:-1] + 1))
    newest: pl.DataFrame = rows[order[last]]
    for name in METRICS:
        if newest[name].null_count() and rows[name].null_count() < rows.height:
            there = np.where(rows[name].is_not_null().to_numpy()[order], np.arange(len(order)), -1)
            held = np.maximum.accumulate(there)[last]
            newest.replace_column(newest.columns.index(name), rows[name][order[np.where(held < begins, last, held)]])
    return newest


def _in_order(rows: pl.DataFrame) -> tuple[npt.NDArray[np.intp], bool]:
    """The sequence of `rows` by person and time, and whether somebody has two of one time."""
    users, at = rows["user_id"].to_numpy(), instants(rows["recorded_at"])
    order = np.lexsort((at, users))
    return order, bool(((np.diff(users[order]) == 0) & (np.diff(at[order]) == 0)).any())


def vitals_of(rows: pl.DataFrame) -> list[Vital]:
    """Readings (COLUMNS, username, device_sources) as the contract's events, with flags and doubts; absent values are
    left out. Put together by columns: for a person a second, objects would cost more than storing does."""
    head = pl.concat_str(
        pl.lit('{"event_id":"'), "event_id", pl.lit('","timestamp":"'), _time(), pl.lit('","user_id":"'), "username",
        pl.lit('","device_sources":['), _sources(), pl.lit('],"flags":'), pl.col("flags").cast(pl.String),
    )  # fmt: skip
    groups = pl.concat_str([_group(name) for name in _GROUPS], ignore_nulls=True)
    made = rows.select("user_id", _time(), head.alias("head"), groups.alias("groups"), "flags")
    return [(user_id, at, f"{first}{_doubts(flags)}{rest}}}") for user_id, at, first, rest, flags in made.iter_rows()]


def _doubts(flags: int) -> str:
    return f',"doubts":{msgspec.json.encode(doubts_of(flags)).decode()}' if flags & DOUBTFUL else ""


def _time() -> pl.Expr:
    """As `devices.times.rfc3339` writes it."""
    at = pl.col("recorded_at")
    is_whole = at.dt.microsecond() % 1000 == 0
    millis, micros = at.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"), at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return pl.when(is_whole).then(millis).otherwise(micros).alias("timestamp")


def _sources() -> pl.Expr:
    each = pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return (
        pl.col("device_sources").list.eval(pl.concat_str(pl.lit('"'), each, pl.lit('"'))).list.join(",").fill_null("")
    )


def _group(group: str) -> pl.Expr:
    """`,"vitals":{..}`, or null where nothing of it was measured."""
    fields = []
    for metric in METRICS.values():
        if metric.group == group:
            quote = '"' if metric.is_text else ""
            value = pl.col(metric.name).cast(pl.String)
            fields.append(pl.concat_str(pl.lit(f'"{metric.field}":{quote}'), value, pl.lit(quote)))
    held = pl.concat_str(fields, separator=",", ignore_nulls=True)
    return pl.when(held != "").then(pl.concat_str(pl.lit(f',"{group}":{{'), held, pl.lit("}")))
