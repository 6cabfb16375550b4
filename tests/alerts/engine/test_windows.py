"""Windows against what arithmetic says of the readings in them, and rules over windows against the twin."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import sqrt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest import backtest
from alerts.engine import Window, complete_windows
from alerts.engine.source import WINDOW_COLUMNS
from alerts.rule_files import parse_rule
from tests.alerts.engine.twin import Reading, episodes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
METRICS = ("heart_rate", "spo2_percent")
SCHEMA = {
    "user_id": pl.Int64(), "recorded_at": pl.Datetime("us", "UTC"), "event_id": pl.String(), "flags": pl.Int64(),
    **dict.fromkeys(METRICS, pl.Float64()),
}  # fmt: skip
WINDOWS = [
    Window(timedelta(minutes=1), timedelta(minutes=1)),
    Window(timedelta(minutes=1), timedelta(seconds=10)),
    Window(timedelta(minutes=10), timedelta(minutes=5)),
]
RULE = """\
id: high
alert_type: HIGH
title: High
severity: LOW
over: {over}
when: {when}
sustained: {{count: {count}}}
max_gap: {gap}
measures: [avg_heart_rate, max_heart_rate]
"""

VALUES = st.none() | st.floats(1, 350) | st.integers(90, 110).map(float)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.integers(1, 2),
            "recorded_at": st.integers(-300_000, 900_000).map(lambda ms: NOON + timedelta(milliseconds=ms)),
            "flags": st.sampled_from([0, 0, 256, 1024]),
            "heart_rate": VALUES,
            "spo2_percent": st.none() | st.floats(70, 100),
        }
    ),
    min_size=1,
    max_size=60,
)


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{"event_id": None, **row} for row in rows], schema=SCHEMA)


def by_arithmetic(rows: list[dict[str, Any]], window: Window) -> dict[tuple[int, datetime], dict[str, Any]]:
    """The complete windows of each person by their end."""
    found = {}
    for user in {row["user_id"] for row in rows}:
        theirs = [row for row in rows if row["user_id"] == user]
        as_of = max(row["recorded_at"] for row in theirs)
        start = NOON - timedelta(hours=1)
        while start + window.size <= as_of:
            end = start + window.size
            inside = [row for row in theirs if start <= row["recorded_at"] < end]
            if inside:
                found[user, end] = aggregates(inside)
            start += window.every
    return found


def aggregates(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(rows)}
    for name in METRICS:
        values = [row[name] for row in rows if row[name] is not None]
        exact = [Fraction(round(value * 1e6), 1_000_000) for value in values]
        mean = sum(exact) / len(exact) if exact else None
        found |= {
            f"count_{name}": len(values),
            f"avg_{name}": None if mean is None else float(mean),
            f"min_{name}": min(values, default=None),
            f"max_{name}": max(values, default=None),
            f"stddev_{name}": None
            if mean is None or len(exact) < 2
            else sqrt(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)),
        }
    return found


def windows_of(rows: list[dict[str, Any]], window: Window) -> dict[tuple[int, datetime], dict[str, Any]]:
    """Without the rows that only say how late it is."""
    found = complete_windows(frame(rows), window, METRICS).filter(pl.col("count").is_not_null())
    columns = [name for name in WINDOW_COLUMNS if name in found.columns]
    assert len(columns) == 1 + 5 * len(METRICS)
    return {
        (row["user_id"], row["recorded_at"]): {name: row[name] for name in columns}
        for row in found.iter_rows(named=True)
    }


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@settings(max_examples=60)
@given(ROWS)
def test_they_are_what_arithmetic_says(window: Window, rows: list[dict[str, Any]]) -> None:
    expected = by_arithmetic(rows, window)
    found = windows_of(rows, window)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        for name, value in values.items():
            exactly = value if value is None or not name.startswith("stddev") else pytest.approx(value, rel=1e-12)
            assert found[key][name] == exactly, name


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@settings(max_examples=30)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_show_in_the_last_digit(window: Window, rows: Any, random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert windows_of(shuffled, window) == windows_of(rows, window)


def test_a_window_holds_its_start_and_not_its_end_and_is_there_once_it_is_over() -> None:
    at = [NOON, NOON + timedelta(seconds=60, microseconds=-1), NOON + timedelta(seconds=60)]
    rows = [{"user_id": 1, "recorded_at": each, "flags": 0, "heart_rate": 60.0} for each in at]
    assert {end: found["count"] for (_, end), found in windows_of(rows, WINDOWS[0]).items()} == {at[2]: 2}
    assert windows_of(rows[:2], WINDOWS[0]) == {}


def test_the_doubts_of_its_rows_are_those_of_the_window() -> None:
    rows = [
        {"user_id": 1, "recorded_at": NOON + timedelta(seconds=second), "flags": flags, "heart_rate": 60.0}
        for second, flags in ((1, 256), (2, 1024), (70, 0), (130, 4096))
    ]
    found = complete_windows(frame(rows), WINDOWS[0], METRICS).filter(pl.col("count").is_not_null())
    assert found.sort("recorded_at")["flags"].to_list() == [256 | 1024, 0]


@pytest.mark.parametrize("over", ["window(1m)", "window(1m, every 10s)"])
@pytest.mark.parametrize("when", ["avg_heart_rate > 100", "max_heart_rate - min_heart_rate > 50 OR count >= 4"])
@settings(max_examples=40)
@given(ROWS, st.integers(1, 2), st.sampled_from(["1m", "2m", "5m"]))
def test_a_rule_over_windows_means_what_it_means_over_any_rows(
    over: str, when: str, rows: list[dict[str, Any]], count: int, gap: str
) -> None:
    rule = parse_rule(RULE.format(over=over, when=when, count=count, gap=gap)).rule
    assert rule is not None
    assert isinstance(rule.over, Window)
    expected = []
    for user in sorted({row["user_id"] for row in rows}):
        as_of = max(row["recorded_at"] for row in rows if row["user_id"] == user)
        theirs = [
            Reading(end, "", values) for (who, end), values in by_arithmetic(rows, rule.over).items() if who == user
        ]
        nothing = dict.fromkeys(WINDOW_COLUMNS)
        found = episodes(rule, [*theirs, Reading(as_of, "~", nothing)])
        expected += [(f"{user}", *each.times, each.measure("avg_heart_rate"), each.end) for each in found]
    readings = frame(rows).with_columns(pl.col("user_id").cast(pl.String))
    assert [
        (each.user_id, each.episode.started_at, each.episode.opened_at, each.episode.ended_at,
         measured(each.episode.measures.get("avg_heart_rate")), each.episode.end)
        for each in backtest([rule], readings)
    ] == expected  # fmt: skip


def measured(measure: Any) -> tuple[int, float, float, float] | None:
    return measure and (measure.count, measure.avg, measure.low, measure.high)
