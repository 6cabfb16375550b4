"""Columns of rules as a person reads them: values and limits of readings, of windows and of what is derived."""

from dataclasses import dataclass

from alerts.engine.source import COLUMNS
from devices.metrics import CANONICAL, Units

_DISTANCES = ("stddev_",)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column in somebody's units: how to say its values, and in which unit."""

    unit: str
    decimals: int
    factor: float = 1.0
    zero: float = 0.0

    def value(self, canonical: float) -> float:
        return canonical if (self.factor, self.zero) == (1.0, 0.0) else round(canonical * self.factor + self.zero, 6)

    def text(self, canonical: float) -> str:
        return f"{self.value(canonical):.{self.decimals}f}"

    def limit(self, canonical: float) -> str:
        """A limit as it stands in a sentence: `38`, `100.4`; of what was converted no more digits than values have."""
        if (self.factor, self.zero) == (1.0, 0.0):
            return f"{canonical:g}"
        return f"{round(self.value(canonical), self.decimals):g}"


def read_column(name: str, units: Units = CANONICAL) -> ReadColumn:
    """A column by its name. Counts and distances from the usual have no unit that anybody reads otherwise."""
    column = COLUMNS[name]
    metric = column.metric
    if units.are_canonical or metric is None or column.is_text or name.endswith("_z") or name.startswith("count_"):
        return ReadColumn(column.shown, column.decimals)
    shown = units.of(metric.unit)
    if shown.is_canonical:
        return ReadColumn(column.shown, column.decimals)
    is_distance = name.endswith("_rate") or name.startswith(_DISTANCES)
    unit = column.shown.replace(metric.shown, shown.shown)
    return ReadColumn(unit, column.decimals + shown.more, shown.factor, 0.0 if is_distance else shown.zero)
