"""A condition as PostgreSQL text, over columns of double precision and text."""

from alerts.engine.language.sql import SqlWriter
from alerts.engine.language.tree import Truth


def to_postgres(tree: Truth, *, table: str = "") -> str:
    """A boolean SQL expression with all brackets and no placeholders; `table` qualifies the columns.

    Every number is written as double precision: PostgreSQL's own 7/2 is 3, and its 0.1 is a decimal.
    """
    return _Postgres(table).truth(tree)


class _Postgres(SqlWriter):
    def name(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def number(self, number: float) -> str:
        return f"'{number!r}'::double precision"

    def among(self, value: str, literals: list[str]) -> str:
        return f"({value} IN ({', '.join(literals)}))"
