"""Conditions that are no conditions: refused with the reason and the place, and nothing that could match ever is."""

from math import inf, nextafter
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alerts.engine.language import ConditionError, judge, judge_clear, read_condition
from alerts.engine.language.tree import Condition
from devices.metrics import METRICS
from tests.alerts.engine.language.conditions import NUMBERS, conditions
from tests.alerts.engine.three_valued import truth


def verdict(text: str) -> tuple[str, int]:
    with pytest.raises(ConditionError) as caught:
        judge(read_condition(text))
    return caught.value.message, caught.value.column


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("heart_rate > 500", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate > 350", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("spo2_percent = 0", 1, "this can never be TRUE: spo2_percent is above 0 to 100"),
        ("NOT heart_rate >= 1", 5, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate IN (0, 351)", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate BETWEEN 100 AND 90", 1, "this can never be TRUE: BETWEEN has the lower number first"),
        ("heart_rate BETWEEN 400 AND 500", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate * 2 > 700", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate - hrv_ms > 350", 1, "this can never be TRUE: heart_rate is 1 to 350 and hrv_ms is 0 to 500"),
        ("heart_rate < heart_rate", 1, "this can never be TRUE: heart_rate is 1 to 350"),
        ("hrv_ms > 9 AND heart_rate > 500", 16, "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate > 100 AND heart_rate < 90", 22, "this can never be TRUE: it contradicts what stands before it"),
        ("heart_rate > 100 AND heart_rate <= 100", 22, "this can never be TRUE: it contradicts what stands before it"),
        (
            "heart_rate * 2 > 300 AND heart_rate < 90",
            26,
            "this can never be TRUE: it contradicts what stands before it",
        ),
        ("heart_rate > 100 AND heart_rate IS NULL", 22, "this can never be TRUE: it contradicts what stands before it"),
        (
            "heart_rate > 100 AND (heart_rate < 90 OR heart_rate < 80)",
            23,
            "this can never be TRUE: it contradicts what stands before it",
        ),
        (
            "posture = 'lying' AND posture IN ('seated', 'running')",
            23,
            "this can never be TRUE: it contradicts what stands before it",
        ),
        ("not_worn = 2", 1, "this can never be TRUE: not_worn is 0 to 1"),
        ("heart_rate_z > 150", 1, "this can never be TRUE: heart_rate_z is -117.7 to 117.7"),
        ("heart_rate_rate <= -21000", 1, "this can never be TRUE: heart_rate_rate is -20,940 to 20,940"),
        ("heart_rate > 0", 1, "this is always TRUE: heart_rate is 1 to 350"),
        ("heart_rate <= 350 OR hrv_ms > 9", 1, "this is always TRUE: heart_rate is 1 to 350 and hrv_ms is 0 to 500"),
        ("heart_rate = heart_rate", 1, "this is always TRUE: heart_rate is 1 to 350"),
        ("heart_rate IS NULL OR heart_rate IS NOT NULL", 1, "this is always TRUE: heart_rate is 1 to 350"),
        (
            "sleep_stage IN ('awake', 'light', 'deep', 'rem')",
            1,
            "this is always TRUE: sleep_stage is one of awake, light, deep, rem",
        ),
    ],
)
def test_it_refuses(text: str, column: int, message: str) -> None:
    assert verdict(text) == (message, column)


def test_it_names_the_line_of_the_part_at_fault() -> None:
    with pytest.raises(ConditionError) as caught:
        judge(read_condition("hrv_ms > 20\n  AND heart_rate > 351\n  AND hrv_ms < 30"))
    assert (caught.value.line, caught.value.column) == (2, 7)


@pytest.mark.parametrize(
    "text",
    [
        "heart_rate > 349.9",
        "heart_rate = 350",
        "heart_rate >= 350",
        "(heart_rate < 50 OR heart_rate > 100) AND heart_rate > 120",
        "heart_rate <= 1",
        "spo2_percent < 5e-324 OR spo2_percent <= 5e-324",
        "heart_rate > 500 OR hrv_ms > 100",
        "heart_rate > 0 AND spo2_percent < 92",
        "heart_rate IS NOT NULL",
        "heart_rate IS NULL AND posture IS NULL",
        "heart_rate >= 100 AND heart_rate <= 100",
        "steps_per_minute * 1e-20 * activity_level = 0",
        "(heart_rate > 0) IS NULL",
        "blood_pressure_systolic - blood_pressure_diastolic < 20",
    ],
)
def test_what_can_be_both_is_taken(text: str) -> None:
    judge(read_condition(text))


@pytest.mark.parametrize(
    ("clear", "when", "message"),
    [
        ("heart_rate > 400", "heart_rate > 100", "this can never be TRUE: heart_rate is 1 to 350"),
        ("heart_rate < 400", "heart_rate > 100", "this is always TRUE: heart_rate is 1 to 350"),
        (
            "heart_rate > 120",
            "heart_rate > 100",
            "this can never end an episode: wherever it is TRUE, `when` is TRUE too, and wins",
        ),
    ],
)
def test_a_clear_that_ends_nothing_or_everything_is_refused(clear: str, when: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        judge_clear(read_condition(clear), read_condition(when))
    assert (caught.value.message, caught.value.column) == (message, 1)


@pytest.mark.parametrize(
    ("clear", "when"),
    [
        ("heart_rate < 95", "heart_rate > 100"),
        ("heart_rate > 90", "heart_rate > 100"),
        ("heart_rate > 120", "heart_rate > 100 AND steps_per_minute < 5"),
        ("heart_rate > 120", "heart_rate > 100 AND NOT heart_rate = 130"),
    ],
)
def test_a_clear_that_can_end_an_episode_is_taken(clear: str, when: str) -> None:
    judge_clear(read_condition(clear), read_condition(when))


MARKS = (0, 1, 2, 3, 3.5, 7, 10, 38, 92, 100, 180, 0.1, 0.5, 1e-29)


def stored(name: str) -> tuple[float | str | None, ...]:
    """What may be stored: nothing, the ends of the catalogue's bounds, and thresholds with their neighbours."""
    metric = METRICS[name]
    if metric.is_text:
        return (None, *metric.choices)
    low = nextafter(metric.low, inf) if metric.low_open else metric.low
    near = {each for mark in (*MARKS, low, metric.high) for each in (mark, nextafter(mark, inf), nextafter(mark, -inf))}
    return (None, *sorted(each for each in near if low <= each <= metric.high))


STORED = {name: stored(name) for name in (*NUMBERS, "posture")}


def rows(random: Random, text: str) -> list[dict[str, float | str | None]]:
    """Sixty rows; where `text` multiplies, without what a product takes for 0."""
    multiplies = "*" in text or "/" in text
    made = [{name: random.choice(cells) for name, cells in STORED.items()} for _ in range(60)]
    return [row for row in made if not (multiplies and any(map(is_tiny, row.values())))]


def is_tiny(cell: float | str | None) -> bool:
    return isinstance(cell, float) and 0 < abs(cell) < 1e-30


def read(text: str) -> Condition:
    """Without the start that gives every condition of the strategy a column."""
    try:
        return read_condition(text.removeprefix("heart_rate > 99 OR "))
    except ConditionError as error:
        assume("too large or too small" not in error.message and "terms" not in error.message)
        assume("reads no column" not in error.message)
        raise


@settings(max_examples=400)
@given(conditions(), st.randoms(use_true_random=False))
def test_nothing_that_could_match_or_fail_to_is_ever_refused(text: str, random: Random) -> None:
    condition = read(text)
    try:
        judge(condition)
    except ConditionError as error:
        refused_as_never = "never" in error.message
        assert refused_as_never not in {truth(condition.tree, row) for row in rows(random, text)}


@settings(max_examples=300)
@given(conditions(), conditions(), st.randoms(use_true_random=False))
def test_no_clear_that_could_end_an_episode_is_ever_refused(clear: str, when: str, random: Random) -> None:
    clears, whens = read(clear), read(when)
    try:
        judge_clear(clears, whens)
    except ConditionError as error:
        if "never end" in error.message:
            ends = [row for row in rows(random, clear + when) if truth(clears.tree, row)]
            assert all(truth(whens.tree, row) for row in ends)
