"""What neighbours make of a value: spikes, steps, and a sensor that does not move any more."""

import numpy as np
import pytest

from devices.metrics import METRICS, NEVER_STILL, PACED, Metric
from devices.plausible import SECOND, Past, Values, judge

HEART_RATE = METRICS["heart_rate"]


def judged(*points: tuple[float, float], metric: Metric = HEART_RATE, past: Past | None = None):
    """Which of (second, value) of one person are jumps, which are stuck, and the past after them."""
    at = np.array([round(second * SECOND) for second, _ in points], np.int64)
    values = Values(np.zeros(len(points), np.int64), at, np.array([value for _, value in points], np.float64))
    jumps, stuck, after = judge(values, past or Past.unknown(1), metric)
    return jumps.tolist(), stuck.tolist(), after


def jumps(*points: tuple[float, float], metric: Metric = HEART_RATE) -> list[bool]:
    return judged(*points, metric=metric)[0]


def test_the_first_value_of_all_is_no_jump():
    assert jumps((0, 229)) == [False]


def test_a_spike_is_a_jump_and_the_return_from_it_is_not():
    assert jumps((0, 70), (5, 160), (10, 71), (15, 72)) == [False, True, False, False]


def test_of_a_step_that_lasts_the_first_value_alone_is_a_jump():
    assert jumps((0, 70), (5, 190), (10, 188), (15, 191)) == [False, True, False, False]


def test_values_that_agree_with_nothing_are_jumps_until_one_does():
    assert jumps((0, 70), (5, 160), (10, 225), (15, 160), (20, 72)) == [False, True, True, True, False]


def test_the_last_sound_value_may_itself_lie_far_from_a_jump():
    assert jumps((0, 70), (5, 160), (10, 100), (15, 160), (20, 45)) == [False, True, False, True, True]


def test_what_a_body_can_do_meanwhile_is_no_jump():
    assert jumps((0, 70), (5, 70 + 20 + 15)) == [False, False]
    assert jumps((0, 70), (5, 70 + 20 + 15 + 1)) == [False, True]
    assert jumps((0, 70), (30, 70 + 20 + 90)) == [False, False]


def test_of_a_value_older_than_ten_minutes_nothing_follows():
    core = METRICS["body_temp_c"]
    assert jumps((0, 36.5), (600, 42.0), metric=core) == [False, True]
    assert jumps((0, 36.5), (601, 42.0), metric=core) == [False, False]


def test_a_strap_that_is_taken_off_shows_in_the_skin_temperature():
    skin = METRICS["skin_temp_c"]
    assert jumps((0, 33.1), (5, 22.8), (10, 22.8), metric=skin) == [False, True, False]


def test_what_was_before_a_batch_counts_as_if_it_were_in_it():
    points = [(0, 70), (5, 160), (10, 225), (15, 72), (20, 73)]
    for cut in range(1, len(points)):
        first, _, past = judged(*points[:cut])
        second, _, _ = judged(*points[cut:], past=past)
        assert first + second == [False, True, True, False, False]


@pytest.mark.parametrize("name", PACED)
def test_every_metric_with_a_pace_names_the_flag_of_its_jumps(name: str):
    assert METRICS[name].jump_flag
    assert METRICS[name].suspect_flag
    assert METRICS[name].noise > 0


def test_a_heart_rate_is_stuck_after_thirty_minutes_and_thirty_readings():
    _, stuck, _ = judged(*((60 * minute, 72) for minute in range(33)))
    assert stuck == [False] * 30 + [True] * 3
    _, stuck, _ = judged(*((110 * number, 72) for number in range(31)))
    assert stuck == [False] * 29 + [True] * 2


def test_another_value_frees_it():
    _, stuck, _ = judged(*((60 * minute, 72) for minute in range(32)), (1920, 73), (1980, 72))
    assert stuck[-4:] == [True, True, False, False]


def test_values_further_apart_than_two_minutes_do_not_say_that_nothing_changed():
    _, stuck, _ = judged(*((60 * minute, 72) for minute in range(30)), (1740 + 121, 72))
    assert not any(stuck)


def test_it_is_stuck_in_whatever_batches_it_came():
    points = [(60 * minute, 72) for minute in range(33)]
    past, found = None, []
    for point in points:
        _, stuck, past = judged(point, past=past)
        found += stuck
    assert found == [False] * 30 + [True] * 3


def test_nothing_but_the_heart_rate_is_never_still():
    assert NEVER_STILL == ("heart_rate",)
    _, stuck, _ = judged(*((60 * minute, 97) for minute in range(40)), metric=METRICS["spo2_percent"])
    assert not any(stuck)
