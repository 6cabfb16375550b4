"""The sentence of an alert: what happened, in plain words, the same on every page and in the topic."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

from alerts.columns_read import read_column
from alerts.engine import Rule, Window
from alerts.engine.clock import duration
from alerts.engine.language import tree
from alerts.engine.source import COLUMNS
from alerts.thresholds import Threshold, fires_at, thresholds_of
from devices.metrics import CANONICAL, Units

_WORDS: Final = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "=": "at", "<>": "not at"}
_WITH_LIMITS: Final = ("%", "σ")  # units that are said beside a limit, where most only stand behind the values
_UNITS: Final = {"s": "s", "m": "min", "h": "h", "d": "d"}
_AT_REST: Final = frozenset({"activity_level", "steps_per_minute"})


class Measured(Protocol):
    """The least and the greatest value of a measure."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Told(Protocol):
    """What a sentence says of an episode."""

    @property
    def event_count(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def measures(self) -> Mapping[str, Measured]: ...


def sentence(rule: Rule, episode: Told, units: Units = CANONICAL, zone: tzinfo = UTC) -> str:
    """`Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02.`"""
    word = " or " if _is_choice(rule.when.tree) else " and "
    limits = word.join(_limit(limit, units) for limit in fires_at(rule)) or rule.title
    values = ", ".join(filter(None, (_range(episode, name, units) for name in rule.measures)))
    circumstance = _circumstance(rule)
    started = episode.started_at.astimezone(zone).strftime("%H:%M:%S")
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


def silence_sentence(
    *, heard_at: datetime, opened_at: datetime, cadence: timedelta, limit: timedelta, until: datetime | None = None
) -> str:
    """`Nothing heard since 14:30:02, for longer than 2 min; usually a reading comes every 1 s.`; times are UTC.

    With `until`, when the person was heard again: `Nothing heard from 14:30:02 to 14:42:07, for 12 min 5 s; usually ..`
    """
    last = until or opened_at
    start = f"{heard_at:%H:%M:%S}" if heard_at.date() == last.date() else f"{heard_at:%Y-%m-%d %H:%M:%S}"
    if until is None:
        heard = f"Nothing heard since {start}, for longer than {_length(limit)}"
    else:
        heard = f"Nothing heard from {start} to {until:%H:%M:%S}, for {_length(until - heard_at)}"
    return f"{heard}; usually a reading comes every {_length(cadence)}."


def _length(of: timedelta) -> str:
    """The two largest units: `0.2 s`, `45 s`, `2 min 30 s`, `1 h 5 min`, `2 d`."""
    seconds = of.total_seconds()
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next(place for place, (_, size) in enumerate(sizes) if seconds >= size)
    left, parts = round(seconds), []
    for unit, size in sizes[first : first + 2]:
        count, left = divmod(left, size)
        parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts))


def _limit(limit: Threshold, units: Units) -> str:
    column, read = COLUMNS[limit.column], read_column(limit.column, units)
    unit = f" {column.shown}" if column.shown in _WITH_LIMITS else ""
    return f"{column.label} {_WORDS[limit.operator]} {read.limit(limit.value)}{unit}"


def _range(episode: Told, name: str, units: Units) -> str:
    measure = episode.measures.get(name)
    if measure is None:
        return ""
    read = read_column(name, units)
    low, high = read.text(measure.low), read.text(measure.high)
    dash = " to " if low.startswith("-") else "-"
    return f"{low if low == high else f'{low}{dash}{high}'} {read.unit}".rstrip()


def _circumstance(rule: Rule) -> str:
    """`while at rest` where the condition asks for little movement."""
    limits = thresholds_of(rule.when)
    at_rest = any(limit.column in _AT_REST and limit.operator in ("<", "<=", "=") for limit in limits)
    return "while at rest" if at_rest else ""
