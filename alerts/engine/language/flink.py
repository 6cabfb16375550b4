"""A condition as Flink SQL, over columns of DOUBLE and STRING: the same three-valued result as polars and PostgreSQL.

Flink runs Calcite's SQL, whose logic is the standard's; what is written differently is written so for a reason each.
"""

from alerts.engine.language.sql import SqlWriter
from alerts.engine.language.tree import Truth
from alerts.engine.source import DERIVED_COLUMNS


class NotInFlinkError(ValueError):
    """The condition reads what a Flink job does not have."""


def to_flink(tree: Truth, *, table: str = "") -> str:
    """A boolean Flink SQL expression with all brackets; `table` (or a pattern variable) qualifies the columns.

    Raises NotInFlinkError where it reads a derived column: baselines and the readings before are Telara's own.
    """
    return _Flink(table).truth(tree)


class _Flink(SqlWriter):
    def column(self, name: str) -> str:
        if name in DERIVED_COLUMNS:
            raise NotInFlinkError(f"Flink cannot tell {name}: it is made of readings and baselines that Telara holds")
        return super().column(name)

    def name(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def number(self, number: float) -> str:
        """With an exponent it is a DOUBLE; without, Calcite would take it for a DECIMAL, whose 7/2 has other digits."""
        digits = repr(abs(number))
        literal = digits.replace("e", "E") if "e" in digits else f"{digits}E0"
        return f"(- {literal})" if number < 0 else literal

    def among(self, value: str, literals: list[str]) -> str:
        """Equalities, not IN: a long list is planned as a join, which no DEFINE of a MATCH_RECOGNIZE may hold."""
        return f"({' OR '.join(f'{value} = {literal}' for literal in literals)})"
