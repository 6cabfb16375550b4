"""What a rule means, row by row: everything else in the engine only makes this faster.

One person, one rule, rows in order of (time, event id). Times are microseconds since 1970 UTC.
"""

from collections import deque
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from math import isnan
from typing import Final, Literal, NamedTuple

NULL: Final = 0
FALSE: Final = 1
TRUE: Final = 2

End = Literal["open", "cleared", "gap"]
EVIDENCE_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule as the fold needs it. `clear_count` is 0 where NOT `when` clears, once."""

    count: int
    within: int | None
    lasting: int
    max_gap: int
    clear_count: int


class Row(NamedTuple):
    """What one reading says to one rule.

    `measures` (NaN: absent) and `evidence`, which is the row packed for an alert to keep, are read of TRUE rows only.
    """

    at: int
    when: int
    clear: int
    fresh: bool
    suspect: bool
    measures: list[float]
    evidence: bytes


class Tally:
    """Count, exact sum (in millionths), least and greatest of one measure."""

    __slots__ = ("count", "high", "low", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.low = float("inf")
        self.high = float("-inf")

    def add(self, value: float) -> None:
        if not isnan(value):
            self.count += 1
            self.total += round(value * 1e6)
            self.low = min(self.low, value)
            self.high = max(self.high, value)


@dataclass(slots=True)
class Run:
    """TRUE rows that belong together: an episode once it has opened."""

    started_at: int
    tallies: list[Tally]
    recent: deque[int]  # times of the last `count` TRUE rows, until it opens
    last_true: int = 0
    heard_at: int = 0  # the row that the gap is measured from
    opened_at: int | None = None
    settled_at: int | None = None
    end: End = "open"
    event_count: int = 0
    suspect_count: int = 0
    cleared: int = 0
    first_fresh: int | None = None  # among the TRUE rows from the opening one on
    last_fresh: int | None = None
    opening_number: int = 0  # of the TRUE row that opened it
    opening_row: bytes = b""
    first_rows: list[bytes] = field(default_factory=list)
    last_rows: deque[bytes] = field(default_factory=lambda: deque(maxlen=EVIDENCE_ROWS))

    def copy(self) -> "Run":
        """One that can be fed without changing this one."""
        twin = copy(self)
        twin.tallies = [copy(tally) for tally in self.tallies]
        twin.recent = self.recent.copy()
        twin.first_rows = self.first_rows.copy()
        twin.last_rows = self.last_rows.copy()
        return twin


def fold(
    pattern: Pattern, measures: int, run: Run | None, rows: Iterable[Row], as_of: int
) -> tuple[Run | None, list[Run]]:
    """The run after `rows`, and the episodes that ended among them.

    `run` is what was pending before them, and is used up. `as_of` is the time of the person's last row, which may come
    after those of `rows`: rows that say NULL may be left out, and FALSE after FALSE while nothing is open.
    """
    ended: list[Run] = []
    for row in rows:
        if run is not None and row.at > run.heard_at + pattern.max_gap:
            _end(run, "gap", run.heard_at + pattern.max_gap, ended)
            run = None
        if row.when == TRUE:
            if run is None:
                run = Run(row.at, [Tally() for _ in range(measures)], deque(maxlen=pattern.count))
            _feed(pattern, run, row)
        elif run is None:
            continue
        elif run.opened_at is None:
            run = None if row.when == FALSE else run
        elif _clears(pattern, run, row):
            _end(run, "cleared", row.at, ended)
            run = None
    if run is not None and as_of > run.heard_at + pattern.max_gap:
        _end(run, "gap", run.heard_at + pattern.max_gap, ended)
        run = None
    return run, ended


def _feed(pattern: Pattern, run: Run, row: Row) -> None:
    """A TRUE row: it is counted, it may open the run, and it undoes any clearing."""
    run.last_true = run.heard_at = row.at
    run.cleared = 0
    run.event_count += 1
    run.suspect_count += row.suspect
    for tally, value in zip(run.tallies, row.measures, strict=True):
        tally.add(value)
    if len(run.first_rows) < EVIDENCE_ROWS:
        run.first_rows.append(row.evidence)
    run.last_rows.append(row.evidence)
    if run.opened_at is None:
        run.recent.append(row.at)
        if _opens(pattern, run):
            run.opened_at, run.opening_number, run.opening_row = row.at, run.event_count, row.evidence
    if row.fresh and run.opened_at is not None:
        run.first_fresh = row.at if run.first_fresh is None else run.first_fresh
        run.last_fresh = row.at


def _opens(pattern: Pattern, run: Run) -> bool:
    """Enough rows, the last `count` of them close enough together, and TRUE for long enough; all inclusive."""
    recent = run.recent
    return (
        len(recent) == pattern.count
        and (pattern.within is None or recent[-1] - recent[0] <= pattern.within)
        and run.last_true - run.started_at >= pattern.lasting
    )


def _clears(pattern: Pattern, run: Run, row: Row) -> bool:
    """Whether a row that is not TRUE ends an open episode."""
    if pattern.clear_count == 0:
        return row.when == FALSE
    if row.when == FALSE:
        run.heard_at = row.at
    if row.clear == TRUE:
        run.cleared += 1
    elif row.clear == FALSE:
        run.cleared = 0
    return run.cleared >= pattern.clear_count


def _end(run: Run, end: End, at: int, ended: list[Run]) -> None:
    """Nothing is pending any more; a run that never opened leaves no trace."""
    if run.opened_at is not None:
        run.end, run.settled_at = end, at
        ended.append(run)
