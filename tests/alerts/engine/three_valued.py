"""SQL's logic over one row in plain Python: True, False, or None for NULL."""

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from alerts.engine.language import tree

Cells = Mapping[str, Any]
COMPARE = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def truth(node: tree.Truth, row: Cells) -> bool | None:  # noqa: PLR0911  # one line a kind of node
    match node:
        case tree.Compare(sign, left, right):
            return strict(COMPARE[sign], value(left, row), value(right, row))
        case tree.Between(of, low, high):
            least = strict(operator.ge, value(of, row), value(low, row))
            return conjunction([least, strict(operator.le, value(of, row), value(high, row))])
        case tree.OneOf(of, values):
            return strict(lambda number: number in values, value(of, row))
        case tree.TextOneOf(column, values):
            return strict(lambda text: text in values, row.get(column))
        case tree.IsNull(of):
            return (truth(of, row) if isinstance(of, tree.Truth) else value(of, row)) is None
        case tree.Not(of):
            return strict(operator.not_, truth(of, row))
        case tree.All(parts):
            return conjunction(truth(part, row) for part in parts)
        case tree.Any(parts):
            return strict(operator.not_, conjunction(strict(operator.not_, truth(part, row)) for part in parts))
    raise TypeError(node)


def value(node: tree.Value, row: Cells) -> Any:
    match node:
        case tree.Column(name):
            return row.get(name)
        case tree.Number(number):
            return number
        case tree.Negative(of):
            return strict(operator.neg, value(of, row))
        case tree.Absolute(of):
            return strict(abs, value(of, row))
        case tree.Arithmetic(sign, left, right):
            return strict(ARITHMETIC[sign], value(left, row), value(right, row))
    raise TypeError(node)


def strict(function: Any, *operands: Any) -> Any:
    """NULL in, NULL out."""
    return None if None in operands else function(*operands)


def conjunction(parts: Iterable[bool | None]) -> bool | None:
    """FALSE where one is FALSE, else NULL where one is NULL."""
    said = list(parts)
    return False if False in said else None if None in said else True
