"""What the engine finds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan
from struct import unpack

from alerts.engine.clock import moment
from alerts.engine.fold import End, Run, Tally
from alerts.engine.rows import event_id
from alerts.engine.rule import Rule, RuleKey
from alerts.engine.source import COLUMNS

Cell = float | str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric over the TRUE rows of an episode. `total` is exact, in millionths of the unit."""

    count: int
    total: int
    low: float
    high: float

    @property
    def avg(self) -> float:
        return self.total / (self.count * 1_000_000)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A TRUE row as an alert keeps it: the rule's columns, None where absent."""

    recorded_at: datetime
    event_id: str
    values: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The first and the last 20 TRUE rows, which overlap in an episode of fewer than 40, and the one that opened it,
    with its number among the TRUE rows. Unpacked when asked for."""

    columns: tuple[str, ...]
    packed_first: tuple[bytes, ...] = ()
    packed_last: tuple[bytes, ...] = ()
    opening_number: int = 0
    packed_opening: bytes = b""

    @property
    def first(self) -> tuple[EvidenceRow, ...]:
        return tuple(self._unpack(row) for row in self.packed_first)

    @property
    def opening(self) -> EvidenceRow:
        return self._unpack(self.packed_opening)

    @property
    def last(self) -> tuple[EvidenceRow, ...]:
        return tuple(self._unpack(row) for row in self.packed_last)

    def _unpack(self, row: bytes) -> EvidenceRow:
        at, high, low, *numbers = unpack(f"=qqq{len(self.columns)}d", row)
        values = {name: _cell(name, number) for name, number in zip(self.columns, numbers, strict=True)}
        return EvidenceRow(moment(at), event_id(high, low), values)


def _cell(name: str, number: float) -> Cell:
    if isnan(number):
        return None
    choices = COLUMNS[name].choices
    return choices[int(number)] if choices else number


@dataclass(frozen=True, slots=True)
class Episode:
    """`started_at` and `ended_at` are the first and the last TRUE row (so far), `opened_at` the row that opened it.

    `settled_at` is the row that cleared it, or the last row it was heard from plus `max_gap`; None while it is open.
    `first_fresh_at` and `last_fresh_at` are among the TRUE rows from the opening one on. A measure that no TRUE row
    had is left out of `measures`.
    """

    started_at: datetime
    opened_at: datetime
    ended_at: datetime
    settled_at: datetime | None
    end: End
    event_count: int
    suspect_count: int
    measures: Mapping[str, Measure]
    first_fresh_at: datetime | None
    last_fresh_at: datetime | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of one person's time under one rule: all its episodes that are open or settled after `since`.

    Alerts of that person and rule that have settled at or before `since` stand as they are.
    """

    user_id: int
    rule: RuleKey
    since: datetime
    episodes: tuple[Episode, ...]

    def followed_by(self, later: "Stretch") -> "Stretch":
        """This one and the time after it as one: what was open goes on there."""
        over = tuple(each for each in self.episodes if each.end != "open")
        return replace(self, episodes=over + later.episodes)


def episode(rule: Rule, run: Run) -> Episode:
    """The episode that an opened run is."""
    if run.opened_at is None:
        raise ValueError("a run that has not opened is no episode")
    tallies = zip(rule.measures, run.tallies, strict=True)
    return Episode(
        started_at=moment(run.started_at),
        opened_at=moment(run.opened_at),
        ended_at=moment(run.last_true),
        settled_at=_moment(run.settled_at),
        end=run.end,
        event_count=run.event_count,
        suspect_count=run.suspect_count,
        measures={name: _measure(tally) for name, tally in tallies if tally.count},
        first_fresh_at=_moment(run.first_fresh),
        last_fresh_at=_moment(run.last_fresh),
        evidence=Evidence(
            rule.columns, tuple(run.first_rows), tuple(run.last_rows), run.opening_number, run.opening_row
        ),
    )


def _measure(tally: Tally) -> Measure:
    return Measure(tally.count, tally.total, tally.low, tally.high)


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
