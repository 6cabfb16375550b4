"""A condition as PostgreSQL text, over columns of double precision and text."""

from typing import assert_never

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


def to_postgres(tree: Truth, *, table: str = "") -> str:
    """A boolean SQL expression with all brackets and no placeholders; `table` qualifies the columns.

    Every number is written as double precision: PostgreSQL's own 7/2 is 3, and its 0.1 is a decimal.
    """
    return _Writer(f"{_name(table)}." if table else "").truth(tree)


class _Writer:
    def __init__(self, qualifier: str) -> None:
        self.qualifier = qualifier

    def truth(self, tree: Truth) -> str:  # noqa: PLR0911  # one line a kind of node
        match tree:
            case Compare(comparison, left, right):
                return f"({self.value(left)} {comparison} {self.value(right)})"
            case Between(of, low, high):
                return f"({self.value(of)} BETWEEN {self.value(low)} AND {self.value(high)})"
            case OneOf(of, numbers):
                return f"({self.value(of)} IN ({', '.join(map(_number, numbers))}))"
            case TextOneOf(column, texts):
                return f"({self.column(column)} IN ({', '.join(map(_text, texts))}))"
            case IsNull(of):
                return f"({self.operand(of)} IS NULL)"
            case Not(of):
                return f"(NOT {self.truth(of)})"
            case All(parts):
                return f"({' AND '.join(map(self.truth, parts))})"
            case Any(parts):
                return f"({' OR '.join(map(self.truth, parts))})"
        assert_never(tree)

    def operand(self, of: Value | Truth) -> str:
        return self.value(of) if isinstance(of, Column | Number | Negative | Absolute | Arithmetic) else self.truth(of)

    def value(self, value: Value, *, product: bool = False) -> str:
        match value:
            case Column(name):
                return self.factor(name) if product else self.column(name)
            case Number(number):
                return _number(number)
            case Negative(of):
                return f"(- {self.value(of, product=product)})"
            case Absolute(of):
                return f"abs({self.value(of, product=product)})"
            case Arithmetic(sign, left, right):
                inner = product or sign in "*/"
                return f"({self.value(left, product=inner)} {sign} {self.value(right, product=inner)})"
        assert_never(value)

    def factor(self, name: str) -> str:
        column = self.column(name)
        return f"(CASE WHEN abs({column}) < {_number(NEGLIGIBLE)} THEN 0 ELSE {column} END)"

    def column(self, name: str) -> str:
        return f"{self.qualifier}{_name(name)}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number(number: float) -> str:
    return f"'{number!r}'::double precision"
