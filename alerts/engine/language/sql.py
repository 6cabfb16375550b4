"""A condition as SQL: what every dialect writes alike. `postgres.py` and `flink.py` give the words that differ."""

from abc import ABC, abstractmethod
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


class SqlWriter(ABC):
    """Writes all brackets and no placeholders; `table` qualifies the columns."""

    def __init__(self, table: str = "") -> None:
        self.qualifier = f"{self.name(table)}." if table else ""

    @abstractmethod
    def name(self, name: str) -> str:
        """A quoted identifier."""

    @abstractmethod
    def number(self, number: float) -> str:
        """A literal of double precision, exactly this one."""

    @abstractmethod
    def among(self, value: str, literals: list[str]) -> str:
        """`value` equals one of the literals; NULL where it is NULL."""

    def text(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def truth(self, tree: Truth) -> str:  # noqa: PLR0911  # one line a kind of node
        match tree:
            case Compare(comparison, left, right):
                return f"({self.value(left)} {comparison} {self.value(right)})"
            case Between(of, low, high):
                return f"({self.value(of)} BETWEEN {self.value(low)} AND {self.value(high)})"
            case OneOf(of, numbers):
                return self.among(self.value(of), list(map(self.number, numbers)))
            case TextOneOf(column, texts):
                return self.among(self.column(column), list(map(self.text, texts)))
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
                return self.number(number)
            case Negative(of):
                return f"(- {self.value(of, product=product)})"
            case Absolute(of):
                return f"abs({self.value(of, product=product)})"
            case Arithmetic(sign, left, right):
                inner = product or sign in "*/"
                return f"({self.value(left, product=inner)} {sign} {self.value(right, product=inner)})"
        assert_never(value)

    def factor(self, name: str) -> str:
        """A column inside a product: 0 where it is next to nothing, in every backend."""
        column = self.column(name)
        return f"(CASE WHEN abs({column}) < {self.number(NEGLIGIBLE)} THEN {self.number(0.0)} ELSE {column} END)"

    def column(self, name: str) -> str:
        return f"{self.qualifier}{self.name(name)}"
