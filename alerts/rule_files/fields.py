"""The values of a rule file, each read from its node: what it says, or a FieldError with the place of what is wrong."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, Literal, TypeVar

import yaml

from alerts.engine.language import Condition, ConditionError, read_condition
from alerts.engine.rule import MAX_COUNT, MAX_FACTOR
from alerts.engine.source import Column, Source, Window

T = TypeVar("T")

LONGEST_NAME: Final = 64
LONGEST_TITLE: Final = 128
ID: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
ALERT_TYPE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
DURATION: Final = re.compile(r"(\d{1,9})(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST: Final = timedelta(days=366)
WINDOW: Final = re.compile(r"window\((\d{1,9}[smhd])(?:, every (\d{1,9}[smhd]))?\)")
_MOST_STEPS: Final = 1_000  # of a sliding window
FACTOR: Final = re.compile(r"\d{1,4}(\.\d{1,9})?")
LONGEST_ABSENCE: Final = timedelta(days=7)  # who is away for longer is not looked at
Over = Source | Literal["absence", "pipeline"]


class FieldError(Exception):
    """One value is not what it must be; the reading of the others goes on."""

    def __init__(self, node: yaml.Node, message: str, offset: int | None = None) -> None:
        self.node, self.message, self.offset = node, message, offset
        super().__init__(message)


def as_text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise FieldError(node, "a text is needed here")
    return str(node.value).strip()


def as_title(node: yaml.Node) -> str:
    title = as_text(node)
    if len(title) > LONGEST_TITLE:
        raise FieldError(node, f"a title has at most {LONGEST_TITLE} characters")
    return title


def matching(pattern: re.Pattern[str], what: str) -> Callable[[yaml.Node], str]:
    def convert(node: yaml.Node) -> str:
        value = as_text(node)
        if len(value) > LONGEST_NAME or not pattern.fullmatch(value):
            raise FieldError(node, f"{value!r}: {what}")
        return value

    return convert


def one_of(choices: tuple[T, ...]) -> Callable[[yaml.Node], T]:
    def convert(node: yaml.Node) -> T:
        value = as_text(node)
        for choice in choices:
            if choice == value:
                return choice
        raise FieldError(node, f"{value!r} is none of {', '.join(map(str, choices))}")

    return convert


def as_source(node: yaml.Node) -> Over:
    value = as_text(node)
    if value == "reading":
        return "reading"
    if value == "absence":
        return "absence"
    if value == "pipeline":
        return "pipeline"
    match = WINDOW.fullmatch(value)
    if not match:
        raise FieldError(node, f"{value!r} is none of reading, absence, pipeline, window(1m), window(30m, every 1m)")
    size, every = (_length(node, text) for text in (match[1], match[2] or match[1]))
    if not every or size % every or size // every > _MOST_STEPS:
        raise FieldError(node, f"{value!r}: the size must be 1 to {_MOST_STEPS:,} times the step, without a rest")
    return Window(size, every)


def as_duration(node: yaml.Node) -> timedelta:
    return _length(node, as_text(node))


def _length(node: yaml.Node, value: str) -> timedelta:
    match = DURATION.fullmatch(value)
    if not match:
        raise FieldError(node, f"{value!r} is not a duration: write a whole number and s, m, h or d, such as 60s")
    number, unit = match.groups()
    length = timedelta(**{_UNITS[unit]: int(number)}) if int(number) <= _LONGEST.total_seconds() else _LONGEST * 2
    if length > _LONGEST:
        raise FieldError(node, f"{value!r} is longer than {_LONGEST.days} days")
    return length


def as_positive(node: yaml.Node) -> timedelta:
    length = as_duration(node)
    if not length:
        raise FieldError(node, "it must be longer than 0s")
    return length


def as_absence(node: yaml.Node) -> timedelta:
    length = as_positive(node)
    if length > LONGEST_ABSENCE:
        raise FieldError(node, f"{node.value!r} is longer than {LONGEST_ABSENCE.days} days")
    return length


def as_factor(node: yaml.Node) -> float:
    value = as_text(node)
    if not FACTOR.fullmatch(value) or not 1 < float(value) <= MAX_FACTOR:
        raise FieldError(node, f"{value!r} is not a number above 1, {MAX_FACTOR:,} at most")
    return float(value)


def as_count(node: yaml.Node) -> int:
    value = as_text(node)
    if not re.fullmatch(r"\d{1,9}", value) or not 1 <= int(value) <= MAX_COUNT:
        raise FieldError(node, f"{value!r} is not a whole number from 1 to {MAX_COUNT:,}")
    return int(value)


def as_measure(node: yaml.Node, columns: Mapping[str, Column]) -> str:
    value = as_text(node)
    numeric = [name for name, column in columns.items() if not column.is_text]
    if value not in numeric:
        near = get_close_matches(value, numeric, n=1)
        raise FieldError(node, f"{value!r} is no numeric column" + (f"; did you mean {near[0]}?" if near else ""))
    return value


def as_condition(node: yaml.Node, columns: Mapping[str, Column]) -> Condition:
    as_text(node)
    with placed(node):
        return read_condition(node.value.rstrip("\n"), columns)


@contextmanager
def placed(node: yaml.Node) -> Iterator[None]:
    """What is wrong with a condition, as wrong with the value that it stands in."""
    try:
        yield
    except ConditionError as error:
        raise FieldError(node, error.message, error.offset) from error


def value_at(node: yaml.Node, key: str) -> yaml.Node:
    """The value of a key that is there."""
    found: yaml.Node = next(value for name, value in node.value if name.value == key)
    return found
