"""What a condition can be at all, by the bounds of its columns: one that is never TRUE, or never FALSE, is no rule.

Each column is narrowed to the values it may still have where the condition has a wanted verdict. All of it errs to one
side: what is said to be impossible is impossible; what is not said to be may still be. Doubles are counted one by one
(`nextafter`), so that every range is closed, and arithmetic on ranges rounds as it does on values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isnan, nextafter
from typing import Final, assert_never

from alerts.engine.language.errors import ConditionError
from alerts.engine.language.magnitude import NEGLIGIBLE
from alerts.engine.language.tree import (
    Absolute,
    All,
    Any,
    Arithmetic,
    Between,
    Column,
    Compare,
    Comparison,
    Condition,
    IsNull,
    Negative,
    Not,
    Number,
    OneOf,
    TextOneOf,
    Truth,
    Value,
)
from alerts.engine.source import COLUMNS

PASSES: Final = 4  # over the parts of an AND: each may narrow what the others left
_OPPOSITE: Final[Mapping[Comparison, Comparison]] = {
    "=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
}  # fmt: skip
_MIRRORED: Final[Mapping[Comparison, Comparison]] = {
    "=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<=",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Range:
    """Doubles from `low` to `high`, both included; empty where `low` is above `high`."""

    low: float
    high: float

    @property
    def is_empty(self) -> bool:
        return self.low > self.high


NOTHING: Final = Range(inf, -inf)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a column may hold: a number of a range, one of these texts, or nothing."""

    numbers: Range = NOTHING
    texts: frozenset[str] = frozenset()
    nullable: bool = True

    @property
    def is_impossible(self) -> bool:
        return self.numbers.is_empty and not self.texts and not self.nullable


Row = Mapping[str, Cell]


def judge(condition: Condition) -> None:
    """Raise ConditionError, with the place of the part at fault, where no row could make it TRUE, or none FALSE."""
    row = _any_row(condition)
    parts = condition.tree.parts if isinstance(condition.tree, All) else (condition.tree,)
    if narrowed(condition.tree, row, wanted=True) is None:
        place, reason = _contradiction(parts, row)
        raise ConditionError(f"this can never be TRUE: {reason}", condition.text, _start(condition, place))
    if narrowed(condition.tree, row, wanted=False) is None:
        reason = _bounds(condition.columns)
        raise ConditionError(f"this is always TRUE: {reason}", condition.text, _start(condition, 0))


def judge_clear(clear: Condition, when: Condition) -> None:
    """Raise ConditionError where `clear` can end nothing: a row that makes it TRUE always makes `when` TRUE too."""
    judge(clear)
    row = _any_row(when) | _any_row(clear)
    where_clear = narrowed(clear.tree, row, wanted=True)
    if where_clear is None or any(where_clear[name].nullable for name in when.columns):
        return
    if narrowed(All((clear.tree, Not(when.tree))), row, wanted=True) is None:
        message = "this can never end an episode: wherever it is TRUE, `when` is TRUE too, and wins"
        raise ConditionError(message, clear.text, _start(clear, 0))


def narrowed(tree: Truth, row: Row, *, wanted: bool) -> Row | None:  # noqa: PLR0911  # one line a kind of node
    """`row` with only what its columns may hold where `tree` is `wanted`, and perhaps more; None where it never is."""
    match tree:
        case Compare(comparison, left, right):
            return _compared(comparison if wanted else _OPPOSITE[comparison], left, right, row)
        case Between(of, low, high):
            ends: tuple[Truth, Truth] = (Compare(">=", of, low), Compare("<=", of, high))
            return narrowed(All(ends), row, wanted=wanted)
        case OneOf(of, numbers):
            return narrowed(Any(tuple(Compare("=", of, Number(number)) for number in numbers)), row, wanted=wanted)
        case TextOneOf(column, texts):
            left_over = row[column].texts & set(texts) if wanted else row[column].texts - set(texts)
            return _with(row, column, replace(row[column], texts=left_over, nullable=False))
        case IsNull(of):
            return _null(of, row) if wanted else _known(of, row)
        case Not(of):
            return narrowed(of, row, wanted=not wanted)
        case All(parts):
            return _every(parts, row, wanted=True) if wanted else _some(parts, row, wanted=False)
        case Any(parts):
            return _some(parts, row, wanted=True) if wanted else _every(parts, row, wanted=False)
    assert_never(tree)


def _every(parts: tuple[Truth, ...], row: Row, *, wanted: bool) -> Row | None:
    for _ in range(PASSES):
        before = row
        for part in parts:
            found = narrowed(part, row, wanted=wanted)
            if found is None:
                return None
            row = found
        if row == before:
            break
    return row


def _some(parts: tuple[Truth, ...], row: Row, *, wanted: bool) -> Row | None:
    """What any of the parts leaves, put together."""
    rows = [found for part in parts if (found := narrowed(part, row, wanted=wanted)) is not None]
    if not rows:
        return None
    return {name: _hull([found[name] for found in rows]) for name in row}


def _hull(cells: list[Cell]) -> Cell:
    numbers = [cell.numbers for cell in cells if not cell.numbers.is_empty] or [NOTHING]
    return Cell(
        Range(min(each.low for each in numbers), max(each.high for each in numbers)),
        frozenset().union(*(cell.texts for cell in cells)),
        any(cell.nullable for cell in cells),
    )


def _compared(comparison: Comparison, left: Value, right: Value, row: Row) -> Row | None:
    if left == right and comparison in ("<>", "<", ">"):
        return None
    known = _known(left, row)
    known = known and _known(right, known)
    if known is None or not _may(comparison, _range(left, known), _range(right, known)):
        return None
    found = _bounded(comparison, left, _range(right, known), known)
    return found and _bounded(_MIRRORED[comparison], right, _range(left, found), found)


def _may(comparison: Comparison, left: Range, right: Range) -> bool:
    """Whether some value of `left` compares so with some value of `right`."""
    match comparison:
        case "<":
            return left.low < right.high
        case "<=":
            return left.low <= right.high
        case ">":
            return left.high > right.low
        case ">=":
            return left.high >= right.low
        case "=":
            return left.low <= right.high and right.low <= left.high
        case "<>":
            return not (left.low == left.high == right.low == right.high)
    assert_never(comparison)


def _bounded(comparison: Comparison, value: Value, other: Range, row: Row) -> Row | None:
    """`row` where `value`, if it is a column, compares so with something of `other`."""
    if not isinstance(value, Column):
        return row
    low, high = -inf, inf
    if comparison in ("<", "<=", "="):
        high = nextafter(other.high, -inf) if comparison == "<" else other.high
    if comparison in (">", ">=", "="):
        low = nextafter(other.low, inf) if comparison == ">" else other.low
    cell = row[value.name]
    numbers = Range(max(cell.numbers.low, low), min(cell.numbers.high, high))
    return _with(row, value.name, replace(cell, numbers=numbers))


def _with(row: Row, name: str, cell: Cell) -> Row | None:
    return None if cell.is_impossible else {**row, name: cell}


def _null(of: Value | Truth, row: Row) -> Row | None:
    """Where `of` is NULL: a column that is alone must be absent; of several, one must be able to be."""
    if isinstance(of, Column):
        cell = row[of.name]
        return _with(row, of.name, Cell(nullable=cell.nullable))
    return row if any(row[name].nullable for name in _columns(of)) else None


def _known(of: Value | Truth, row: Row) -> Row | None:
    """Where `of` is not NULL: of a value, every column is there."""
    if not isinstance(of, Column | Number | Negative | Absolute | Arithmetic):
        true, false = narrowed(of, row, wanted=True), narrowed(of, row, wanted=False)
        return row if true is not None or false is not None else None
    for name in _columns(of):
        found = _with(row, name, replace(row[name], nullable=False))
        if found is None:
            return None
        row = found
    return row


def _columns(of: Value | Truth) -> set[str]:  # noqa: PLR0911  # one line a kind of node
    match of:
        case Column(name):
            return {name}
        case Number():
            return set()
        case Negative(inner) | Absolute(inner) | IsNull(inner) | Not(inner) | OneOf(inner, _):
            return _columns(inner)
        case Arithmetic(_, left, right) | Compare(_, left, right):
            return _columns(left) | _columns(right)
        case Between(value, low, high):
            return _columns(value) | _columns(low) | _columns(high)
        case TextOneOf(column, _):
            return {column}
        case All(parts) | Any(parts):
            return set().union(*map(_columns, parts))
    assert_never(of)


def _range(value: Value, row: Row, *, product: bool = False) -> Range:
    """What `value` may be where its columns are there."""
    match value:
        case Column(name):
            numbers = row[name].numbers
            vanishes = product and numbers.low < NEGLIGIBLE and numbers.high > -NEGLIGIBLE
            return Range(min(numbers.low, 0.0), max(numbers.high, 0.0)) if vanishes else numbers
        case Number(number):
            return Range(number, number)
        case Negative(of):
            inner = _range(of, row, product=product)
            return Range(-inner.high, -inner.low)
        case Absolute(of):
            inner = _range(of, row, product=product)
            least = 0.0 if inner.low <= 0 <= inner.high else min(abs(inner.low), abs(inner.high))
            return Range(least, max(abs(inner.low), abs(inner.high)))
        case Arithmetic(sign, left, right):
            inside = product or sign in "*/"
            return _arithmetic(sign, _range(left, row, product=inside), _range(right, row, product=inside))
    assert_never(value)


def _arithmetic(sign: str, left: Range, right: Range) -> Range:
    """The corners of the two ranges: rounding keeps the order of what it rounds."""
    pairs = [(one, other) for one in (left.low, left.high) for other in (right.low, right.high)]
    match sign:
        case "+":
            corners = [one + other for one, other in pairs]
        case "-":
            corners = [one - other for one, other in pairs]
        case "*":
            corners = [one * other for one, other in pairs]
        case _:
            corners = [one / other for one, other in pairs]
    return Range(-inf, inf) if any(map(isnan, corners)) else Range(min(corners), max(corners))


def _any_row(condition: Condition) -> dict[str, Cell]:
    return {name: _cell(name) for name in condition.columns}


def _cell(name: str) -> Cell:
    """What the source lets a column hold; it may always be absent."""
    column = COLUMNS[name]
    if column.is_text:
        return Cell(texts=frozenset(column.choices))
    return Cell(Range(nextafter(column.low, inf) if _is_open(name) else column.low, column.high))


def _is_open(name: str) -> bool:
    """Whether the lower bound itself is no value: of a metric, while averages of next to nothing round to it."""
    metric = COLUMNS[name].metric
    return metric is not None and metric.name == name and metric.low_open


# --- reasons


def _contradiction(parts: tuple[Truth, ...], row: Row) -> tuple[int, str]:
    """The first part that can never be TRUE, by itself or with those before it, and why."""
    for place, part in enumerate(parts):
        if narrowed(part, row, wanted=True) is None:
            return place, _alone(part)
    for place in range(1, len(parts)):
        if narrowed(All(parts[: place + 1]), row, wanted=True) is None:
            return place, "it contradicts what stands before it"
    return 0, "its parts contradict each other"


def _alone(part: Truth) -> str:
    """Why a part that is never TRUE by itself is not."""
    match part:
        case Between(_, Number(low), Number(high)) if low > high:
            return "BETWEEN has the lower number first"
    return _bounds(sorted(_columns(part)))


def _bounds(columns: tuple[str, ...] | list[str]) -> str:
    return " and ".join(map(_bound, columns)) or "it compares numbers only"


def _bound(name: str) -> str:
    column = COLUMNS[name]
    if column.is_text:
        return f"{name} is one of {', '.join(column.choices)}"
    return f"{name} is {'above ' if _is_open(name) else ''}{column.low:,g} to {column.high:,g}"


def _start(condition: Condition, place: int) -> int:
    return condition.starts[place] if place < len(condition.starts) else 0
