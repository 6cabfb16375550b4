"""Derived columns: against a definition read aloud, however the rows are cut into batches."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.engine.derived import DERIVED, derived
from alerts.engine.source import READING_COLUMNS
from devices.metrics import BASELINED, METRICS, Flag

START = datetime(2026, 3, 28, 22, tzinfo=UTC)  # Vienna's clocks go forward the night after
SECOND = timedelta(seconds=1)
COLUMNS = ["heart_rate_z", "hrv_ms_z", "heart_rate_rate", "hrv_ms_rate"]
ROWS = pl.Schema(
    {
        "user_id": pl.Int64,
        "recorded_at": pl.Datetime("us", "UTC"),
        "event_id": pl.String,
        "heart_rate": pl.Float64,
        "hrv_ms": pl.Float64,
    }
)
SETS = pl.Schema(
    {
        "user_id": pl.Int64,
        "valid_from": pl.Datetime("us", "UTC"),
        "zone": pl.String,
        "metric": pl.String,
        "local_hour": pl.Int8,
        "median": pl.Float64,
        "mad": pl.Float64,
    }
)
Row = tuple[Any, ...]


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def sets(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SETS, orient="row")


def z(row: Row, place: int, metric: str, baselines: list[Row]) -> float | None:
    """The definition."""
    held = [each for each in baselines if each[0] == row[0] and each[1] <= row[1]]
    if not held:
        return None
    newest = max(each[1] for each in held)
    for _, begins, zone, name, hour, median, mad in held:
        local = row[1].astimezone(ZoneInfo(zone)).hour
        if (begins, name, hour) == (newest, metric, local) and row[place] is not None and median is not None:
            return 0.6745 * (row[place] - median) / max(mad, METRICS[metric].mad_floor)
    return None


def rate(row: Row, place: int, rows: list[Row]) -> float | None:
    """The definition."""
    near = [
        (each[1], each[2], each[place])
        for each in rows
        if each[0] == row[0] and each[place] is not None and SECOND <= row[1] - each[1] <= 600 * SECOND
    ]
    if row[place] is None or not near:
        return None
    at, _, value = max(near)
    return (row[place] - value) / ((row[1] - at) / timedelta(minutes=1))


def expected(row: Row, rows: list[Row], baselines: list[Row]) -> list[float | None]:
    return [z(row, 3, "heart_rate", baselines), z(row, 4, "hrv_ms", baselines), rate(row, 3, rows), rate(row, 4, rows)]


values = st.one_of(st.none(), st.integers(30, 200).map(float))
steps = st.sampled_from(
    [0, 1, 500_000, 999_999, 1_000_000, 7_000_000, 60_000_000, 599_999_999, 600_000_000, 600_000_001]
)


@st.composite
def readings(draw: st.DrawFn) -> list[Row]:
    rows = []
    for user in (1, 2):
        at = START + timedelta(hours=draw(st.integers(0, 8)))
        for number in range(draw(st.integers(0, 12))):
            at += timedelta(microseconds=draw(steps))
            rows.append((user, at, f"{draw(st.integers(0, 9))}{user}{number:02}", draw(values), draw(values)))
    return draw(st.permutations(rows))


@st.composite
def baselines(draw: st.DrawFn) -> list[Row]:
    rows = []
    for user in (1, 2):
        for day in draw(st.sets(st.integers(-2, 1), max_size=3)):
            zone = draw(st.sampled_from(["UTC", "Europe/Vienna", "Asia/Kathmandu"]))
            begins = datetime(2026, 3, 29, tzinfo=UTC) + timedelta(days=day)
            for metric in ("heart_rate", "hrv_ms"):
                for hour in draw(st.sets(st.integers(0, 23), max_size=24)):
                    known = draw(st.booleans())
                    spread = draw(st.sampled_from([0.0, 0.5, 3.0, 9.5]))
                    rows.append((user, begins, zone, metric, hour, 70.0 if known else None, spread if known else None))
    return rows


@given(readings(), baselines(), st.lists(st.integers(0, 2), min_size=24, max_size=24))
def test_it_is_the_definition_in_whatever_batches(rows: list[Row], known: list[Row], batches: list[int]) -> None:
    for number in range(3):
        batch = [row for row, place in zip(rows, batches, strict=False) if place == number]
        earlier = [row for row, place in zip(rows, batches, strict=False) if place != number]
        made = derived(frame(batch), COLUMNS, baselines=sets(known), earlier=frame(earlier))
        assert made.select(ROWS.names()).rows() == batch
        for row, found in zip(batch, made.select(COLUMNS).rows(), strict=True):
            for one, other in zip(found, expected(row, rows, known), strict=True):
                assert (one is None) == (other is None), (row, found)
                assert one is None or math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)


def test_the_floor_keeps_it_finite() -> None:
    rows = frame([(1, START, "a", 80.0, None)])
    known = sets([(1, START, "UTC", "heart_rate", 22, 70.0, 0.0)])
    assert derived(rows, ["heart_rate_z"], baselines=known)["heart_rate_z"].to_list() == [0.6745 * 10 / 2]


@pytest.mark.parametrize(("ago_s", "found"), [(0.999999, None), (1, 60.0), (600, 0.1), (600.000001, None)])
def test_a_rate_needs_a_value_1_s_to_10_min_older(ago_s: float, found: float | None) -> None:
    rows = frame([(1, START - timedelta(seconds=ago_s), "a", 70.0, None), (1, START, "b", 71.0, None)])
    made = derived(rows, ["heart_rate_rate"], baselines=sets([]))["heart_rate_rate"].to_list()
    assert made == [None, pytest.approx(found) if found else None]


def test_of_readings_of_one_instant_the_last_by_its_id_is_the_latest() -> None:
    then = START - timedelta(minutes=1)
    rows = frame([(1, then, "b", 60.0, None), (1, then, "a", 50.0, None), (1, START, "c", 70.0, None)])
    assert derived(rows, ["heart_rate_rate"], baselines=sets([]))["heart_rate_rate"].to_list() == [None, None, 10.0]


def test_people_have_nothing_to_do_with_each_other() -> None:
    rows = frame([(1, START, "a", 60.0, None), (2, START + timedelta(minutes=1), "b", 90.0, None)])
    known = sets([(1, START, "UTC", "heart_rate", 22, 70.0, 3.0)])
    made = derived(rows, ["heart_rate_z", "heart_rate_rate"], baselines=known)
    assert made["heart_rate_z"].is_null().to_list() == [False, True]
    assert made["heart_rate_rate"].null_count() == 2


def test_there_is_a_column_for_every_vital_and_every_number() -> None:
    rows = frame([]).with_columns(
        pl.lit(0, pl.Int64).alias("flags"), *(pl.lit(None, pl.Float64).alias(n) for n in METRICS if n not in ROWS)
    )
    assert set(DERIVED) <= set(derived(rows, DERIVED, baselines=sets([])).columns)
    assert "steps_per_minute_rate" in DERIVED
    assert "steps_per_minute_z" not in DERIVED


def test_a_strap_is_off_where_a_heart_rate_was_sent_that_none_was_measured() -> None:
    rows = [(1, START, "a", 61.0, None), (1, START, "b", None, 40.0), (1, START, "c", None, None)]
    late, off, others = int(Flag.LATE), int(Flag.HEART_RATE_NOT_MEASURED), int(Flag.SPO2_NOT_MEASURED)
    flagged = frame(rows).with_columns(flags=pl.Series([late | others, others, off | late], dtype=pl.Int64))
    assert derived(flagged, ["not_worn"], baselines=sets([]))["not_worn"].to_list() == [0.0, None, 1.0]


@pytest.mark.parametrize("metric", BASELINED)
def test_no_value_lies_beyond_the_bounds_of_its_column(metric: str) -> None:
    low, high = METRICS[metric].low, METRICS[metric].high
    ends = [(1, START, "a", low), (1, START + SECOND, "b", high), (1, START + 2 * SECOND, "c", low)]
    rows = pl.DataFrame(ends, schema=["user_id", "recorded_at", "event_id", metric], orient="row")
    for median in (low, high):
        known = sets([(1, START, "UTC", metric, 22, median, 0.0)])
        made = derived(rows, [f"{metric}_z", f"{metric}_rate"], baselines=known)
        for name in (f"{metric}_z", f"{metric}_rate"):
            bounds = READING_COLUMNS[name]
            furthest = made.select(pl.col(name).abs().max()).item()
            assert bounds.low <= -furthest, name
            assert furthest <= bounds.high, name
            assert furthest > bounds.high * 0.999, "the bound is not honest"
