"""PostgreSQL and polars give every row the same verdict, NULL included."""

from typing import Any

import polars as pl
import pytest
from django.db import connection
from hypothesis import HealthCheck, assume, given, settings

from alerts.engine.language import ConditionError, read_condition, to_polars, to_postgres
from tests.alerts.engine.language.conditions import NUMBERS, conditions, rows

SCHEMA = {**dict.fromkeys(NUMBERS, pl.Float64), "posture": pl.String}


def postgres_says(text: str, readings: list[dict[str, Any]]) -> list[bool | None]:
    places = ", ".join(["(%s::int, %s::float8, %s::float8, %s::float8, %s::float8, %s::text)"] * len(readings))
    names = ", ".join(f'"{name}"' for name in (*NUMBERS, "posture"))
    cells = [
        cell for at, row in enumerate(readings) for cell in (at, *(row.get(name) for name in (*NUMBERS, "posture")))
    ]
    sql = to_postgres(read_condition(text).tree, table="r").replace("%", "%%")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} FROM (VALUES {places}) AS r (at, {names}) ORDER BY at", cells)
        return [said for (said,) in cursor.fetchall()]


@pytest.mark.django_db
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(conditions(), rows())
def test_it_agrees_with_polars(text: str, readings: list[dict[str, Any]]) -> None:
    try:
        tree = read_condition(text).tree
    except ConditionError as error:
        assume("too large or too small" not in error.message and "terms" not in error.message)
        raise
    frame = pl.DataFrame(readings, schema=SCHEMA)
    assert postgres_says(text, readings) == frame.select(said=to_polars(tree))["said"].to_list()


@pytest.mark.django_db
def test_the_smallest_number_there_is_does_not_stop_a_query() -> None:
    row = {"steps_per_minute": 5e-324, "heart_rate": 1e-200}
    assert postgres_says("steps_per_minute * steps_per_minute * 0.5 = 0", [row]) == [True]
    assert postgres_says("(heart_rate + steps_per_minute) * 0.1 = 0", [row]) == [True]
    assert postgres_says("7 / 2 = 3.5 AND steps_per_minute > 0", [row]) == [True]
