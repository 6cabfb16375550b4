"""The sentence of an alert says why in plain words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from alerts.engine import RuleSet, advance, new_person
from alerts.engine.rule import over_rows
from alerts.engine.source import COLUMNS
from alerts.rule_files import parse_rule, read_rules
from alerts.sentence import sentence, silence_sentence

START = datetime(2026, 3, 1, 14, 30, 2, tzinfo=UTC)
RULES = {rule.id: rule for rule in over_rows(read_rules()[0])}


def said(rule_id: str, *readings: dict[str, Any], source: str = "") -> str:
    """Of the one episode that the rule finds in rows a second apart."""
    rule = parse_rule(source).rule if source else RULES[rule_id]
    assert rule is not None
    types = {name: pl.String if column.is_text else pl.Float64 for name, column in COLUMNS.items()}
    columns = {name: pl.Series([row.get(name) for row in readings], dtype=type_) for name, type_ in types.items()}
    times = [START + timedelta(seconds=number) for number in range(len(readings))]
    at = pl.Series(times, dtype=pl.Datetime("us", "UTC"))
    count = len(readings)
    rows = pl.DataFrame(
        {"user_id": [1] * count, "recorded_at": at, "received_at": at, "event_id": [None] * count, "flags": [0] * count}
        | columns,
        schema_overrides={"event_id": pl.String, "user_id": pl.Int64, "flags": pl.Int64},
    )
    rules = RuleSet([rule])
    (stretch,) = advance(rules, {1: new_person(rules)}, rows).stretches
    return sentence(rule, stretch.episodes[0])


def at_rest(rate: float) -> dict[str, Any]:
    return {"heart_rate": rate, "activity_level": 4, "steps_per_minute": 0}


def test_the_contracts_example():
    rates = (108, 110, 126, 119, 112, 120, 115)
    expected = "Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02."
    assert said("tachycardia-at-rest", *map(at_rest, rates)) == expected


def test_one_reading_and_one_value_are_said_as_such():
    assert said("bradycardia", {"heart_rate": 38}) == "Heart rate below 40 for 1 reading (38 bpm) since 14:30:02."


@pytest.mark.parametrize(
    ("rule_id", "reading", "expected"),
    [
        ("hypoxia", {"spo2_percent": 90}, "SpO₂ below 92 % for 3 readings (90 %) since 14:30:02."),
        ("fever", {"body_temp_c": 38.4}, "Core temperature above 38 for 3 readings (38.4 °C) since 14:30:02."),
    ],
)
def test_units_and_decimals_are_those_of_the_catalogue(rule_id: str, reading: dict[str, Any], expected: str):
    assert said(rule_id, reading, reading, reading) == expected


def test_two_measures_are_joined():
    found = said("hypertensive-crisis", {"blood_pressure_systolic": 190, "blood_pressure_diastolic": 95})
    assert found == (
        "Systolic pressure above 180 or Diastolic pressure above 120 for 1 reading (190 mmHg, 95 mmHg) since 14:30:02."
    )


def test_a_rule_without_a_plain_comparison_says_its_title():
    source = """
id: odd
alert_type: ODD
title: An odd heart
severity: LOW
over: reading
when: heart_rate - hrv_ms > 100
max_gap: 60s
measures: [heart_rate]
description: A test's rule.
falsepositives: [none]
references: [none]
"""
    assert said("", {"heart_rate": 180, "hrv_ms": 20}, source=source) == (
        "An odd heart for 1 reading (180 bpm) since 14:30:02."
    )


MADE = """
id: made
alert_type: MADE
title: A made rule
severity: LOW
over: {over}
when: {when}
max_gap: 60s
measures: [{measures}]
"""


def test_a_distance_from_ones_usual_is_said_in_sigma_and_both_limits_hold():
    source = MADE.format(over="reading", when="hrv_ms_z < -3 AND hrv_ms < 30", measures="hrv_ms, hrv_ms_z")
    found = said("", {"hrv_ms": 20, "hrv_ms_z": -4.25}, {"hrv_ms": 22, "hrv_ms_z": -3.5}, source=source)
    assert found == (
        "HRV against usual below -3 σ and HRV below 30 for 2 readings (20-22 ms, -4.2 to -3.5 σ) since 14:30:02."
    )


def test_windows_are_counted_as_windows():
    source = MADE.format(over="window(10m)", when="avg_blood_glucose_mg_dl >= 180", measures="avg_blood_glucose_mg_dl")
    assert said("", {"avg_blood_glucose_mg_dl": 191.4}, source=source) == (
        "Average glucose at or above 180 for 1 window of 10 min (191 mg/dL) since 14:30:02."
    )


@pytest.mark.parametrize(
    ("cadence_s", "limit_s", "until_s", "heard", "usual"),
    [
        (1, 120, None, "since 14:30:02, for longer than 2 min", "1 s"),
        (0.2, 150, None, "since 14:30:02, for longer than 2 min 30 s", "0.2 s"),
        (300, 3_900, None, "since 14:30:02, for longer than 1 h 5 min", "5 min"),
        (40, 120, 3_605, "from 14:30:02 to 15:30:07, for 1 h", "40 s"),
        (86_400, 259_200, None, "since 2026-03-01 14:30:02, for longer than 3 d", "1 d"),
        (60, 180, 40_000, "from 2026-03-01 14:30:02 to 01:36:42, for 11 h 6 min", "1 min"),
    ],
)
def test_a_silence_says_since_when_and_what_is_usual(
    cadence_s: float, limit_s: float, until_s: float | None, heard: str, usual: str
) -> None:
    limit = timedelta(seconds=limit_s)
    said = silence_sentence(
        heard_at=START,
        opened_at=START + limit,
        cadence=timedelta(seconds=cadence_s),
        limit=limit,
        until=None if until_s is None else START + timedelta(seconds=until_s),
    )
    assert said == f"Nothing heard {heard}; usually a reading comes every {usual}."
