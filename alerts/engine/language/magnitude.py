"""How large and how small a value can become: PostgreSQL raises on overflow and underflow where polars goes on.

A column inside a product counts as 0 below NEGLIGIBLE, in both backends, so that a stored 5e-324 cannot make a query
fail; from there the bounds of the catalogue give those of every product.
"""

from typing import Final, NamedTuple, assert_never

from alerts.engine.language.tree import Absolute, Arithmetic, Column, Negative, Number, Value
from alerts.engine.source import COLUMNS

NEGLIGIBLE: Final = 1e-30
SMALLEST: Final = 1e-290
LARGEST: Final = 1e290
_ULP: Final = 2.0**-53


class Magnitude(NamedTuple):
    """Bounds of the absolute value where it is not 0."""

    smallest: float
    largest: float

    @property
    def is_safe(self) -> bool:
        return self.smallest >= SMALLEST and self.largest <= LARGEST


def magnitude(value: Value) -> Magnitude:
    """The bounds of `value` for every reading that was not refused."""
    match value:
        case Column(name):
            column = COLUMNS[name]
            return Magnitude(NEGLIGIBLE, max(abs(column.low), abs(column.high)))
        case Number(number):
            return Magnitude(abs(number) or 1.0, abs(number))
        case Negative(of) | Absolute(of):
            return magnitude(of)
        case Arithmetic(sign, left, right):
            first, second = magnitude(left), magnitude(right)
            if sign == "*":
                return Magnitude(first.smallest * second.smallest, first.largest * second.largest)
            if sign == "/":
                return Magnitude(first.smallest / second.largest, first.largest / second.smallest)
            # a difference of two doubles is 0 or at least one unit in the last place of the smaller
            return Magnitude(min(first.smallest, second.smallest) * _ULP, first.largest + second.largest)
    assert_never(value)
