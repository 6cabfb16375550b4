"""A condition as a polars expression over the columns of a frame of readings."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import assert_never

import polars as pl

from alerts.engine.language.magnitude import NEGLIGIBLE
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

_COMPARE: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def to_polars(tree: Truth) -> pl.Expr:  # noqa: PLR0911  # one line a kind of node
    """A Boolean expression: true, false or null, as PostgreSQL would say, over Float64 and String columns."""
    match tree:
        case Compare(comparison, left, right):
            return _COMPARE[comparison](_value(left), _value(right))
        case Between(of, low, high):
            value = _value(of)
            return (value >= _value(low)) & (value <= _value(high))
        case OneOf(of, numbers):
            return _value(of).is_in(list(numbers))
        case TextOneOf(column, texts):
            return pl.col(column).is_in(list(texts))
        case IsNull(of):
            return _operand(of).is_null()
        case Not(of):
            return ~to_polars(of)
        case All(parts):
            return reduce(operator.and_, map(to_polars, parts))
        case Any(parts):
            return reduce(operator.or_, map(to_polars, parts))
    assert_never(tree)


def _operand(of: Value | Truth) -> pl.Expr:
    return _value(of) if isinstance(of, Column | Number | Negative | Absolute | Arithmetic) else to_polars(of)


def _value(value: Value, *, product: bool = False) -> pl.Expr:
    match value:
        case Column(name):
            column = pl.col(name)
            return pl.when(column.abs() < NEGLIGIBLE).then(0.0).otherwise(column) if product else column
        case Number(number):
            return pl.lit(number)
        case Negative(of):
            return -_value(of, product=product)
        case Absolute(of):
            return _value(of, product=product).abs()
        case Arithmetic(sign, left, right):
            return _arithmetic(sign, left, right, product=product or sign in "*/")
    assert_never(value)


def _arithmetic(sign: str, left: Value, right: Value, *, product: bool) -> pl.Expr:
    first = _value(left, product=product)
    if sign == "/":
        if not isinstance(right, Number):
            raise TypeError("a condition divides by numbers only")
        # by a scalar, polars multiplies with its reciprocal: 3 / 10 becomes 0.30000000000000004. So: by a whole column
        return first / (pl.int_range(pl.len()).cast(pl.Float64) * 0.0 + right.value)
    second = _value(right, product=product)
    if sign == "+":
        return first + second
    return first - second if sign == "-" else first * second
