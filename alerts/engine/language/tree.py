"""What a condition can say: all there is, and nothing a backend could misread.

Every node has one meaning in SQL's three-valued logic; `polars.py`, `postgres.py` and `flink.py`
give it, node by node.
"""

from dataclasses import dataclass, field
from typing import Literal

ArithmeticOperator = Literal["+", "-", "*", "/"]
Comparison = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of the row, number or text."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Negative:
    of: "Value"


@dataclass(frozen=True, slots=True)
class Absolute:
    of: "Value"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Double-precision arithmetic; the right side of a division is a Number other than 0."""

    operator: ArithmeticOperator
    left: "Value"
    right: "Value"


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Comparison
    left: "Value"
    right: "Value"


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends included."""

    of: "Value"
    low: "Value"
    high: "Value"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A number that equals one of these."""

    of: "Value"
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TextOneOf:
    """A text column that equals one of these values of the catalogue."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """TRUE or FALSE, never NULL."""

    of: "Value | Truth"


@dataclass(frozen=True, slots=True)
class Not:
    of: "Truth"


@dataclass(frozen=True, slots=True)
class All:
    """AND over two parts or more."""

    parts: tuple["Truth", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """OR over two parts or more."""

    parts: tuple["Truth", ...]


Value = Column | Number | Negative | Absolute | Arithmetic
Truth = Compare | Between | OneOf | TextOneOf | IsNull | Not | All | Any


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it was written, as it is meant, and the columns it reads, in order of first use.

    `starts` are the offsets in `text` at which the parts of an outermost AND begin, or the one part that there is.
    """

    text: str
    tree: Truth
    columns: tuple[str, ...]
    starts: tuple[int, ...] = field(default=(), compare=False)
