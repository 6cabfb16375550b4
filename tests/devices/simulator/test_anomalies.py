"""Each anomaly sends what its rule has to find."""

import polars as pl
import pytest

from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.stream import Injection, Stretch, readings

NOON = 1_764_936_000_000
START = NOON + 5_300
# alert_type: condition and how many readings of it the rule needs (facts.md); windows and spans have tests below.
CONDITIONS = {
    "tachycardia_at_rest": (
        (pl.col("heart_rate") > 100) & (pl.col("activity_level") < 10) & (pl.col("steps_per_minute") < 5), 5
    ),
    "tachycardia": (pl.col("heart_rate") > 180, 1),
    "bradycardia": (pl.col("heart_rate") < 40, 1),
    "hypoxia": (pl.col("spo2_percent").is_between(88, 91), 3),
    "hypoxia_critical": (pl.col("spo2_percent") < 88, 3),
    "fever": (pl.col("body_temp_c") > 38.0, 3),
    "tachypnea": (pl.col("respiratory_rate") > 24, 3),
    "bradypnea": (pl.col("respiratory_rate") < 8, 3),
    "hypertensive_crisis": ((pl.col("blood_pressure_systolic") > 180) | (pl.col("blood_pressure_diastolic") > 120), 1),
    "hypoglycemia": (pl.col("blood_glucose_mg_dl").is_between(54, 69), 1),
    "hypoglycemia_critical": (pl.col("blood_glucose_mg_dl") < 54, 1),
    "hrv_drop": ((pl.col("hrv_ms") < 6) & (pl.col("steps_per_minute") < 5), 3),
    "sensor_off": (pl.col("heart_rate") == 0, 1),
}  # fmt: skip


def injected(name: str, hertz: float = 1.0) -> pl.DataFrame:
    """Ten minutes before the anomaly to ten after, of three people of whom the second has it for its natural length."""
    end = START + ANOMALIES[name].lasts_s * 1000
    who = people(7, wearer_ids(3))
    injection = Injection(name, frozenset({"user_002"}), START, end)
    return readings(Stretch(who, Rate.of(hertz), START - 600_000, end + 600_000), [injection])


def test_there_is_one_for_every_default_rule():
    assert {anomaly.alert_type for anomaly in ANOMALIES.values()} == {
        "TACHYCARDIA_AT_REST", "TACHYCARDIA", "BRADYCARDIA", "HYPOXIA", "FEVER", "TACHYPNEA", "BRADYPNEA",
        "HYPERTENSIVE_CRISIS", "ELEVATED_HEART_RATE", "ELEVATED_BLOOD_PRESSURE", "ELEVATED_BLOOD_SUGAR",
        "HYPOGLYCEMIA", "HRV_DROP", "HEART_RATE_UNUSUAL", "SENSOR_STUCK", "SENSOR_OFF", "DEVICE_SILENT",
    }  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_it_meets_the_condition_of_its_rule_and_nobody_else_does(name: str):
    condition, count = CONDITIONS[name]
    frame = injected(name)
    hits = frame.filter(condition)
    assert len(hits) >= count
    assert set(hits["user_id"]) == {"user_002"}
    assert set(hits["injection"]) == {0}
    assert frame.filter(pl.col("injection") == 0, ~condition).is_empty()


def test_tachycardia_at_rest_is_as_specified():
    frame = injected("tachycardia_at_rest").filter(injection=0)
    assert len(frame) == 60
    assert frame["at_ms"].diff().drop_nulls().unique().to_list() == [500]
    assert set(frame["heart_rate"]) <= set(range(110, 131))
    assert set(frame["activity_level"]) <= {2.0, 3.0, 4.0, 5.0}
    assert set(frame["steps_per_minute"]) == {0.0}
    assert frame["heart_rate"].n_unique() > 5


def test_nothing_is_lost_within_an_anomaly():
    frame = injected("sensor_stuck").filter(injection=0)
    assert len(frame) == ANOMALIES["sensor_stuck"].lasts_s
    assert frame["heart_rate"].n_unique() == 1
    assert frame["heart_rate"].null_count() == 0


def test_a_silent_device_sends_nothing():
    frame = injected("device_silent").filter(user_id="user_002")
    assert frame.filter(pl.col("at_ms").is_between(START, START + 599_999)).is_empty()
    assert not frame.is_empty()


@pytest.mark.parametrize(
    ("name", "metric", "minutes", "at_least"),
    [
        ("elevated_heart_rate", "heart_rate", 1, 100.5),
        ("elevated_blood_pressure", "blood_pressure_systolic", 1, 140),
        ("elevated_blood_sugar", "blood_glucose_mg_dl", 10, 180),
    ],
)
@pytest.mark.parametrize("late_ms", [0, 17_000, 59_000, 299_000])
def test_it_fills_a_whole_window(name: str, metric: str, minutes: int, at_least: float, late_ms: int):
    start = NOON + late_ms
    end = start + ANOMALIES[name].lasts_s * 1000
    who = people(7, wearer_ids(2))
    frame = readings(
        Stretch(who, Rate.of(1.0), start - 600_000, end + 600_000),
        [Injection(name, frozenset({"user_002"}), start, end)],
    )
    window = pl.col("at_ms") // (minutes * 60_000)
    averages = frame.group_by("user_id", window).agg(pl.col(metric).mean()).filter(pl.col(metric) >= at_least)
    assert set(averages["user_id"]) == {"user_002"}


def test_an_unusual_heart_lasts_longer_than_two_minutes_above_90():
    frame = injected("heart_rate_unusual").filter(injection=0)
    assert frame["heart_rate"].min() > 90
    assert frame["heart_rate"].max() <= 100
    assert frame["at_ms"].max() - frame["at_ms"].min() > 120_000


def test_the_last_named_of_overlapping_injections_wins():
    who = people(7, wearer_ids(1))
    both = frozenset({"user_001"})
    first = Injection("hypoxia", both, NOON, NOON + 60_000)
    second = Injection("tachypnea", both, NOON + 30_000, NOON + 90_000)
    frame = readings(Stretch(who, Rate.of(1.0), NOON, NOON + 90_000), [first, second])
    assert frame["injection"].to_list() == [0] * 30 + [1] * 60
    assert frame["at_ms"].n_unique() == 90


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="tachycardia_at_rest"):
        Injection("boredom", frozenset(), 0, 1)


def test_whoever_is_made_to_sit_still_does_not_keep_the_heart_of_a_walk():
    who = people(1, ("user_017",))
    moved = readings(Stretch(who, Rate.of(0.2), NOON, NOON + 86_400_000)).filter(pl.col("steps_per_minute") > 90)
    start, end = moved["at_ms"].min(), moved["at_ms"].min() + 300_000
    stretch = Stretch(who, Rate.of(0.2), start, end)
    walking, sitting = readings(stretch), readings(stretch, [Injection("hypoxia", frozenset(who.user_ids), start, end)])
    least = round(0.75 * who.rmssd.item())
    assert walking["hrv_ms"].min() < least
    assert sitting["hrv_ms"].min() >= least
    assert walking["heart_rate"].max() > who.resting_hr.item() + 15
    assert sitting["heart_rate"].max() <= who.resting_hr.item() + 11
