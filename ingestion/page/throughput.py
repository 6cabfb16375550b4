"""What came in, and what became of it, for the pipeline's page: by the minutes that consumers wrote down."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from statistics import median
from typing import Any, Final

from django.db import connection

from alerts.models.alert import AlertClass

LEAST_KNOWN: Final = 5  # bars: what is usual is not told by fewer
LOW_SHARE: Final = 2 / 3  # of what is usual: less is worth a look
HEIGHT: Final = 100.0  # of the plot, whatever it is scaled to


@dataclass(frozen=True, slots=True)
class Span:
    """How far back the page looks, in bars of `step`; `each` says what a bar is, `last` what all of them are."""

    name: str
    label: str
    length: timedelta
    step: timedelta
    each: str
    last: str

    @property
    def bars(self) -> int:
        return self.length // self.step

    def first(self, at: datetime) -> datetime:
        """When the first bar begins, where the last one holds `at`."""
        begun = datetime.fromtimestamp(at.timestamp() // self.step.total_seconds() * self.step.total_seconds(), UTC)
        return begun - self.length + self.step


SPANS: Final = (
    Span("1h", "1 h", timedelta(hours=1), timedelta(minutes=1), "a minute", "last hour"),
    Span("24h", "24 h", timedelta(hours=24), timedelta(minutes=30), "half an hour", "last 24 hours"),
    Span("7d", "7 d", timedelta(days=7), timedelta(hours=3), "three hours", "last 7 days"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """What was consumed in a stretch of time; all None where no consumer wrote anything down."""

    at: datetime
    stored: int | None = None
    duplicates: int | None = None
    late: int | None = None
    quarantined: int | None = None

    @property
    def messages(self) -> int:
        return (self.stored or 0) + (self.duplicates or 0) + (self.quarantined or 0)

    @property
    def is_known(self) -> bool:
        return self.stored is not None


_BARS: Final = """
SELECT date_bin(%(step)s, minute, 'epoch'), sum(stored), sum(duplicates), sum(late), sum(quarantined)
FROM ingestion_pipelineminute WHERE minute >= %(since)s GROUP BY 1
"""
_REASONS: Final = """
SELECT reason.key, sum(reason.value::bigint) FROM ingestion_pipelineminute m, jsonb_each_text(m.reasons) reason
WHERE m.minute >= %(since)s GROUP BY 1 ORDER BY 2 DESC, 1
"""
_DELAYS: Final = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY travel_p50_s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY travel_p99_s), max(travel_worst_s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY stored_p50_s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY stored_p99_s), max(stored_worst_s)
FROM ingestion_pipelineminute WHERE minute >= %(since)s
"""
_TOLD: Final = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY taken), percentile_cont(0.99) WITHIN GROUP (ORDER BY taken),
       max(taken)
FROM (SELECT extract(epoch FROM loud_at - opened_at)::float8 AS taken FROM alerts_alert
      WHERE opened_at >= %(since)s AND loud_at IS NOT NULL AND alert_class = %(clinical)s
      ORDER BY opened_at DESC LIMIT 10000) told
"""


def bars_of(*, span: Span, at: datetime) -> list[Bar]:
    """Every bar of the span, oldest first; the last one is not over yet."""
    since = span.first(at)
    found = {row[0]: Bar(*row) for row in _rows(_BARS, step=span.step, since=since)}
    return [found.get(when) or Bar(when) for when in (since + n * span.step for n in range(span.bars))]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the messages of a span. Late ones are among the stored."""

    stored: int
    duplicates: int
    late: int
    quarantined: int

    @property
    def messages(self) -> int:
        return self.stored + self.duplicates + self.quarantined

    def percent(self, count: int) -> str:
        return f"{100 * count / self.messages:.2f} %" if self.messages else ""

    @property
    def rows(self) -> list[tuple[str, int, str]]:
        """What it is called, how many, and how much of all that is."""
        named = (
            ("Stored", self.stored),
            ("of these late, which never alert", self.late),
            ("Duplicate, stored already", self.duplicates),
            ("Quarantined", self.quarantined),
        )
        return [(name, count, self.percent(count)) for name, count in named]

    @property
    def kept_percent(self) -> str:
        """How much is in the database, whether it came once or again; empty where nothing came."""
        if not self.messages:
            return ""
        share = 100 * (self.stored + self.duplicates) / self.messages
        return "100" if self.quarantined == 0 else f"{min(share, 99.9):.1f}"


def outcomes_of(bars: list[Bar]) -> Outcomes:
    """Of all bars together."""
    return Outcomes(
        *(sum(getattr(bar, name) or 0 for bar in bars) for name in ("stored", "duplicates", "late", "quarantined"))
    )


def reasons_of(*, span: Span, at: datetime) -> list[tuple[str, int]]:
    """How many messages were refused, by reason, most first."""
    return [(reason, int(count)) for reason, count in _rows(_REASONS, since=span.first(at))]


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a stage takes, in seconds; None where nothing went through it."""

    stage: str
    note: str
    p50_s: float | None
    p99_s: float | None
    worst_s: float | None

    @property
    def texts(self) -> tuple[str, str, str]:
        return seconds_text(self.p50_s), seconds_text(self.p99_s), seconds_text(self.worst_s)


def seconds_text(seconds: float | None) -> str:
    """`0.08 s`, `12.3 s`, `6 m 10 s`, `1 h 04 m`, `2 d`; empty for None. A clock that is ahead gives less than zero."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.2f} s" if abs(seconds) < 10 else f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours >= 24:
        return f"{hours // 24} d"
    return f"{hours} h {minutes % 60:02} m" if hours else f"{minutes} m {int(seconds % 60):02} s"


def delays_of(*, span: Span, at: datetime) -> list[Delay]:
    """Of each stage: p50 and p99 of a usual minute, and the worst there was; of alerts, of all there were."""
    since = span.first(at)
    stages = _rows(_DELAYS, since=since)[0]
    told = _rows(_TOLD, since=since, clinical=AlertClass.CLINICAL)[0]
    return [
        Delay("Measured to received", "the wearable's clock to the broker's", *stages[:3]),
        Delay("Received to stored and judged", "rules run in the same transaction", *stages[3:]),
        Delay("Measured to alert told", "clinical alerts that somebody was told of", *told),
    ]


def usual_of(bars: list[Bar]) -> int | None:
    """What a bar usually holds: the median of those that are over and hold something; None for too few."""
    full = [bar.messages for bar in bars[:-1] if bar.messages]
    return round(median(full)) if len(full) >= LEAST_KNOWN else None


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of the plot: its kind, its top and its height, as SVG attributes."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """A bar as it is drawn: where, of what, and what it says of itself."""

    bar: Bar
    x: int
    pieces: tuple[Piece, ...]
    state: str  # "", "low": less than usual, "unknown": nobody wrote anything down, "open": not over yet


@dataclass(frozen=True, slots=True)
class Plot:
    """The chart of a span. `ticks` are the values of the horizontal lines, from the top down."""

    columns: tuple[Column, ...]
    ticks: tuple[int, ...]
    usual: int | None
    usual_y: str
    labels: tuple[datetime, ...]

    @property
    def width(self) -> int:
        return 10 * len(self.columns)

    @property
    def low(self) -> int:
        return sum(column.state == "low" for column in self.columns)

    @property
    def unknown(self) -> int:
        return sum(column.state == "unknown" for column in self.columns)


def plot_of(bars: list[Bar]) -> Plot:
    """The chart of these bars. What no consumer wrote down is unknown only after the first that one did."""
    usual = usual_of(bars)
    top = _top(max((*(bar.messages for bar in bars), usual or 0)))
    known = set(map(id, dropwhile(lambda bar: not bar.is_known, bars)))
    columns = tuple(
        Column(bar, 10 * n + 1, _pieces(bar, top), _state(bar, usual, is_last=bar is bars[-1], is_in=id(bar) in known))
        for n, bar in enumerate(bars)
    )
    every = len(bars) // (4 if len(bars) % 5 else 5)
    labels = tuple(bar.at for bar in bars[::every])
    return Plot(columns, (top, top // 2, 0), usual, _svg(HEIGHT - HEIGHT * (usual or 0) / top), labels)


def _state(bar: Bar, usual: int | None, *, is_last: bool, is_in: bool) -> str:
    if is_last:
        return "open"
    if not bar.is_known:
        return "unknown" if is_in else ""
    return "low" if usual and bar.messages < LOW_SHARE * usual else ""


def _pieces(bar: Bar, top: int) -> tuple[Piece, ...]:
    late = bar.late or 0
    stack = {"stored": (bar.stored or 0) - late, "late": late, "duplicate": bar.duplicates, "refused": bar.quarantined}
    pieces, base = [], HEIGHT
    for kind, count in stack.items():
        if count:
            height = max(HEIGHT * count / top, 1.0 if kind == "refused" else 0.0)  # a single one is seen, too
            base = max(0.0, base - height)
            pieces.append(Piece(kind, _svg(base), _svg(height)))
    return tuple(pieces)


def _top(most: int) -> int:
    """A round number from `most` up, an even one."""
    size = 1
    while True:
        for digit in (2, 4, 6, 8, 10):
            if digit * size >= most:
                return digit * size
        size *= 10


def _svg(number: float) -> str:
    return f"{number:.2f}"


def _rows(query: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
