"""The sentence of an alert: what happened, in plain words, the same on every page and in the topic."""

from typing import Final

from alerts.engine import Episode, Rule
from alerts.thresholds import Threshold, fires_at, thresholds_of
from devices.metrics import METRICS

_WORDS: Final = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "=": "at", "<>": "not at"}
_AT_REST: Final = frozenset({"activity_level", "steps_per_minute"})


def sentence(rule: Rule, episode: Episode) -> str:
    """`Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02.`; times are UTC."""
    limits = " or ".join(_limit(limit) for limit in fires_at(rule)) or rule.title
    readings = "1 reading" if episode.event_count == 1 else f"{episode.event_count} readings"
    values = ", ".join(filter(None, (_range(episode, name) for name in rule.measures)))
    circumstance = _circumstance(rule)
    started = episode.started_at.strftime("%H:%M:%S")
    parts = [limits, f"for {readings}", f"({values})" if values else "", circumstance, f"since {started}"]
    return " ".join(filter(None, parts)) + "."


def _limit(limit: Threshold) -> str:
    metric = METRICS[limit.column]
    unit = " %" if metric.shown == "%" else ""
    return f"{metric.label} {_WORDS[limit.operator]} {limit.value:g}{unit}"


def _range(episode: Episode, name: str) -> str:
    measure = episode.measures.get(name)
    if measure is None:
        return ""
    metric = METRICS[name]
    low, high = (f"{value:.{metric.decimals}f}" for value in (measure.low, measure.high))
    return f"{low if low == high else f'{low}-{high}'} {metric.shown}"


def _circumstance(rule: Rule) -> str:
    """`while at rest` where the condition asks for little movement."""
    limits = thresholds_of(rule.when)
    at_rest = any(limit.column in _AT_REST and limit.operator in ("<", "<=", "=") for limit in limits)
    return "while at rest" if at_rest else ""
