"""Readings as the screens get them: the newest of each person, at most four a second a person."""

from datetime import datetime, timedelta
from itertools import chain
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.groups import in_order
from alerts.engine.rows import instants
from devices.doubts import DOUBTFUL, doubts_of
from devices.live import Vital
from devices.metrics import METRICS, Flag, Metric
from devices.times import is_due

LEAST_GAP: Final = timedelta(milliseconds=250)
GAP_BEHIND: Final = timedelta(seconds=1)  # while we catch up, what is shown is old in any case
_GROUPS: Final = tuple(dict.fromkeys(metric.group for metric in METRICS.values()))


class Newest:
    """Holds back what a screen could not follow: the newest event of each person, merged, until it is due."""

    def __init__(self) -> None:
        self._waiting: list[pl.DataFrame] = []
        self._sent: list[tuple[datetime, list[int]]] = []  # less than LEAST_GAP ago, and to whom
        self._taken_at: datetime | None = None

    def add(self, stored: pl.DataFrame) -> None:
        """Take over new rows (COLUMNS, username, device_sources); late ones are history, not news."""
        is_late = stored["flags"].to_numpy() & int(Flag.LATE) != 0
        timely = stored.filter(~is_late) if is_late.any() else stored
        if timely.height:
            self._waiting.append(_newest_of(timely))

    def take(self, *, now: datetime, is_behind: bool = False) -> list[Vital]:
        """The events of the people whose turn it is."""
        if not self._waiting or (is_behind and not is_due(self._taken_at, every=GAP_BEHIND, now=now)):
            return []
        self._taken_at = now
        newest = self._waiting[0] if len(self._waiting) == 1 else _newest_of(pl.concat(self._waiting))
        self._sent = [(at, people) for at, people in self._sent if not is_due(at, every=LEAST_GAP, now=now)]
        held = newest["user_id"].is_in(list(chain.from_iterable(people for _, people in self._sent)))
        due, self._waiting = newest.filter(~held), [newest.filter(held)] if held.any() else []
        self._sent.append((now, due["user_id"].to_list()))
        return vitals_of(due)


def _newest_of(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a person: the newest, with those values of older ones that it lacks."""
    order, is_repeated = _in_order(rows)
    if is_repeated:  # of readings of one time the last by its id is the newest
        rows = rows.sort("event_id")
        order, _ = _in_order(rows)
    users = rows["user_id"].to_numpy()[order]
    last = np.append(np.flatnonzero(np.diff(users)), len(users) - 1)
    who = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    newest: pl.DataFrame = rows[order[last]]
    for name in METRICS:
        if newest[name].null_count() and rows[name].null_count() < rows.height:
            there = np.flatnonzero(rows[name].is_not_null().to_numpy()[order])
            held = last.copy()
            held[who[there]] = there  # of equal places the last is what stays
            newest.replace_column(newest.columns.index(name), rows[name][order[held]])
    return newest


def _in_order(rows: pl.DataFrame) -> tuple[npt.NDArray[np.intp], bool]:
    """The sequence of `rows` by person and time, and whether somebody has two of one time."""
    users, at = rows["user_id"].to_numpy(), instants(rows["recorded_at"])
    order = in_order(users)
    is_same = np.diff(users[order]) == 0
    if (np.diff(at[order])[is_same] < 0).any():
        order = np.lexsort((at, users))
    return order, bool((np.diff(at[order])[is_same] == 0).any())


def vitals_of(rows: pl.DataFrame) -> list[Vital]:
    """Readings (COLUMNS, username, device_sources) as the contract's events, with flags and doubts; absent values are
    left out. Put together by columns: for a person a second, objects would cost more than storing does."""
    times = _times(rows["recorded_at"])
    parts = [
        *(pl.lit('{"event_id":"'), pl.col("event_id"), pl.lit('","timestamp":"'), pl.lit(times)),
        *(pl.lit('","user_id":"'), pl.col("username"), pl.lit('","device_sources":['), _sources()),
        *(pl.lit('],"flags":'), pl.col("flags").cast(pl.String), *_doubts(rows["flags"])),
        *chain.from_iterable(_group(name, rows) for name in _GROUPS),
        pl.lit("}"),
    ]
    events = rows.select(pl.concat_str(parts, ignore_nulls=True)).to_series()
    return list(zip(rows["user_id"].to_list(), times.to_list(), events.to_list(), strict=True))


def _doubts(flags: pl.Series) -> list[pl.Expr]:
    said = {each: doubts_of(each) for each in flags.unique() if each & DOUBTFUL}
    if not said:
        return []
    written = {each: f',"doubts":{msgspec.json.encode(doubts).decode()}' for each, doubts in said.items()}
    return [pl.lit(pl.Series([written.get(each) for each in flags], dtype=pl.String))]


def _times(at: pl.Series) -> pl.Series:
    """As `devices.times.rfc3339` writes them."""
    millis = at.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    is_whole = at.dt.microsecond() % 1000 == 0
    return millis if is_whole.all() else millis.zip_with(is_whole, at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))


def _sources() -> pl.Expr:
    each = pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return (
        pl.col("device_sources").list.eval(pl.concat_str(pl.lit('"'), each, pl.lit('"'))).list.join(",").fill_null("")
    )


def _group(group: str, rows: pl.DataFrame) -> list[pl.Expr]:
    """The parts of `,"vitals":{..}`: none, or null, where nothing of it was measured."""
    absent = {name: rows[name].null_count() for name in METRICS}
    there = [metric for metric in METRICS.values() if metric.group == group and absent[metric.name] < rows.height]
    if not there:
        return []
    there.sort(key=lambda metric: absent[metric.name] > 0)
    if absent[there[0].name]:
        held = pl.concat_str([pl.concat_str(_field(each)) for each in there], separator=",", ignore_nulls=True)
        return [pl.when(held != "").then(pl.concat_str(pl.lit(f',"{group}":{{'), held, pl.lit("}")))]
    parts = _field(there[0], f',"{group}":{{')
    for metric in there[1:]:
        field = _field(metric, ",")
        parts += [pl.concat_str(field)] if absent[metric.name] else field
    return [*parts, pl.lit("}")]


def _field(metric: Metric, before: str = "") -> list[pl.Expr]:
    """The parts of a field; the value is null where it was not measured."""
    quote = '"' if metric.is_text else ""
    value = pl.col(metric.name).cast(pl.String)
    return [pl.lit(f'{before}"{metric.field}":{quote}'), value, *([pl.lit(quote)] if quote else [])]
