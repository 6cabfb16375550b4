"""Every node as Flink SQL. No Flink runs here: the texts are compared, and an engine with the same logic reads them."""

import sqlite3
from contextlib import closing
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings

from alerts.engine.language import ConditionError, read_condition, to_flink, to_polars
from alerts.engine.language.flink import NotInFlinkError
from alerts.engine.language.tree import All, Arithmetic, Column, Compare, Number, TextOneOf
from tests.alerts.engine.language.conditions import NUMBERS, conditions, rows

SCHEMA = {**dict.fromkeys(NUMBERS, pl.Float64), "posture": pl.String}


def flink(text: str) -> str:
    return to_flink(read_condition(text).tree)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("heart_rate > 100", "(`heart_rate` > 100.0E0)"),
        ("heart_rate != 1e-7", "(`heart_rate` <> 1E-07)"),
        ("room_temp_c <= -2.5", "(`room_temp_c` <= (- 2.5E0))"),
        ("heart_rate BETWEEN 40 AND 50", "(`heart_rate` BETWEEN 40.0E0 AND 50.0E0)"),
        ("heart_rate IN (40)", "(`heart_rate` = 40.0E0)"),
        ("heart_rate NOT IN (40, -1)", "(NOT (`heart_rate` = 40.0E0 OR `heart_rate` = (- 1.0E0)))"),
        ("posture <> 'lying'", "(NOT (`posture` = 'lying'))"),
        ("posture IN ('lying', 'seated')", "(`posture` = 'lying' OR `posture` = 'seated')"),
        ("posture IS NULL", "(`posture` IS NULL)"),
        ("hrv_ms IS NOT NULL", "(NOT (`hrv_ms` IS NULL))"),
        ("(hrv_ms > 1) IS NULL", "((`hrv_ms` > 1.0E0) IS NULL)"),
        ("ABS(hrv_ms - 7) > 2", "(abs((`hrv_ms` - 7.0E0)) > 2.0E0)"),
        ("-(hrv_ms + 1) < -2", "((- (`hrv_ms` + 1.0E0)) < (- 2.0E0))"),
        (
            "hrv_ms / 2 > 7 / 2",
            "(((CASE WHEN abs(`hrv_ms`) < 1E-30 THEN 0.0E0 ELSE `hrv_ms` END) / 2.0E0) > (7.0E0 / 2.0E0))",
        ),
        (
            "hrv_ms > 1 OR NOT hrv_ms > 2 AND heart_rate > 3",
            "((`hrv_ms` > 1.0E0) OR ((NOT (`hrv_ms` > 2.0E0)) AND (`heart_rate` > 3.0E0)))",
        ),
    ],
)
def test_it_writes(text: str, sql: str) -> None:
    assert flink(text) == sql


def test_it_qualifies_columns_by_the_table_or_pattern_variable() -> None:
    tree = All(
        (Compare(">", Arithmetic("*", Column("hrv_ms"), Number(2.0)), Number(1.0)), TextOneOf("posture", ("lying",)))
    )
    assert to_flink(tree, table="A") == (
        "((((CASE WHEN abs(`A`.`hrv_ms`) < 1E-30 THEN 0.0E0 ELSE `A`.`hrv_ms` END) * 2.0E0) > 1.0E0)"
        " AND (`A`.`posture` = 'lying'))"
    )


def test_a_quote_ends_neither_a_name_nor_a_text() -> None:
    assert to_flink(TextOneOf("a`b", ("it's",))) == "(`a``b` = 'it''s')"


def sqlite_says(sql: str, readings: list[dict[str, Any]]) -> list[bool | None]:
    """SQLite reads the same quotes and exponents, its doubles and its NULL are those of the standard."""
    names = (*NUMBERS, "posture")
    kinds = ", ".join(f"{name} {'TEXT' if name == 'posture' else 'REAL'}" for name in names)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE r ({kinds})")
        database.executemany(
            f"INSERT INTO r VALUES ({', '.join('?' * len(names))})", [[row[name] for name in names] for row in readings]
        )
        return [None if said is None else bool(said) for (said,) in database.execute(f"SELECT {sql} FROM r")]


@settings(max_examples=300)
@given(conditions(), rows())
def test_its_text_says_of_every_row_what_polars_says(text: str, readings: list[dict[str, Any]]) -> None:
    try:
        tree = read_condition(text).tree
    except ConditionError as error:
        assume("too large or too small" not in error.message and "terms" not in error.message)
        raise
    frame = pl.DataFrame(readings, schema=SCHEMA)
    assert sqlite_says(to_flink(tree), readings) == frame.select(said=to_polars(tree))["said"].to_list()


@pytest.mark.parametrize("text", ["heart_rate_z > 4", "heart_rate > 90 AND not_worn = 0", "-(hrv_ms_rate * 2) > 1"])
def test_what_telara_makes_of_its_own_rows_is_refused(text: str) -> None:
    with pytest.raises(NotInFlinkError, match=r"Flink cannot tell \w+(_z|_worn|_rate): it is made of"):
        flink(text)
