"""The usual band behind a line: two standard deviations about the middle, by the hour of the person's own day."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Max

from devices.metrics import METRICS
from devices.models import Baseline
from devices.reader import shown_in
from devices.usual import LEAST_DAYS, SIGMA_PER_MAD

SIGMAS: Final = 2
QUARTER: Final = timedelta(minutes=15)  # every zone's offset, and every change of one, is a multiple of it


@dataclass(frozen=True, slots=True)
class Band:
    """What is usual of one metric: from each of `at` (seconds since 1970) until the next; None: not known.

    `days` is how many days the best known hour was learned from.
    """

    name: str
    at: list[float]
    limits: list[tuple[float, float] | None]
    days: int

    @property
    def is_learning(self) -> bool:
        """No hour is known yet."""
        return not any(self.limits)

    def limits_at(self, at: datetime) -> tuple[float, float] | None:
        """The lowest and the highest usual value at a moment of the range."""
        place = bisect_right(self.at, at.timestamp()) - 1
        return self.limits[place] if place >= 0 else None

    def as_read(self) -> "Band":
        """The same in the reader's unit."""
        shown = shown_in(self.name)
        if shown.is_canonical:
            return self
        return replace(self, limits=[each and (shown.value(each[0]), shown.value(each[1])) for each in self.limits])

    @property
    def learning_words(self) -> str:
        """How far it is; empty once something is known."""
        if not self.is_learning:
            return ""
        return f"learning what is usual, {min(self.days, LEAST_DAYS)} of {LEAST_DAYS} days"

    def as_json(self) -> dict[str, Any]:
        """Columns, as the page's script takes them."""
        low, high = ([round(each[side], 2) if each else None for each in self.limits] for side in (0, 1))
        return {"at": self.at, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class _Set:
    valid_from: datetime
    zone: ZoneInfo
    rows: Mapping[tuple[str, int], Baseline]


def bands_of(*, user_id: int, since: datetime, until: datetime, names: tuple[str, ...]) -> dict[str, Band]:
    """The bands of these metrics over [since, until], by the set that held at each time.

    Of a time before the person's first set it shows that set, so that a chart of last week has a band on the first day.
    """
    sets = _sets(user_id, since, until, names)
    hours = list(_hours(sets, since, until)) if sets else []
    return {name: _band(name, sets, hours) for name in names}


def _sets(user_id: int, since: datetime, until: datetime, names: tuple[str, ...]) -> list[_Set]:
    rows = Baseline.objects.filter(user_id=user_id, metric__in=names, valid_from__lte=until)
    first = rows.filter(valid_from__lte=since).aggregate(at=Max("valid_from"))["at"]
    if first is not None:
        rows = rows.filter(valid_from__gte=first)
    return [
        _Set(begins, ZoneInfo(found[0].zone), {(row.metric, row.local_hour): row for row in found})
        for begins, found in ((key, list(group)) for key, group in groupby(rows, key=lambda row: row.valid_from))
    ]


def _hours(sets: list[_Set], since: datetime, until: datetime) -> Iterator[tuple[datetime, int, int]]:
    """When an hour of the person's day begins, which set holds then, and which hour it is."""
    begins = [each.valid_from for each in sets]
    at = datetime.fromtimestamp(since.timestamp() // QUARTER.total_seconds() * QUARTER.total_seconds(), UTC)
    before = None
    while at <= until:
        place = max(bisect_right(begins, at) - 1, 0)
        found = (place, at.astimezone(sets[place].zone).hour)
        if found != before:
            yield at, *found
        before = found
        at += QUARTER


def _band(name: str, sets: list[_Set], hours: list[tuple[datetime, int, int]]) -> Band:
    at: list[float] = []
    limits: list[tuple[float, float] | None] = []
    for begins, place, hour in hours:
        found = _limits(name, sets[place].rows.get((name, hour)))
        if not limits or found != limits[-1]:
            at.append(begins.timestamp())
            limits.append(found)
    newest = sets[-1].rows.values() if sets else ()
    return Band(name, at, limits, max((row.days for row in newest if row.metric == name), default=0))


def _limits(name: str, row: Baseline | None) -> tuple[float, float] | None:
    metric = METRICS[name]
    if row is None or row.median is None or row.mad is None:
        return None
    reach = SIGMAS * SIGMA_PER_MAD * max(row.mad, metric.mad_floor or 0)
    return max(row.median - reach, metric.low), min(row.median + reach, metric.high)
