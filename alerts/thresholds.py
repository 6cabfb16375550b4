"""The limits of a rule as charts and tables show them: where it fires, where it clears, and in which state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from alerts.engine import Rule
from alerts.engine.language import Condition, tree
from alerts.engine.source import DERIVED_COLUMNS

_TURNED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "=", "<>": "<>"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison of a column with a number, in the column's unit."""

    column: str
    operator: str
    value: float

    @property
    def text(self) -> str:
        return f"{self.operator} {self.value:g}"


def thresholds_of(condition: Condition) -> list[Threshold]:
    """The plain comparisons of a column with a number, in order; what is negated or computed is left out."""
    return thresholds_of_tree(condition.tree)


def thresholds_of_tree(node: tree.Truth) -> list[Threshold]:
    """Those of a part of a condition."""
    return list(_thresholds(node))


def fires_at(rule: Rule) -> list[Threshold]:
    """Those of the condition that bound what the rule measures."""
    return [each for each in thresholds_of(rule.when) if each.column in rule.measures]


def has_lines(rule: Rule) -> bool:
    """Whether its limits may be drawn among anyone's values: not where a distance from one's own usual decides, too."""
    return not any(name in DERIVED_COLUMNS for name in rule.when.columns)


def clears_at(rule: Rule) -> list[Threshold]:
    """Those of the explicit `clear`; none where NOT `when` ends an episode."""
    return [each for each in thresholds_of(rule.clear.when) if each.column in rule.measures] if rule.clear else []


def _thresholds(node: tree.Truth) -> Iterator[Threshold]:
    match node:
        case tree.Compare(operator, tree.Column(name), value) if (number := _number(value)) is not None:
            yield Threshold(name, operator, number)
        case tree.Compare(operator, value, tree.Column(name)) if (number := _number(value)) is not None:
            yield Threshold(name, _TURNED[operator], number)
        case tree.Between(tree.Column(name), low, high):
            yield from (
                Threshold(name, operator, number)
                for operator, end in ((">=", low), ("<=", high))
                if (number := _number(end)) is not None
            )
        case tree.All(parts) | tree.Any(parts):
            for part in parts:
                yield from _thresholds(part)


def _number(value: tree.Value) -> float | None:
    match value:
        case tree.Number(number):
            return number
        case tree.Negative(tree.Number(number)):
            return -number
    return None
