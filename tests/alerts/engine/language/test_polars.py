"""Polars says of every row what SQL's three-valued logic says."""

from typing import Any

import polars as pl
from hypothesis import assume, given, settings

from alerts.engine.language import ConditionError, read_condition, to_polars
from tests.alerts.engine.language.conditions import NUMBERS, conditions, rows
from tests.alerts.engine.three_valued import truth

SCHEMA = {**dict.fromkeys(NUMBERS, pl.Float64), "posture": pl.String}


def polars_says(text: str, readings: list[dict[str, Any]]) -> list[bool | None]:
    tree = read_condition(text).tree
    return pl.DataFrame(readings, schema=SCHEMA).select(said=to_polars(tree))["said"].to_list()


@settings(max_examples=300)
@given(conditions(), rows())
def test_it_agrees_with_three_valued_logic(text: str, readings: list[dict[str, Any]]) -> None:
    try:
        tree = read_condition(text).tree
    except ConditionError as error:
        assume("too large or too small" not in error.message and "terms" not in error.message)
        raise
    assume("steps_per_minute" not in text or not any(map(tiny, readings)) or not ("*" in text or "/" in text))
    expected = [truth(tree, row) for row in readings]
    assert polars_says(text, readings) == expected


def tiny(row: dict[str, Any]) -> bool:
    return row["steps_per_minute"] is not None and 0 < row["steps_per_minute"] < 1e-30


def test_division_is_that_of_the_processor() -> None:
    """By a scalar, polars multiplies with the reciprocal, and 3 * (1 / 10) is not 0.3."""
    assert polars_says("heart_rate / 10 = 0.3", [{"heart_rate": 3.0}]) == [True]


def test_a_product_of_what_is_next_to_nothing_is_nothing() -> None:
    assert polars_says("steps_per_minute * 0.5 = 0", [{"steps_per_minute": 5e-324}]) == [True]
    assert polars_says("steps_per_minute = 0", [{"steps_per_minute": 5e-324}]) == [False]


def test_null_is_not_in_a_list_nor_out_of_it() -> None:
    assert polars_says("posture NOT IN ('lying')", [{"posture": None}]) == [None]
    assert polars_says("heart_rate NOT IN (1)", [{"heart_rate": None}]) == [None]
