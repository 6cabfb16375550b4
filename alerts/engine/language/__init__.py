"""The language of `when`: SQL text in, our own small tree out, and from it polars, PostgreSQL and Flink SQL.

sqlglot only reads the text. Nothing of its tree, and nothing of the text, ever reaches an executor: what is compiled is
the tree of `tree.py`, which can hold no more than the language has.
"""

from alerts.engine.language.errors import ConditionError
from alerts.engine.language.flink import to_flink
from alerts.engine.language.polars import to_polars
from alerts.engine.language.possible import judge, judge_clear
from alerts.engine.language.postgres import to_postgres
from alerts.engine.language.reader import MAX_CHARACTERS, MAX_DEPTH, MAX_TERMS, read_condition
from alerts.engine.language.text import to_text
from alerts.engine.language.tree import Condition

__all__ = [
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_TERMS",
    "Condition",
    "ConditionError",
    "judge",
    "judge_clear",
    "read_condition",
    "to_flink",
    "to_polars",
    "to_postgres",
    "to_text",
]
