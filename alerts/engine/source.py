"""What a rule looks at: single readings, or windows of them, and the columns that each kind of row has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from alerts.engine.clock import duration
from devices.metrics import BASELINED, METRICS, NUMERIC, Metric

MOST_ROWS: Final = 1_000_000_000  # of a window: a bound for arithmetic, never reached
MAD_PER_SIGMA: Final = 0.6745  # the third quartile of the normal distribution
NOT_WORN: Final = "not_worn"


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

    `metric` is what it is, or is made of. `label`, `shown` (the unit, empty where there is none) and `decimals` are
    how people read it. `suspect` are the flags of a row that cast doubt on it.
    """

    name: str
    metric: Metric | None
    label: str
    shown: str = ""
    decimals: int = 0
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    suspect: int = 0

    @property
    def is_text(self) -> bool:
        return bool(self.choices)


def _of_reading(metric: Metric) -> Column:
    suspect = int(metric.suspect_flag or 0)
    return Column(
        metric.name,
        metric,
        metric.label,
        metric.shown,
        metric.decimals,
        metric.low,
        metric.high,
        metric.choices,
        suspect,
    )


def _z(metric: Metric) -> Column:
    """Both the value and the median lie within the bounds, and the spread is never below the floor."""
    furthest = _beyond(MAD_PER_SIGMA * (metric.high - metric.low) / (metric.mad_floor or 1))
    suspect = int(metric.suspect_flag or 0)
    label = f"{metric.label} against usual"
    return Column(f"{metric.name}_z", metric, label, "σ", 1, -furthest, furthest, (), suspect)


_A_MINUTE: Final = {"/min": "/min²", "of 100": "/min"}


def _rate(metric: Metric) -> Column:
    """From one bound to the other in the shortest time that counts, a second."""
    fastest = _beyond(60 * (metric.high - metric.low))
    shown, suspect = _A_MINUTE.get(metric.shown, f"{metric.shown}/min"), int(metric.suspect_flag or 0)
    label = f"{metric.label}, change"
    return Column(f"{metric.name}_rate", metric, label, shown, metric.decimals + 1, -fastest, fastest, (), suspect)


def _beyond(bound: float) -> float:
    """A little more, for what rounding adds."""
    return bound * (1 + 1e-12)


def _of_window(metric: Metric) -> list[Column]:
    """Count, average, least, greatest, and sample standard deviation, which is at most the distance of the bounds."""
    name, shown, decimals, low, high = metric.name, metric.shown, metric.decimals, metric.low, metric.high
    suspect, label = int(metric.suspect_flag or 0), _within_words(metric.label)
    return [
        Column(f"count_{name}", metric, f"Values of {label}", "", 0, 0, MOST_ROWS, (), suspect),
        Column(f"avg_{name}", metric, f"Average {label}", shown, decimals, low, high, (), suspect),
        Column(f"min_{name}", metric, f"Lowest {label}", shown, decimals, low, high, (), suspect),
        Column(f"max_{name}", metric, f"Highest {label}", shown, decimals, low, high, (), suspect),
        Column(f"stddev_{name}", metric, f"Spread of {label}", shown, decimals + 1, 0, high - low, (), suspect),
    ]


def _within_words(label: str) -> str:
    """As it stands within a sentence: `heart rate`, but `HRV` and `SpO₂`."""
    return label if label[1:] != label[1:].lower() else label.lower()


STORED_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {metric.name: _of_reading(metric) for metric in METRICS.values()}
)
# `alerts.engine.derived` says what they are.
DERIVED_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {
        column.name: column
        for column in (
            *(_z(METRICS[name]) for name in BASELINED),
            *(_rate(METRICS[name]) for name in NUMERIC),
            Column(NOT_WORN, METRICS["heart_rate"], "Not worn", low=0, high=1),
        )
    }
)
READING_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({**STORED_COLUMNS, **DERIVED_COLUMNS})
WINDOW_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType(
    {"count": Column("count", None, "Readings", low=1, high=MOST_ROWS)}
    | {column.name: column for name in NUMERIC for column in _of_window(METRICS[name])}
)
COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({**READING_COLUMNS, **WINDOW_COLUMNS})


def columns_of(source: Source) -> Mapping[str, Column]:
    """What the conditions and measures of a rule over `source` may name."""
    return WINDOW_COLUMNS if isinstance(source, Window) else READING_COLUMNS


def metrics_behind(names: Iterable[str]) -> list[str]:
    """The metrics that these columns are or are made of, each once, in order."""
    metrics = (COLUMNS[name].metric for name in names if name in COLUMNS)
    return list(dict.fromkeys(metric.name for metric in metrics if metric))
