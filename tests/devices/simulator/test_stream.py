"""The laws of simulated readings, and what makes them believable."""

from itertools import pairwise
from uuid import RFC_4122, UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from devices.metrics import METRICS, NUMERIC
from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.stream import Injection, Stretch, readings

NOON = 1_764_936_000_000  # 2025-12-05T12:00Z
MIDNIGHT = NOON - 12 * 3_600_000
DAY_MS = 86_400_000
RATES = st.sampled_from([0.01, 1 / 60, 0.2, 0.7, 1.0, 2.0, 3.0, 10.0])


def some(seed: int = 1, count: int = 3, hertz: float = 1.0, start: int = NOON, lasts_s: int = 60) -> Stretch:
    return Stretch(people(seed, wearer_ids(count)), Rate.of(hertz), start, start + lasts_s * 1000)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**40), start=st.integers(1_000_000_000_000, 2_000_000_000_000), hertz=RATES)
def test_the_same_seed_gives_the_same_readings(seed: int, start: int, hertz: float):
    assert_frame_equal(readings(some(seed, hertz=hertz, start=start)), readings(some(seed, hertz=hertz, start=start)))


@settings(max_examples=30)
@given(
    start=st.integers(1_700_000_000_000, 1_800_000_000_000),
    cuts=st.lists(st.integers(1, 299_999), max_size=6, unique=True),
    hertz=RATES,
    anomaly=st.sampled_from(list(ANOMALIES)),
)
def test_any_slicing_of_time_gives_the_same_readings(start: int, cuts: list[int], hertz: float, anomaly: str):
    injections = [Injection(anomaly, frozenset({"user_002"}), start + 31_000, start + 200_500)]
    whole = readings(some(hertz=hertz, start=start, lasts_s=300), injections)
    edges = [start, *(start + cut for cut in sorted(cuts)), start + 300_000]
    who = people(1, wearer_ids(3))
    slices = [readings(Stretch(who, Rate.of(hertz), low, high), injections) for low, high in pairwise(edges)]
    assert_frame_equal(pl.concat(slices), whole)


@settings(max_examples=20)
@given(start=st.integers(1_700_000_000_000, 1_800_000_000_000), others=st.integers(1, 9))
def test_a_person_is_the_same_in_any_company(start: int, others: int):
    alone = Stretch(people(1, ["user_001"]), Rate.of(1.0), start, start + 60_000)
    crowd = readings(some(count=others, start=start)).filter(user_id="user_001")
    assert_frame_equal(crowd, readings(alone))


def test_another_seed_gives_another_person():
    assert readings(some(1))["heart_rate"].to_list() != readings(some(2))["heart_rate"].to_list()


def test_a_reading_at_the_start_of_a_minute_is_the_same_at_every_rate():
    slow, fast = readings(some(hertz=1 / 60, lasts_s=3600)), readings(some(hertz=2.0, lasts_s=3600))
    assert_frame_equal(fast.filter(pl.col("event_id").is_in(slow["event_id"].implode())), slow)


def test_ids_are_uuids_and_no_two_readings_share_one():
    frame = readings(some(count=20, hertz=10.0))
    assert frame["event_id"].n_unique() == len(frame)
    assert {(UUID(text).version, UUID(text).variant) for text in frame["event_id"]} == {(8, RFC_4122)}


@pytest.mark.parametrize(("hertz", "count"), [(0.5, 1800), (1.0, 3600), (2.0, 7200), (0.7, 2520)])
def test_it_keeps_its_rate(hertz: float, count: int):
    frame = readings(some(count=1, hertz=hertz, lasts_s=3600))
    assert 0.95 * count < len(frame) <= count


@pytest.mark.parametrize("hertz", [0.0, -1.0, 51.0, 1e-320, 1e-20, 0.0009, float("nan")])
def test_it_refuses_a_rate_that_is_none(hertz: float):
    with pytest.raises(ValueError, match="a rate must be"):
        Rate.of(hertz)


def test_values_are_within_the_inner_bounds_and_as_fine_as_devices_give():
    day = readings(some(count=12, hertz=1 / 60, start=MIDNIGHT, lasts_s=86_400))
    for name in set(NUMERIC) & set(day.columns):
        metric = METRICS[name]
        low = metric.low if metric.suspect_low is None else metric.suspect_low
        high = metric.high if metric.suspect_high is None else metric.suspect_high
        assert day.select(pl.col(name).is_between(low, high).all()).item(), name
        assert day.select((pl.col(name).round(metric.decimals) == pl.col(name)).all()).item(), name


@pytest.fixture(scope="module")
def day() -> pl.DataFrame:
    """Twelve people's day, every ten seconds."""
    return readings(some(count=12, hertz=0.1, start=MIDNIGHT, lasts_s=86_400))


def test_movement_moves_heart_breath_variability_and_skin_together(day: pl.DataFrame):
    awake = day.filter(pl.col("sleep_stage").is_null())
    walking, sitting = awake.filter(posture="walking"), awake.filter(posture="seated")
    assert walking["heart_rate"].mean() > sitting["heart_rate"].mean() + 6
    assert walking["respiratory_rate"].mean() > sitting["respiratory_rate"].mean() + 1
    assert walking["hrv_ms"].mean() < sitting["hrv_ms"].mean() - 5
    assert walking["steps_per_minute"].min() > 50
    assert sitting["steps_per_minute"].max() == 0


def test_the_heart_follows_the_steps_with_a_lag():
    frame = readings(some(count=12, start=MIDNIGHT + 8 * 3_600_000, lasts_s=6 * 3600))
    walks = frame.with_columns(
        starts=(pl.col("posture") == "walking") & (pl.col("posture").shift(1).over("user_id") != "walking"),
        before=pl.col("heart_rate").rolling_mean(30).over("user_id"),
        at_once=pl.col("heart_rate").rolling_mean(5).shift(-5).over("user_id"),
        later=pl.col("heart_rate").rolling_mean(30).shift(-150).over("user_id"),
    ).filter("starts")
    assert len(walks) > 5
    assert (walks["later"] - walks["before"]).median() > 8
    assert (walks["at_once"] - walks["before"]).median() < 4


def test_a_night_has_cycles_with_deep_sleep_first_and_rem_last(day: pl.DataFrame):
    night = day.filter(pl.col("sleep_stage").is_not_null(), pl.col("at_ms") < MIDNIGHT + 9 * 3_600_000)
    half = MIDNIGHT + 3 * 3_600_000
    early, late = night.filter(pl.col("at_ms") < half), night.filter(pl.col("at_ms") >= half)
    assert set(night["sleep_stage"].unique()) == {"awake", "light", "deep", "rem"}
    assert (early["sleep_stage"] == "deep").mean() > 2 * (late["sleep_stage"] == "deep").mean()
    assert (late["sleep_stage"] == "rem").mean() > (early["sleep_stage"] == "rem").mean()
    assert night["heart_rate"].mean() < day.filter(pl.col("sleep_stage").is_null())["heart_rate"].mean() - 5


def test_cuffs_measure_now_and_then_and_glucose_every_five_minutes(day: pl.DataFrame):
    cuffs = day.group_by("user_id").agg(pl.col("blood_pressure_systolic").count())
    assert cuffs["blood_pressure_systolic"].is_between(3, 12).all()
    assert (day["blood_pressure_systolic"] > day["blood_pressure_diastolic"]).drop_nulls().all()
    glucose = day.group_by("user_id").agg(pl.col("blood_glucose_mg_dl").count())["blood_glucose_mg_dl"].to_list()
    assert 0 in glucose
    assert 270 <= max(glucose) <= 288


CALM = {
    "tachycardia at rest": (
        (pl.col("heart_rate") > 100) & (pl.col("activity_level") < 10) & (pl.col("steps_per_minute") < 5)
    ),
    "tachycardia": pl.col("heart_rate") > 180,
    "bradycardia": pl.col("heart_rate") < 40,
    "hypoxia": pl.col("spo2_percent") < 92,
    "fever": pl.col("body_temp_c") > 38.0,
    "breathing": ~pl.col("respiratory_rate").is_between(8, 24),
    "pressure": (pl.col("blood_pressure_systolic") >= 140) | (pl.col("blood_pressure_diastolic") >= 90),
    "glucose": ~pl.col("blood_glucose_mg_dl").is_between(70, 179),
}


@pytest.mark.parametrize("rule", CALM)
def test_calm_people_meet_no_condition_of_a_default_rule(day: pl.DataFrame, rule: str):
    assert day.filter(CALM[rule]).is_empty()
