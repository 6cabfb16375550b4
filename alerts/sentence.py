"""The sentence of an alert: what happened, in plain words, the same on every page and in the topic."""

from typing import Final

from alerts.engine import Episode, Rule, Window
from alerts.engine.clock import duration
from alerts.engine.language import tree
from alerts.engine.source import COLUMNS
from alerts.thresholds import Threshold, fires_at, thresholds_of

_WORDS: Final = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "=": "at", "<>": "not at"}
_WITH_LIMITS: Final = ("%", "σ")  # units that are said beside a limit, where most only stand behind the values
_UNITS: Final = {"s": "s", "m": "min", "h": "h", "d": "d"}
_AT_REST: Final = frozenset({"activity_level", "steps_per_minute"})


def sentence(rule: Rule, episode: Episode) -> str:
    """`Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02.`; times are UTC."""
    word = " or " if _is_choice(rule.when.tree) else " and "
    limits = word.join(_limit(limit) for limit in fires_at(rule)) or rule.title
    values = ", ".join(filter(None, (_range(episode, name) for name in rule.measures)))
    circumstance = _circumstance(rule)
    started = episode.started_at.strftime("%H:%M:%S")
    parts = [
        limits,
        f"for {_rows(rule, episode.event_count)}",
        f"({values})" if values else "",
        circumstance,
        f"since {started}",
    ]
    return " ".join(filter(None, parts)) + "."


def _is_choice(node: tree.Truth) -> bool:
    return isinstance(node, tree.Any) or (isinstance(node, tree.All) and any(map(_is_choice, node.parts)))


def _rows(rule: Rule, count: int) -> str:
    noun = "reading" if count == 1 else "readings"
    if isinstance(rule.over, Window):
        length = duration(rule.over.size)
        noun = f"{'window' if count == 1 else 'windows'} of {length[:-1]} {_UNITS[length[-1]]}"
    return f"{count} {noun}"


def _limit(limit: Threshold) -> str:
    column = COLUMNS[limit.column]
    unit = f" {column.shown}" if column.shown in _WITH_LIMITS else ""
    return f"{column.label} {_WORDS[limit.operator]} {limit.value:g}{unit}"


def _range(episode: Episode, name: str) -> str:
    measure = episode.measures.get(name)
    if measure is None:
        return ""
    column = COLUMNS[name]
    low, high = (f"{value:.{column.decimals}f}" for value in (measure.low, measure.high))
    dash = " to " if low.startswith("-") else "-"
    return f"{low if low == high else f'{low}{dash}{high}'} {column.shown}".rstrip()


def _circumstance(rule: Rule) -> str:
    """`while at rest` where the condition asks for little movement."""
    limits = thresholds_of(rule.when)
    at_rest = any(limit.column in _AT_REST and limit.operator in ("<", "<=", "=") for limit in limits)
    return "while at rest" if at_rest else ""
