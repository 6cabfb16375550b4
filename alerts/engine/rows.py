"""Readings as the engine holds them: one table of whole numbers a person, and values only where a rule said TRUE."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import polars as pl

from alerts.engine.clock import length, microseconds
from alerts.engine.rule import Rule
from alerts.engine.ruleset import RuleSet
from alerts.engine.source import COLUMNS
from devices.metrics import Flag

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# the columns of a table; the words with the verdicts follow
AT: Final = 0
ID_HIGH: Final = 1
ID_LOW: Final = 2
FLAGS: Final = 3
WORDS: Final = 4

FRESH: Final = 1 << 40  # beside the flags of the catalogue
_SIGN: Final = np.uint64(1 << 63)
_NO_ID: Final = "0" * 32


class Rows(NamedTuple):
    """Rows in order. `values` has a row for each hot row (one where some `when` is TRUE), a column a rule column."""

    table: Ints
    values: Floats

    @property
    def first_at(self) -> int:
        return int(self.table[0, AT])

    @property
    def last_at(self) -> int:
        return int(self.table[-1, AT])


def no_rows(rules: RuleSet) -> Rows:
    return Rows(np.empty((0, WORDS + rules.words), np.int64), np.empty((0, len(rules.columns))))


def hot(rules: RuleSet, table: Ints) -> Bools:
    """Which rows are TRUE for some rule."""
    bits = rules.true_bits
    found: Bools = (table[:, WORDS] & bits[0]) != 0
    for word in range(1, rules.words):
        found = found | ((table[:, WORDS + word] & bits[word]) != 0)
    return found


def split(rules: RuleSet, rows: Rows, at: int) -> tuple[Rows, Rows]:
    """The first `at` rows, and the others."""
    values = int(np.count_nonzero(hot(rules, rows.table[:at]))) if len(rows.values) else 0
    return Rows(rows.table[:at], rows.values[:values]), Rows(rows.table[at:], rows.values[values:])


def joined(first: Rows, second: Rows) -> Rows:
    """Two pieces, one behind the other, as one that owns its memory."""
    values = np.concatenate((first.values, second.values)) if len(second.values) else first.values
    return Rows(np.concatenate((first.table, second.table)), values)


def merged(rules: RuleSet, first: Rows, second: Rows) -> Rows:
    """Two pieces in the order of their rows; of windows of one time the second piece's comes last."""
    rows = joined(first, second)
    order = np.argsort(rows.table[:, AT], kind="stable")
    at = rows.table[order, AT]
    if not rules.is_of_windows and np.any(at[1:] == at[:-1]):
        order = np.lexsort((rows.table[:, ID_LOW], rows.table[:, ID_HIGH], rows.table[:, AT]))
    return Rows(rows.table[order], _reordered(rules, rows, order))


def _reordered(rules: RuleSet, rows: Rows, order: npt.NDArray[np.intp]) -> Floats:
    if len(rows.values) == 0:
        return rows.values
    is_hot = hot(rules, rows.table)
    place = np.cumsum(is_hot) - 1
    values: Floats = rows.values[place[order[is_hot[order]]]]
    return values


def newest(rules: RuleSet, rows: Rows) -> Rows:
    """Of rows of one time, of which windows have one each, the last; it is fresh where all of them are."""
    at = rows.table[:, AT]
    over = np.flatnonzero(at[1:] == at[:-1])
    if len(over) == 0:
        return rows
    table, kept = rows.table.copy(), np.ones(len(at), np.bool_)
    table[over + 1, FLAGS] &= table[over, FLAGS] | ~FRESH
    kept[over] = False
    return Rows(table[kept], rows.values[kept[hot(rules, rows.table)]] if len(rows.values) else rows.values)


class Batch(NamedTuple):
    """Rows of many people, one person after the other, each person's in order.

    Of person `users[i]`, ascending, they are those from `starts[i]` up to `ends[i]`, and the values of the hot ones
    among them those from `hot_starts[i]` up to `hot_ends[i]`.
    """

    users: Ints
    starts: Ints
    ends: Ints
    hot_starts: Ints
    hot_ends: Ints
    rows: Rows

    @property
    def first(self) -> Ints:
        at: Ints = self.rows.table[self.starts, AT]
        return at

    @property
    def last(self) -> Ints:
        at: Ints = self.rows.table[self.ends - 1, AT]
        return at

    def of(self, which: Bools) -> "Batch":
        """That of some of its people."""
        return Batch._make((*(column[which] for column in self[:5]), self.rows))

    def people(self) -> Iterator[tuple[int, Rows, int, int]]:
        """One person after the other, with the times of the first and the last row."""
        table, values = self.rows
        columns = (*self[:5], self.first, self.last)
        for user, start, end, hot_start, hot_end, first, last in zip(*(c.tolist() for c in columns), strict=True):
            yield user, Rows(table[start:end], values[hot_start:hot_end]), first, last


def batch_of(rules: RuleSet, frame: pl.DataFrame, freshness: timedelta) -> Batch:
    """The frame as `alerts.engine.advance` describes it."""
    if frame.height == 0:
        none = np.empty(0, np.int64)
        return Batch(none, none, none, none, none, no_rows(rules))
    table = _table(rules, frame, freshness)
    users = frame["user_id"].to_numpy()
    order = None if _is_ordered(users, table) else _order(users, table)
    if order is not None:
        users, table = users[order], table[order]
    is_hot = hot(rules, table)
    values = _values(rules, frame, np.flatnonzero(is_hot) if order is None else order[is_hot])
    starts = np.flatnonzero(np.diff(users, prepend=users[0] - 1))
    ends = np.append(starts[1:], len(users))
    hots = np.concatenate(([0], np.cumsum(is_hot)))
    return Batch(users[starts], starts, ends, hots[starts], hots[ends], Rows(table, values))


def _is_ordered(users: Ints, table: Ints) -> bool:
    """By person and time, no two of one time: as windows come."""
    at = table[:, AT]
    return bool(np.all((users[1:] > users[:-1]) | ((users[1:] == users[:-1]) & (at[1:] > at[:-1]))))


def _order(users: Ints, table: Ints) -> npt.NDArray[np.intp]:
    """By person, time and event id: the last key only where times are equal."""
    order = np.lexsort((table[:, AT], users))
    at, who = table[order, AT], users[order]
    if np.any((at[1:] == at[:-1]) & (who[1:] == who[:-1])):
        return np.lexsort((table[:, ID_LOW], table[:, ID_HIGH], table[:, AT], users))
    return order


def _table(rules: RuleSet, frame: pl.DataFrame, freshness: timedelta) -> Ints:
    table = np.zeros((frame.height, WORDS + rules.words), np.int64)
    table[:, AT] = at = instants(frame["recorded_at"])
    received, flags = instants(frame["received_at"]), frame["flags"].to_numpy()
    if rules.is_of_windows:
        fresh = frame["fresh"].to_numpy() if "fresh" in frame.columns else np.zeros(frame.height, np.bool_)
    else:
        table[:, ID_HIGH], table[:, ID_LOW] = _ids(frame)
        fresh = (flags & Flag.LATE == 0) & (received - at <= length(freshness))
    table[:, FLAGS] = flags + fresh * FRESH
    verdicts = frame.select(
        _within(verdict, rule, received).alias(str(number)) for number, (_, rule, verdict) in enumerate(rules.verdicts)
    )
    for (slot, _, _), column in zip(rules.verdicts, verdicts.iter_columns(), strict=True):
        table[:, WORDS + slot.word] |= column.to_numpy().astype(np.int64) << slot.shift
    return table


def _within(verdict: pl.Expr, rule: Rule, received: Ints) -> pl.Expr:
    """NULL for the rows that the rule was not active for."""
    since = None if rule.active_from is None else microseconds(rule.active_from)
    until = None if rule.active_until is None else microseconds(rule.active_until)
    if (since is None or received.min() >= since) and (until is None or received.max() < until):
        return verdict
    at = _time("received_at")
    active = pl.lit(True) if since is None else at >= since  # noqa: FBT003  # polars' own shape
    if until is not None:
        active = active & (at < until)
    return pl.when(active).then(verdict).otherwise(0)


def _time(column: str) -> pl.Expr:
    return pl.col(column).dt.timestamp("us")


def instants(times: pl.Series) -> Ints:
    """Datetimes of microseconds, none of them null, as numbers; nothing is copied."""
    return times.cast(pl.Int64).to_numpy()


def _ids(frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """UUIDs as two numbers each whose order, sign and all, is that of the text."""
    ids = frame["event_id"].cast(pl.String)
    text = "".join((ids.fill_null(_NO_ID) if ids.null_count() else ids).to_list()).replace("-", "")
    halves = np.frombuffer(bytes.fromhex(text), dtype=">u8").astype(np.uint64).reshape(-1, 2) ^ _SIGN
    return halves[:, 0].view(np.int64), halves[:, 1].view(np.int64)


def event_id(high: int, low: int) -> str:
    """The text of the UUID that stands as these two numbers in a table."""
    return str(UUID(int=((high + (1 << 63)) << 64) | (low + (1 << 63))))


def packed(table: Ints, values: Floats) -> list[bytes]:
    """Each row as bytes, for evidence: time and the halves of the id (int64), then its values (float64)."""
    block = np.empty((len(table), FLAGS + values.shape[1]), np.int64)
    block[:, :FLAGS] = table[:, :FLAGS]
    block[:, FLAGS:] = values.view(np.int64)
    raw, width = block.tobytes(), block.shape[1] * block.itemsize
    return [raw[at : at + width] for at in range(0, len(raw), width)]


def _values(rules: RuleSet, frame: pl.DataFrame, picked: npt.NDArray[np.intp]) -> Floats:
    """What the rules' columns hold in the picked rows; NaN: absent; of text the number of the choice."""
    if len(picked) == 0:
        return np.empty((0, len(rules.columns)))
    chosen = frame.select(rules.columns)[picked]
    values: Floats = chosen.select(_number_of(column) for column in rules.columns).to_numpy()
    return values


def _number_of(column: str) -> pl.Expr:
    choices = COLUMNS[column].choices
    if choices:
        return pl.col(column).cast(pl.Enum(choices), strict=False).to_physical().cast(pl.Float64)
    return pl.col(column).cast(pl.Float64)
