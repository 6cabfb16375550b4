"""The overview as one moment: read once, shown as a page or as the parts that a page takes over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

from alerts.models import Alert, Rule
from dashboard.live.figures import pipeline_figures
from dashboard.overview.log import Log, Tab, just_ended, log_of
from dashboard.overview.people import ON_TILE, Person, people_on_wall
from dashboard.overview.rate import Rate, rate_of
from dashboard.overview.series import CHARTED, MOST_LINES, WINDOW, episodes_of, series_of, sparks_of
from dashboard.overview.thresholds import thresholds
from devices.metrics import METRICS
from devices.models import User
from devices.reader import axis_shown, decimals_shown
from devices.times import rfc3339

Layout = Literal["auto", "tiles", "cells"]
Show = Literal["all", "alerting", "nodata", "pinned"]
SHOWS: Final[tuple[Show, ...]] = ("all", "alerting", "nodata", "pinned")
TILES: Final = 21
CELLS: Final = 126


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the overview is asked for."""

    tab: Tab = "firing"
    layout: Layout = "auto"
    show: Show = "all"
    page: int = 1


@dataclass(frozen=True)
class Board:
    """Everything the overview says, as of `at`."""

    at: datetime
    choice: Choice
    people: Sequence[Person]
    log: Log
    rate: Rate
    pipeline: Mapping[str, Any]
    charted: Sequence[Person]
    stretches: Sequence[Alert]

    @cached_property
    def shown(self) -> Sequence[Person]:
        """The people of the wall's filter."""
        if self.choice.show == "alerting":
            return [person for person in self.people if person.is_clinical]
        if self.choice.show == "nodata":
            return [person for person in self.people if person.is_late(self.at)]
        if self.choice.show == "pinned":
            return [person for person in self.people if person.pinned]
        return self.people

    @property
    def page(self) -> int:
        """The one asked for, or the last: people leave a filter while somebody looks at what it shows."""
        return min(self.choice.page, self.pages)

    @property
    def tiles(self) -> Sequence[Person]:
        """Who gets a tile: the first TILES, or a page of them."""
        if self.choice.layout == "cells":
            return ()
        first = (self.page - 1) * TILES if self.choice.layout == "tiles" else 0
        return self.shown[first : first + TILES]

    @property
    def cells(self) -> Sequence[Person]:
        """Those who have no tile; a page of them."""
        if self.choice.layout == "tiles":
            return ()
        skipped = TILES if self.choice.layout == "auto" else 0
        first = skipped + (self.page - 1) * CELLS
        return self.shown[first : first + CELLS]

    @property
    def steady(self) -> int:
        return max(0, len(self.shown) - (TILES if self.choice.layout == "auto" else 0))

    @property
    def alerting_in_cells(self) -> int:
        """Those with an alert for whom there is no tile any more."""
        return sum(person.is_clinical for person in self.shown[TILES:]) if self.choice.layout == "auto" else 0

    @property
    def pages(self) -> int:
        size, count = (TILES, len(self.shown)) if self.choice.layout == "tiles" else (CELLS, self.steady)
        return max(1, -(-count // size))

    @cached_property
    def late(self) -> int:
        """Heard, but not in time; from 3 times the cadence on."""
        return sum(1 for person in self.people if person.is_late(self.at)) - self.silent

    @cached_property
    def silent(self) -> int:
        limit = [(person.heard_at, person.patience(6)) for person in self.people]
        return sum(1 for heard, patience in limit if heard is None or self.at - heard >= patience)

    @property
    def live(self) -> int:
        return len(self.people) - self.late - self.silent

    @property
    def alerting(self) -> int:
        return sum(1 for person in self.people if person.is_clinical)

    @property
    def pinned(self) -> int:
        return sum(1 for person in self.people if person.pinned)

    @property
    def expected_per_minute(self) -> int:
        """What those who are live send a minute, by how often they spoke lately."""
        return round(sum(60 / person.gap_s for person in self.people if not person.is_late(self.at)))

    @cached_property
    def snapshot(self) -> Mapping[str, Any]:
        """What the page's script starts from."""
        return _snapshot(self)

    @cached_property
    def rules_on(self) -> int:
        """Said only where nothing fires."""
        return Rule.objects.filter(enabled=True).count()

    @property
    def has_readings(self) -> bool:
        return any(person.heard_at for person in self.people)


def board_of(*, user: User, choice: Choice, at: datetime) -> Board:
    """The overview of `user` at `at`; the number of queries does not depend on how many people or alerts there are."""
    log = log_of(user=user, tab=choice.tab)
    people = people_on_wall(user=user, worst=log.worst, at=at)
    stretches = [card.alert for card in (*log.firing, *log.technical)] + just_ended(user=user, since=at - WINDOW)
    return Board(
        at=at,
        choice=choice,
        people=people,
        log=log,
        rate=rate_of(pks=[person.pk for person in people], alerts=stretches, at=at),
        pipeline=pipeline_figures(now=at),
        charted=_charted(people, at),
        stretches=stretches,
    )


def _charted(people: Sequence[Person], at: datetime) -> Sequence[Person]:
    """At most MOST_LINES people who were heard lately: those with clinical alerts, worst first, then who is pinned,
    then the others in their order, the most active first."""
    heard = [person for person in people if person.heard_at and at - person.heard_at < WINDOW]
    return sorted(heard, key=lambda person: (not person.is_clinical, not person.pinned))[:MOST_LINES]


def _snapshot(board: Board) -> dict[str, Any]:
    lines = {person.pk: person.user_id for person in board.charted}
    others = [person.pk for person in board.tiles if person.pk not in lines]
    points = series_of(pks=list(lines), at=board.at) | sparks_of(pks=others, at=board.at)
    by_pk = {person.pk: person.user_id for person in board.people}
    return {
        "at": rfc3339(board.at),
        "people": {person.user_id: {"name": person.name, "short": person.short} for person in board.charted},
        "lines": [person.user_id for person in board.charted],
        "points": {by_pk[pk]: series for pk, series in points.items()},
        "episodes": episodes_of(alerts=board.stretches, names=lines),
        "thresholds": thresholds(at=board.at),
        "axes": {name: axis_shown(name) for name in (*ON_TILE, "hrv_ms")},
        "suspect": {name: int(METRICS[name].suspect_flag or 0) for name in CHARTED},
        "decimals": {name: decimals_shown(name) for name in METRICS},
    }
