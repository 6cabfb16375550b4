"""What a rule looks at: single readings, or windows of them, and the columns that each kind of row has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from alerts.engine.clock import duration
from devices.metrics import METRICS, NUMERIC, Metric

MOST_ROWS: Final = 1_000_000_000  # of a window: a bound for arithmetic, never reached


@dataclass(frozen=True, slots=True)
class Window:
    """Aggregates over [start, start + `size`), a start every `every`, counted from 1970 UTC.

    `every` divides `size`; where they are equal the windows lie side by side.
    """

    size: timedelta
    every: timedelta

    @property
    def steps(self) -> int:
        """How many starts lie in one window."""
        return self.size // self.every

    def __str__(self) -> str:
        sliding = "" if self.every == self.size else f", every {duration(self.every)}"
        return f"window({duration(self.size)}{sliding})"


Source = Literal["reading"] | Window


@dataclass(frozen=True, slots=True)
class Column:
    """A column that conditions may read: its bounds where it is a number, its values where it is text.

    `suspect` are the flags of a row that cast doubt on it.
    """

    name: str
    metric: Metric | None
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    suspect: int = 0

    @property
    def is_text(self) -> bool:
        return bool(self.choices)


def _of_reading(metric: Metric) -> Column:
    return Column(metric.name, metric, metric.low, metric.high, metric.choices, int(metric.suspect_flag or 0))


def _of_window(metric: Metric) -> list[Column]:
    """Count, average, least, greatest, and sample standard deviation, which is at most the distance of the bounds."""
    suspect = int(metric.suspect_flag or 0)
    names = [f"{name}_{metric.name}" for name in ("avg", "min", "max")]
    return [
        Column(f"count_{metric.name}", metric, 0, MOST_ROWS, (), suspect),
        *(Column(name, metric, metric.low, metric.high, (), suspect) for name in names),
        Column(f"stddev_{metric.name}", metric, 0, metric.high - metric.low, (), suspect),
    ]


READING_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {metric.name: _of_reading(metric) for metric in METRICS.values()}
)
WINDOW_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {"count": Column("count", None, 1, MOST_ROWS)}
    | {column.name: column for name in NUMERIC for column in _of_window(METRICS[name])}
)
COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({**READING_COLUMNS, **WINDOW_COLUMNS})


def columns_of(source: Source) -> Mapping[str, Column]:
    """What the conditions and measures of a rule over `source` may name."""
    return WINDOW_COLUMNS if isinstance(source, Window) else READING_COLUMNS
