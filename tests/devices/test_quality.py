"""What a value is worth: sentinels become null, values out of the inner bounds are flagged."""

from typing import Any

import polars as pl
import pytest

from devices.metrics import METRICS, Flag
from devices.quality import assess


def assessed(**values: Any) -> dict[str, Any]:
    return assess(pl.DataFrame({name: [value] for name, value in values.items()})).row(0, named=True)


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("heart_rate", 0.0, Flag.HEART_RATE_NOT_MEASURED),
        ("heart_rate", 255.0, Flag.HEART_RATE_NOT_MEASURED),
        ("spo2_percent", 0.0, Flag.SPO2_NOT_MEASURED),
        ("respiratory_rate", 0.0, Flag.RESPIRATORY_RATE_NOT_MEASURED),
    ],
)
def test_a_sentinel_is_stored_as_null_and_flagged(name: str, value: float, flag: Flag):
    assert assessed(**{name: value}) == {name: None, "flags": flag}


@pytest.mark.parametrize("name", [metric.name for metric in METRICS.values() if metric.suspect_flag])
def test_the_inner_bounds_are_sound_and_what_lies_outside_is_suspect(name: str):
    metric = METRICS[name]
    for value in (float(metric.suspect_low), float(metric.suspect_high)):
        assert assessed(**{name: value}) == {name: value, "flags": 0}
    outside = (metric.suspect_low - 0.5, metric.suspect_high + 0.5)
    for value in outside:
        assert assessed(**{name: value}) == {name: value, "flags": metric.suspect_flag}


@pytest.mark.parametrize(
    ("systolic", "diastolic", "suspect"),
    [(120, 80, False), (120, 110, False), (120, 110.5, True), (200, 50, False), (200, 49, True), (120, None, False)],
)
def test_a_pulse_pressure_below_10_or_above_150_is_suspect(systolic: float, diastolic: float | None, suspect: bool):
    found = assessed(blood_pressure_systolic=float(systolic), blood_pressure_diastolic=diastolic)
    assert bool(found["flags"] & Flag.SUSPECT_BLOOD_PRESSURE) is suspect


def test_flags_add_up():
    found = assessed(heart_rate=240.0, spo2_percent=0.0, body_temp_c=None)
    assert found["flags"] == Flag.SUSPECT_HEART_RATE | Flag.SPO2_NOT_MEASURED


def test_absent_values_are_not_remarkable():
    frame = pl.DataFrame({name: pl.Series([None], dtype=pl.Float64) for name in ("heart_rate", "spo2_percent")})
    assert assess(frame)["flags"].to_list() == [0]
