"""A condition from its text: sqlglot parses, and every node is looked up in a list of those that are allowed."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError

from alerts.engine.language.errors import ConditionError
from alerts.engine.language.magnitude import magnitude
from alerts.engine.language.tokens import MAX_DEPTH, MAX_TERMS, read_tokens, suggestion, too_deep
from alerts.engine.language.tree import (
    Absolute,
    All,
    Any,
    Arithmetic,
    ArithmeticOperator,
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
from alerts.engine.source import READING_COLUMNS
from alerts.engine.source import Column as SourceColumn

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_TERMS", "read_condition"]

MAX_CHARACTERS: Final = 1_000

_COMPARISONS: Final[dict[type[exp.Expr], Comparison]] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_ARITHMETIC: Final[dict[type[exp.Expr], ArithmeticOperator]] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
}
_VALUES: Final[tuple[type, ...]] = (exp.Column, exp.Literal, exp.Neg, exp.Abs, *_ARITHMETIC)


def read_condition(text: str, columns: Mapping[str, SourceColumn] = READING_COLUMNS) -> Condition:
    """The condition that `text` says over these columns, or ConditionError with the place of the first mistake."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(f"longer than {MAX_CHARACTERS:,} characters", text, MAX_CHARACTERS)
    read_tokens(text)
    reader = _Reader(text, columns)
    parsed = _parse(text)
    tree = reader.truth(parsed, 0)
    if not reader.columns:
        raise ConditionError("the condition reads no column", text, 0)
    return Condition(text, tree, tuple(reader.columns), reader.starts(parsed))


def _parse(text: str) -> exp.Expr:
    try:
        parsed = Postgres().parse(text)
    except ParseError as error:
        raise _syntax_error(error, text) from error
    except RecursionError:
        raise too_deep(text, 0) from None
    if len(parsed) != 1 or parsed[0] is None:
        raise ConditionError("one condition is needed", text, 0)
    return parsed[0]


def _syntax_error(error: ParseError, text: str) -> ConditionError:
    """sqlglot names the last character of the word it stopped at."""
    found = error.errors[0]
    lines = text.split("\n")
    word = str(found["highlight"] or "")
    offset = sum(len(line) + 1 for line in lines[: found["line"] - 1]) + found["col"] - len(word)
    return ConditionError(f"something is missing or too much at {word!r}", text, max(offset, 0))


class _Reader:
    """Walks one parsed condition; `columns` gathers what it reads, in order."""

    def __init__(self, text: str, known: Mapping[str, SourceColumn]) -> None:
        self.text = text
        self.known = known
        self.columns: dict[str, None] = {}

    def truth(self, node: exp.Expr, depth: int) -> Truth:
        if depth > MAX_DEPTH:
            raise too_deep(self.text, self.offset(node))
        for kinds, read in self._TRUTHS:
            if isinstance(node, kinds):
                return read(self, node, depth)
        if isinstance(node, _VALUES):
            raise self.error(node, "a comparison is needed here, not a value alone")
        raise self.refusal(node)

    def value(self, node: exp.Expr, depth: int) -> Value:
        """A number: a column, a literal, or arithmetic over them."""
        if depth > MAX_DEPTH:
            raise too_deep(self.text, self.offset(node))
        match node:
            case exp.Paren():
                return self.value(node.this, depth + 1)
            case exp.Neg():
                return Negative(self.value(node.this, depth + 1))
            case exp.Abs():
                return Absolute(self.value(node.this, depth + 1))
            case exp.Literal(is_string=False):
                return Number(self.number(node))
            case exp.Literal():
                raise self.error(node, "a number is needed here, not a text")
            case exp.Column():
                return self.numeric_column(node)
        if type(node) in _ARITHMETIC:
            return self.arithmetic(node, depth)
        if any(isinstance(node, kinds) for kinds, _ in self._TRUTHS):
            raise self.error(node, "a number is needed here, not a condition")
        raise self.refusal(node)

    # --- conditions

    def bracket(self, node: exp.Expr, depth: int) -> Truth:
        return self.truth(node.this, depth + 1)

    def negation(self, node: exp.Expr, depth: int) -> Truth:
        return Not(self.truth(node.this, depth + 1))

    def conjunction(self, node: exp.Expr, depth: int) -> Truth:
        return All(self.chain(node, exp.And, depth))

    def disjunction(self, node: exp.Expr, depth: int) -> Truth:
        return Any(self.chain(node, exp.Or, depth))

    def chain(self, node: exp.Expr, kind: type[exp.Binary], depth: int) -> tuple[Truth, ...]:
        return tuple(self.truth(part, depth) for part in _operands(node, kind))

    def comparison(self, node: exp.Expr, depth: int) -> Truth:
        comparison = _COMPARISONS[type(node)]
        left, right = node.this, node.expression
        if self.is_text(left) or self.is_text(right):
            return self.text_comparison(node, comparison)
        return Compare(comparison, self.value(left, depth), self.value(right, depth))

    def text_comparison(self, node: exp.Expr, comparison: Comparison) -> Truth:
        column, literal = node.this, node.expression
        if isinstance(column, exp.Literal):
            column, literal = literal, column
        name = self.text_column(column)
        if comparison not in ("=", "<>"):
            raise self.error(node, "text is compared by =, <> and IN only")
        found = TextOneOf(name, (self.choice(column, literal),))
        return found if comparison == "=" else Not(found)

    def between(self, node: exp.Expr, depth: int) -> Truth:
        self.only(node, "this", "low", "high")
        of, low, high = (self.value(node.args[name], depth) for name in ("this", "low", "high"))
        return Between(of, low, high)

    def membership(self, node: exp.Expr, depth: int) -> Truth:
        self.only(node, "this", "expressions")
        if not node.expressions:
            raise self.error(node, "IN needs a list of values")
        if self.is_text(node.this):
            return TextOneOf(
                self.text_column(node.this), tuple(self.choice(node.this, item) for item in node.expressions)
            )
        of = self.value(node.this, depth)
        return OneOf(of, tuple(self.listed(item) for item in node.expressions))

    def null_test(self, node: exp.Expr, depth: int) -> Truth:
        if not isinstance(node.expression, exp.Null):
            raise self.error(node, "IS is for IS NULL and IS NOT NULL only")
        if isinstance(node.this, exp.Column) and self.is_text(node.this):
            test = IsNull(Column(self.text_column(node.this)))
        elif isinstance(node.this.unnest(), _VALUES):
            test = IsNull(self.value(node.this, depth))
        else:
            test = IsNull(self.truth(node.this, depth))
        return Not(test) if node.args.get("negate") else test

    _TRUTHS: Final[tuple[tuple[type | tuple[type, ...], "_Read"], ...]] = (
        (exp.Paren, bracket),
        (exp.Not, negation),
        (exp.And, conjunction),
        (exp.Or, disjunction),
        (tuple(_COMPARISONS), comparison),
        (exp.Between, between),
        (exp.In, membership),
        (exp.Is, null_test),
    )

    # --- values

    def arithmetic(self, node: exp.Expr, depth: int) -> Value:
        operator = _ARITHMETIC[type(node)]
        left, right = self.value(node.this, depth), self.value(node.expression, depth)
        if operator == "/":
            right = self.divisor(node.expression, right)
        made = Arithmetic(operator, left, right)
        if operator in "*/" and not magnitude(made).is_safe:
            raise self.error(node, "this product can become too large or too small for a number")
        return made

    def divisor(self, node: exp.Expr, value: Value) -> Number:
        if isinstance(value, Negative) and isinstance(value.of, Number):
            value = Number(-value.of.value)
        if not isinstance(value, Number):
            raise self.error(node, "division is by a number only, not by a column or an expression")
        if value.value == 0:
            raise self.error(node, "division by zero")
        return value

    def number(self, node: exp.Expr) -> float:
        try:
            number = float(node.name)
        except ValueError:
            raise self.error(node, f"{node.name} is not a number") from None
        mantissa = node.name.lower().partition("e")[0]
        vanished = number == 0 and any(digit in "123456789" for digit in mantissa)
        if vanished or not isfinite(number):
            raise self.error(node, f"{node.name} is too large or too small for a number")
        return number

    def listed(self, node: exp.Expr) -> float:
        if isinstance(node, exp.Neg):
            return -self.listed(node.this)
        if not isinstance(node, exp.Literal) or node.is_string:
            raise self.error(node, "IN takes numbers here, and nothing else")
        return self.number(node)

    def numeric_column(self, node: exp.Expr) -> Column:
        name = self.column(node)
        if self.known[name].is_text:
            raise self.error(node, f"{name} is text: it is compared by =, <> and IN only")
        return Column(name)

    def text_column(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Column):
            raise self.error(node, "a text is compared with a column only")
        name = self.column(node)
        if not self.known[name].is_text:
            raise self.error(node, f"{name} is a number: it cannot be compared with a text")
        return name

    def choice(self, column: exp.Expr, node: exp.Expr) -> str:
        name = self.text_column(column)
        choices = self.known[name].choices
        if not isinstance(node, exp.Literal) or not node.is_string:
            raise self.error(node, f"{name} is text: compare it with one of {', '.join(map(repr, choices))}")
        if node.name not in choices:
            raise self.error(node, f"{name} is never {node.name!r}, but one of {', '.join(map(repr, choices))}")
        return node.name

    def column(self, node: exp.Expr) -> str:
        identifier = node.this
        if len([part for part in node.args.values() if part]) != 1 or not isinstance(identifier, exp.Identifier):
            raise self.refusal(node)
        name = identifier.name
        if name not in self.known:
            lower = "columns are written in lower case" if name.lower() in self.known else f"unknown column {name}"
            raise self.error(node, lower + suggestion(name, list(self.known)))
        self.columns[name] = None
        return name

    def is_text(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Column):
            column = self.known.get(node.name)
            return column is not None and column.is_text
        return isinstance(node, exp.Literal) and bool(node.is_string)

    # --- refusals

    def only(self, node: exp.Expr, *allowed: str) -> None:
        """Refuse the variants that a node's further arguments make: BETWEEN SYMMETRIC, IN (SELECT ...)."""
        if any(part for name, part in node.args.items() if name not in allowed):
            raise self.refusal(node)

    def refusal(self, node: exp.Expr) -> ConditionError:
        return self.error(node, f"{type(node).__name__.upper()} is not allowed in a condition")

    def error(self, node: exp.Expr, message: str) -> ConditionError:
        return ConditionError(message, self.text, self.offset(node))

    def starts(self, node: exp.Expr) -> tuple[int, ...]:
        """Where each part of the outermost AND begins."""
        return tuple(map(self.offset, _operands(node.unnest(), exp.And)))

    def offset(self, node: exp.Expr) -> int:
        """Where the node begins: sqlglot keeps places at the leaves only."""
        return min((int(part.meta["start"]) for part in node.walk() if "start" in part.meta), default=0)


def _operands(node: exp.Expr, kind: type[exp.Binary]) -> list[exp.Expr]:
    """The operands of a AND b AND c, which the parser nests to the left, as one level, in order."""
    parts = []
    while isinstance(node, kind):
        parts.append(node.expression)
        node = node.this
    return [node, *reversed(parts)]


_Read = Callable[[_Reader, exp.Expr, int], Truth]
