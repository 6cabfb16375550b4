"""The limits the charts draw: what the active rules compare a charted metric with."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from alerts.engine import Rule
from alerts.engine.language import tree
from alerts.models import RuleVersion
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.thresholds import has_lines
from dashboard.overview.series import CHARTED
from devices.reader import axis_shown, text_shown, value_shown

_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_AT_REST = frozenset({"activity_level", "steps_per_minute"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """`> 100 at rest`: the metric fires beyond `value`."""

    metric: str
    value: float
    label: str
    severity: str
    rule_id: str


def thresholds(*, at: datetime) -> list[dict[str, Any]]:
    """The limits of the rules active at `at` that lie on the usual axis of their metric."""
    found = [threshold for rule in _active(at) for threshold in _of(rule)]
    return [asdict(threshold) for threshold in found if _on_axis(threshold)]


def _active(at: datetime) -> Iterator[Rule]:
    """Those that have lines. One that cannot be read has none; the stream worker is who refuses to run with it."""
    versions = RuleVersion.objects.filter(active_from__lte=at, active_until=None).select_related("rule")
    for version in versions.order_by("rule__rule_id"):
        with suppress(UnreadableRuleError):
            rule = engine_rule(version)
            if isinstance(rule, Rule) and has_lines(rule):
                yield rule


def _of(rule: Rule) -> Iterator[Threshold]:
    compares = list(_comparisons(rule.when.tree))
    rest = " at rest" if any(_column(node) in _AT_REST for node in compares) else ""
    for node in compares:
        turned = isinstance(node.left, tree.Number)
        number, name = (node.left if turned else node.right), _column(node)
        operator = _TURNED.get(node.operator, "") if turned else node.operator
        if name in CHARTED and name in rule.measures and operator in _TURNED and isinstance(number, tree.Number):
            shown = text_shown(name, number.value)
            label = f"{operator} {shown}{rest or ' ' + rule.alert_type.lower().replace('_', ' ')}"
            if rule.severity == "CRITICAL":
                label = f"{operator} {shown} critical"
            yield Threshold(name, value_shown(name, number.value), label, rule.severity, rule.id)


def _comparisons(node: tree.Truth) -> Iterator[tree.Compare]:
    if isinstance(node, tree.Compare):
        yield node
    elif isinstance(node, tree.All | tree.Any):
        for part in node.parts:
            yield from _comparisons(part)


def _column(node: tree.Compare) -> str:
    """The column that is compared, whichever side it stands on; empty where it is no plain column."""
    side = node.right if isinstance(node.left, tree.Number) else node.left
    return side.name if isinstance(side, tree.Column) else ""


def _on_axis(threshold: Threshold) -> bool:
    axis = axis_shown(threshold.metric)
    return axis is not None and axis[0] < threshold.value < axis[1]
