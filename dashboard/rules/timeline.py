"""When a rule would have fired, drawn: a lane a day for one person, a lane a person for several.

A lane is 1,000 wide. Days and their hours are those of UTC: a lane is the same for everybody who looks at it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

WIDTH: Final = 1000
NARROWEST: Final = 6  # an episode of seconds in a month is still seen
MOST_DAYS: Final = 31
MOST_PEOPLE: Final = 20
_DAY: Final = timedelta(days=1)
_TICKS: Final = 4

Kind = Literal["known", "new", "lost"]  # overlaps an alert; no alert is there; only the present version finds it


@dataclass(frozen=True, slots=True)
class Span:
    """An episode: whose (`user_id`, and what they are called), from when until when, what it is, where it leads."""

    person: str
    name: str
    start: datetime
    end: datetime
    kind: Kind
    href: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A span as it lies in a lane."""

    x: int
    width: int
    span: Span


@dataclass(frozen=True, slots=True)
class Lane:
    """A day or a person; `count` are the rule's own episodes that begin in it."""

    label: str
    count: int
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on the axis, and where it stands."""

    x: int
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes from top to bottom; `more` people have episodes too and no lane."""

    lanes: list[Lane]
    ticks: list[Tick]
    more: int = 0


def timeline_of(spans: Sequence[Span], *, since: datetime, until: datetime, alone: bool) -> Timeline:
    """The spans of one person (`alone`) by day where the days are few, else everyone's by person."""
    days = list(_days(since, until))
    if alone and len(days) <= MOST_DAYS:
        return Timeline([_day(day, spans) for day in days], _hours())
    theirs: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        theirs[span.person].append(span)
    lanes = [_lane(each[0].name, _own(each), each, since, until) for _, each in sorted(theirs.items())]
    lanes.sort(key=lambda lane: -lane.count)
    return Timeline(lanes[:MOST_PEOPLE], _dates(since, until), max(0, len(lanes) - MOST_PEOPLE))


def _days(since: datetime, until: datetime) -> Iterator[datetime]:
    day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        yield day
        day += _DAY


def _day(day: datetime, spans: Sequence[Span]) -> Lane:
    begun = _own([span for span in spans if day <= span.start < day + _DAY])
    within = [span for span in spans if span.start < day + _DAY and span.end >= day]
    return _lane(f"{day:%a} {day.day}", begun, within, day, day + _DAY)


def _own(spans: Sequence[Span]) -> int:
    return sum(span.kind != "lost" for span in spans)


def _lane(label: str, count: int, spans: Sequence[Span], since: datetime, until: datetime) -> Lane:
    """Of spans that look the same one is drawn, so that there are never more than can be told apart."""
    blocks: dict[tuple[int, int, Kind], Block] = {}
    for span in spans:
        block = _block(span, since, until)
        blocks.setdefault((block.x, block.width, span.kind), block)
    return Lane(label, count, list(blocks.values()))


def _block(span: Span, since: datetime, until: datetime) -> Block:
    left, right = (_x(at, since, until) for at in (span.start, span.end))
    width = max(right - left, NARROWEST)
    return Block(min(left, WIDTH - width), width, span)


def _x(at: datetime, since: datetime, until: datetime) -> int:
    return round(WIDTH * min(1.0, max(0.0, (at - since) / (until - since))))


def _hours() -> list[Tick]:
    return [Tick(WIDTH * hour // 24, f"{hour:02}:00") for hour in (0, 6, 12, 18, 24)]


def _dates(since: datetime, until: datetime) -> list[Tick]:
    """The days where they are few, else some, evenly; hours where all is within two days."""
    length = until - since
    form = "%H:%M" if length <= 2 * _DAY else "%d %b"
    moments = [since + length * part / _TICKS for part in range(_TICKS + 1)]
    return [Tick(_x(at, since, until), at.astimezone(UTC).strftime(form)) for at in moments]
