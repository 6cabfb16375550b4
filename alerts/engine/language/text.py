"""A condition, or a part of one, as text that reads back as the same tree."""

from typing import assert_never

from alerts.engine.language.tree import (
    Absolute,
    All,
    Any,
    Arithmetic,
    Between,
    Column,
    Compare,
    IsNull,
    Negative,
    Not,
    Number,
    OneOf,
    TextOneOf,
    Truth,
    Value,
)


def to_text(tree: Truth) -> str:  # noqa: PLR0911  # one line a kind of node
    """`heart_rate > 100 AND (posture = 'seated' OR steps_per_minute < 5)`: no more parentheses than it takes."""
    match tree:
        case Compare(comparison, left, right):
            return f"{_value(left)} {comparison} {_value(right)}"
        case Between(of, low, high):
            return f"{_value(of)} BETWEEN {_value(low)} AND {_value(high)}"
        case OneOf(of, numbers):
            return f"{_value(of)} IN ({', '.join(map(_number, numbers))})"
        case TextOneOf(column, texts):
            return _among(column, texts)
        case IsNull(of):
            return f"{_operand(of)} IS NULL"
        case Not(of):
            return _negated(of)
        case All(parts):
            return " AND ".join(map(_joined, parts))
        case Any(parts):
            return " OR ".join(map(_joined, parts))
    assert_never(tree)


def _among(column: str, texts: tuple[str, ...]) -> str:
    return f"{column} = '{texts[0]}'" if len(texts) == 1 else f"{column} IN ({', '.join(map(repr, texts))})"


def _negated(of: Truth) -> str:
    match of:
        case IsNull(inner):
            return f"{_operand(inner)} IS NOT NULL"
        case TextOneOf(column, (text,)):
            return f"{column} <> '{text}'"
        case _:
            return f"NOT ({to_text(of)})"


def _joined(part: Truth) -> str:
    return f"({to_text(part)})" if isinstance(part, All | Any) else to_text(part)


def _operand(of: Value | Truth) -> str:
    return _value(of) if isinstance(of, Column | Number | Negative | Absolute | Arithmetic) else f"({to_text(of)})"


def _value(value: Value) -> str:  # noqa: PLR0911  # one line a kind of node
    match value:
        case Column(name):
            return name
        case Number(number):
            return _number(number)
        case Negative(Column() | Number() as of):
            return f"-{_value(of)}"
        case Negative(of):
            return f"-({_value(of)})"
        case Absolute(Arithmetic() as of):
            return f"ABS{_value(of)}"
        case Absolute(of):
            return f"ABS({_value(of)})"
        case Arithmetic(sign, left, right):
            return f"({_value(left)} {sign} {_value(right)})"
    assert_never(value)


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
