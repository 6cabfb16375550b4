"""The sentence of an alert: what happened, in plain words, the same on every page and in the topic."""

from collections.abc import Iterator
from typing import Final

from alerts.engine import Episode, Rule
from alerts.engine.language import tree
from devices.metrics import METRICS

_WORDS: Final = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "=": "at", "<>": "not at"}
_TURNED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "=", "<>": "<>"}
DASH: Final = "\N{EN DASH}"
_AT_REST: Final = frozenset({"activity_level", "steps_per_minute"})


def sentence(rule: Rule, episode: Episode) -> str:
    """`Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02.`; times are UTC."""
    limits = " or ".join(_limit(compare) for compare in _measured(rule)) or rule.title
    readings = "1 reading" if episode.event_count == 1 else f"{episode.event_count} readings"
    values = ", ".join(filter(None, (_range(episode, name) for name in rule.measures)))
    circumstance = _circumstance(rule)
    started = episode.started_at.strftime("%H:%M:%S")
    parts = [limits, f"for {readings}", f"({values})" if values else "", circumstance, f"since {started}"]
    return " ".join(filter(None, parts)) + "."


def _measured(rule: Rule) -> list[tree.Compare]:
    """The plain comparisons of a measure with a number, in order."""
    found = []
    for node in _comparisons(rule.when.tree):
        if isinstance(node.left, tree.Number) and isinstance(node.right, tree.Column):
            node = tree.Compare(_TURNED[node.operator], node.right, node.left)  # type: ignore[arg-type]  # noqa: PLW2901
        is_plain = isinstance(node.left, tree.Column) and isinstance(node.right, tree.Number)
        if is_plain and node.left.name in rule.measures:  # type: ignore[union-attr]  # a Column, by the line above
            found.append(node)
    return found


def _comparisons(node: tree.Truth) -> Iterator[tree.Compare]:
    if isinstance(node, tree.Compare):
        yield node
    elif isinstance(node, tree.All | tree.Any):
        for part in node.parts:
            yield from _comparisons(part)


def _limit(compare: tree.Compare) -> str:
    assert isinstance(compare.left, tree.Column)  # noqa: S101  # _measured lets nothing else through
    assert isinstance(compare.right, tree.Number)  # noqa: S101
    metric = METRICS[compare.left.name]
    unit = " %" if metric.shown == "%" else ""
    return f"{metric.label} {_WORDS[compare.operator]} {compare.right.value:g}{unit}"


def _range(episode: Episode, name: str) -> str:
    measure = episode.measures.get(name)
    if measure is None:
        return ""
    metric = METRICS[name]
    low, high = (f"{value:.{metric.decimals}f}" for value in (measure.low, measure.high))
    return f"{low if low == high else f'{low}{DASH}{high}'} {metric.shown}"


def _circumstance(rule: Rule) -> str:
    """`while at rest` where the condition asks for little movement."""
    for node in _comparisons(rule.when.tree):
        if isinstance(node.left, tree.Column) and node.left.name in _AT_REST and node.operator in ("<", "<=", "="):
            return "while at rest"
    return ""
