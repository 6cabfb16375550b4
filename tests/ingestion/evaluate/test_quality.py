"""Jumps and stuck sensors as they are stored: decided on arrival, whatever the batches, whoever restarts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.metrics import METRICS, PACED, Flag
from devices.models import Reading
from devices.partitions import Partitions
from ingestion.evaluate.quality import Quality
from ingestion.write.store import direct_rows, store, with_flags
from tests.ingestion.rows import NOON, event_id, frame, row
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)
DOUBTFUL = Flag.HEART_RATE_JUMP | Flag.SUSPECT_HEART_RATE
Rows = Sequence[dict[str, Any]]


@pytest.fixture(autouse=True)
def partitions() -> None:
    make_installation()
    Partitions(span="month").ensure([NOON])


def write(quality: Quality, rows: Rows, *, commits: bool = True) -> list[int]:
    """The flags of a batch, stored where it `commits`."""
    with transaction.atomic(durable=True):
        judged, arrival = quality.judge(frame(*rows))
        store(judged)
        transaction.set_rollback(not commits)
    if commits:
        quality.keep(arrival)
    return judged["flags"].to_list()


def of(*points: tuple[float, float | None], **values: Any) -> list[dict[str, Any]]:
    """Readings of (second, heart rate)."""
    return [
        row(number, recorded_at=NOON + timedelta(seconds=second), heart_rate=rate, **values)
        for number, (second, rate) in enumerate(points)
    ]


def test_a_jump_is_flagged_with_its_reason_and_the_doubt_of_its_metric():
    assert write(Quality(), of((0, 70.0), (5, 160.0), (10, 71.0))) == [0, DOUBTFUL, 0]


def test_people_are_judged_apart():
    first, second = of((0, 70.0), (5, 71.0)), of((1, 160.0), (6, 161.0), user_id=2)
    assert write(Quality(), [first[0], second[0], first[1], second[1]]) == [0, 0, 0, 0]


def test_a_reading_that_is_not_newer_than_those_before_it_is_neither_judged_nor_a_judge():
    quality = Quality()
    assert write(quality, of((10, 70.0), (5, 160.0), (10, 200.0), (15, 72.0))) == [
        0,
        Flag.OUT_OF_ORDER,
        Flag.OUT_OF_ORDER,
        0,
    ]
    assert write(quality, [row(50, recorded_at=NOON, heart_rate=190.0), row(51, heart_rate=73.0)]) == [
        Flag.OUT_OF_ORDER,
        0,
    ]


def test_a_late_reading_is_called_late_and_no_more():
    quality = Quality()
    write(quality, of((0, 70.0)))
    assert write(quality, of((-700, 160.0), flags=int(Flag.LATE))) == [Flag.LATE]
    assert write(Quality(), [row(1, heart_rate=72.0)]) == [0]


def test_a_reading_without_the_metric_lies_between_without_a_word():
    assert write(Quality(), of((0, 70.0), (2, None), (5, 160.0))) == [0, 0, DOUBTFUL]


def test_of_people_who_send_different_metrics_each_is_judged_by_their_own_past():
    quality = Quality()
    first, second, third = of((0, 70.0), (5, 160.0)), of((0, None), (5, None), user_id=2), of((0, 160.0), (5, 161.0))
    third = [each | {"user_id": 3} for each in third]
    assert write(quality, [second[0], first[0], third[0]]) == [0, 0, 0]
    assert write(quality, [third[1], second[1], first[1]]) == [0, 0, DOUBTFUL]
    alone = [each | {"user_id": 3} for each in of((10, 70.0))]
    assert write(quality, alone) == [DOUBTFUL]


@pytest.mark.parametrize(("rate", "flags"), [(162.0, DOUBTFUL), (72.0, 0)])
def test_a_restart_goes_on_where_the_last_consumer_stopped(rate: float, flags: int):
    write(Quality(), of((0, 70.0), (5, 160.0), (10, 225.0)))
    assert write(Quality(), [row(20, recorded_at=NOON + timedelta(seconds=15), heart_rate=rate)]) == [flags]


def test_a_restart_leaves_out_what_came_out_of_order():
    write(Quality(), of((0, 70.0), (10, None), (5, 160.0)))
    assert write(Quality(), [row(11, heart_rate=72.0)]) == [0]


def test_a_restart_sees_where_a_run_was_interrupted():
    rows = of((-60, 71.0), *((60 * minute, 72.0) for minute in range(20)), (1261, 72.0))
    later = [NOON + timedelta(seconds=1261 + 60 * minute) for minute in range(1, 32)]
    more = [row(1000 + number, recorded_at=at, heart_rate=72.0) for number, at in enumerate(later)]
    write(Quality(), rows)
    assert [bool(flags) for flags in write(Quality(), more)] == [False] * 29 + [True] * 2


@pytest.mark.parametrize("seen", [5, 29, 31])
def test_a_restart_knows_how_long_a_heart_rate_has_been_the_same(seen: int):
    rows = of((-60, 71.0), *((60 * minute, 72.0) for minute in range(33)))
    flags = write(Quality(), rows[: seen + 1]) + write(Quality(), rows[seen + 1 :])
    stuck = Flag.HEART_RATE_STUCK | Flag.SUSPECT_HEART_RATE
    assert flags == [0] * 31 + [stuck] * 3


def test_a_batch_that_was_rolled_back_leaves_nothing():
    quality = Quality()
    write(quality, of((0, 70.0)))
    write(quality, [row(5, heart_rate=160.0)], commits=False)
    assert write(quality, [row(6, heart_rate=161.0), row(7, heart_rate=71.0)]) == [DOUBTFUL, 0]


def test_there_is_room_for_any_number_of_people():
    quality = Quality()
    many = [row(number % 900, user_id=number, heart_rate=70.0) for number in range(1, 1500)]
    write(quality, many[:700])
    assert write(quality, many[700:]) == [0] * 799
    assert write(quality, [row(901, user_id=number, heart_rate=160.0) for number in (3, 1400)]) == [0, 0]
    later = [row(903, user_id=number, heart_rate=70.0) for number in (3, 1400)]
    assert write(quality, later) == [DOUBTFUL, DOUBTFUL]


def test_people_who_were_forgotten_make_room_and_are_read_back():
    quality = Quality()
    write(quality, [row(0, user_id=number, heart_rate=70.0) for number in (1, 2, 3)])
    quality.forget([1, 2, 77])
    assert write(quality, [row(5, user_id=number, heart_rate=160.0) for number in (4, 2, 3, 5, 1)]) == [
        0, DOUBTFUL, DOUBTFUL, 0, DOUBTFUL,
    ]  # fmt: skip


def test_new_flags_are_put_into_what_is_written_already():
    rows = frame(*of((0, 70.0), (5, None), (10, 160.0), (3, 71.0), posture="lying"), row(9, user_id=2, posture="rem"))
    flagged = rows.with_columns(pl.Series("flags", [1, 0, 2**23, 17, 5]))
    assert with_flags(direct_rows(rows), flagged).data == direct_rows(flagged).data


class Twin:
    """The definition, a reading at a time: what the module says, in the order in which it says it."""

    def __init__(self) -> None:
        self.newest: dict[int, Any] = {}
        self.said: dict[tuple[int, str], list[tuple[Any, float, bool]]] = {}

    def flags(self, reading: dict[str, Any]) -> int:
        user, at = reading["user_id"], reading["recorded_at"]
        if user in self.newest and at <= self.newest[user]:
            return Flag.LATE if self.newest[user] - at > timedelta(minutes=10) else Flag.OUT_OF_ORDER
        self.newest[user] = at
        return sum(self.doubt(user, name, at, reading[name]) for name in PACED if reading.get(name) is not None)

    def doubt(self, user: int, name: str, at: Any, value: float) -> int:
        metric, said = METRICS[name], self.said.setdefault((user, name), [])
        is_jump = bool(said) and self.is_far(metric, said[-1], at, value)
        if is_jump and said[-1][2]:
            sound = [each for each in said if not each[2]]
            is_jump = bool(sound) and self.is_far(metric, sound[-1], at, value)
        said.append((at, value, is_jump))
        run = [at]
        for (before, other, _), (after, _, _) in zip(said[-2::-1], said[:0:-1], strict=True):
            if other != value or after - before > timedelta(minutes=2):
                break
            run.append(before)
        is_stuck = metric.stuck_flag and len(run) >= 30 and at - run[-1] >= timedelta(minutes=30)
        flags = (metric.jump_flag if is_jump else 0) | (metric.stuck_flag if is_stuck else 0)
        return flags | metric.suspect_flag if flags else 0

    @staticmethod
    def is_far(metric: Any, other: tuple[Any, float, bool], at: Any, value: float) -> bool:
        apart = (at - other[0]).total_seconds()
        return apart <= 600 and abs(value - other[1]) > metric.noise + metric.fastest / 60 * apart


SECONDS = st.sampled_from([1, 5, 5, 5, 20, 60, 60, 60, 119, 121, 400, 599, 601])
READING = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from([1, 2]),
        "heart_rate": st.sampled_from([None, 70.0, 70.0, 71.0, 100.0, 160.0, 30.0]),
        "body_temp_c": st.sampled_from([None, 36.5, 36.6, 39.0, 42.0]),
    }
)
STEPS = st.lists(st.tuples(SECONDS, READING, st.integers(0, 3)), min_size=1, max_size=40)


def arrivals(steps: Sequence[tuple[int, dict[str, Any], int]], still: int) -> list[dict[str, Any]]:
    """Readings in order of arrival: each step may be held back by up to three; then `still` minutes without change."""
    second, rows = 0, []
    for number, (apart, values, held_back) in enumerate(steps):
        second += apart
        rows.append((number + held_back, row(number, recorded_at=NOON + timedelta(seconds=second), **values)))
    found = [each for _, each in sorted(rows, key=lambda each: each[0])]
    for minute in range(still):
        second += 60
        at = NOON + timedelta(seconds=second)
        found.append(row(1000 + minute, recorded_at=at, user_id=1, heart_rate=70.0))
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS, st.integers(0, 40), st.lists(st.tuples(st.integers(0, 80), st.booleans()), max_size=12))
def test_neither_batches_nor_restarts_make_a_difference(steps, still, cuts):
    Reading.objects.all().delete()
    rows = arrivals(steps, still)
    twin = Twin()
    expected = [int(twin.flags(each)) for each in rows]
    restarts = dict(cuts)
    quality, found, begin = Quality(), [], 0
    for end in sorted({cut for cut in restarts if 0 < cut < len(rows)} | {len(rows)}):
        found += write(quality, rows[begin:end])
        if restarts.get(end):
            quality = Quality()
        begin = end
    assert found == expected
    stored = dict(Reading.objects.values_list("event_id", "flags"))
    assert {str(key): flags for key, flags in stored.items()} == {
        each["event_id"]: flags for each, flags in zip(rows, expected, strict=True)
    }
    assert event_id(0) in {str(key) for key in stored}
