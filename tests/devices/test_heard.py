"""When somebody was last heard, and how often they usually are."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from devices.heard import Heard, heard_again, last_heard, silent_people
from devices.metrics import Flag
from devices.models import Device, Reading, User
from tests.made import NOON, make_partitions, make_wearer

pytestmark = pytest.mark.django_db
FRESH = timedelta(minutes=15)
HOUR = timedelta(hours=1)


@pytest.fixture
def ann() -> User:
    make_partitions(NOON, NOON - timedelta(days=29))
    return make_wearer("ann")


def store(person: User, *seconds: float, after: float = 0, **values: Any) -> None:
    """Readings of these seconds from noon, received `after` seconds later."""
    Reading.objects.bulk_create(
        Reading(
            user=person,
            recorded_at=NOON + timedelta(seconds=second),
            received_at=NOON + timedelta(seconds=second + after),
            event_id=uuid4(),
            **values,
        )
        for second in seconds
    )


def heard(person: User) -> Heard | None:
    return last_heard([person.pk], until=NOON + HOUR, freshness=FRESH).get(person.pk)


def cadence(person: User) -> float | None:
    found = heard(person)
    return found.cadence.total_seconds() if found else None


def silent(minutes: float, *, at: float = 60) -> list[str]:
    until, length = NOON + timedelta(minutes=at), timedelta(minutes=minutes)
    return sorted(silent_people(until=until, shortest=length, longest=length).values())


def test_the_cadence_is_the_median_gap_of_the_last_fifty(ann: User) -> None:
    store(ann, *range(-10_000, -1_000, 10))  # older than the fifty
    store(ann, *range(-490, 1, 10), after=1.5)
    assert heard(ann) == Heard(NOON + timedelta(seconds=1.5), timedelta(seconds=10), is_set=False)
    store(ann, *range(100, 100 + 26 * 60, 60))  # 25 gaps of a minute, and one of 100 s, among 49
    assert cadence(ann) == 60


def test_one_long_gap_is_no_habit(ann: User) -> None:
    store(ann, *range(0, 30, 5), *range(2_000, 2_030, 5))
    assert cadence(ann) == 5


def test_nine_readings_are_no_habit_and_ten_are(ann: User) -> None:
    store(ann, *range(9))
    assert heard(ann) is None
    store(ann, 9)
    assert cadence(ann) == 1


def test_a_cadence_that_was_set_beyond_all_counts_as_a_day(ann: User) -> None:
    store(ann, 0)
    Device.objects.create(user=ann, kind="scale", cadence_s=1e300)
    assert cadence(ann) == 86_400


def test_only_fresh_readings_tell_a_cadence(ann: User) -> None:
    store(ann, *range(0, 200, 20))
    store(ann, *range(300, 400), flags=int(Flag.LATE))
    assert cadence(ann) == 20
    store(ann, *range(500, 600), after=FRESH.total_seconds() + 1)
    assert cadence(ann) == 20
    store(ann, *range(700, 800), after=FRESH.total_seconds())
    assert cadence(ann) == 1


def test_a_cadence_that_is_set_wins_the_smallest_of_several(ann: User) -> None:
    store(ann, 0)
    for kind, seconds in (("scale", 86_400), ("watch", 300), ("ring", None)):
        Device.objects.create(user=ann, kind=kind, cadence_s=seconds)
    assert heard(ann) == Heard(NOON, timedelta(seconds=300), is_set=True)


def test_who_was_never_heard_has_no_silence(ann: User) -> None:
    Device.objects.create(user=ann, kind="watch", cadence_s=60)
    assert heard(ann) is None
    assert silent(0) == []


def test_it_was_the_last_receipt_not_the_last_time_of_a_clock_that_is_ahead(ann: User) -> None:
    store(ann, *range(0, 200, 20))
    store(ann, 500, after=-300)  # said to be of 12:08:20, received at 12:03:20
    store(ann, 210)
    found = heard(ann)
    assert found is not None
    assert found.at == NOON + timedelta(seconds=210)


def test_whoever_spoke_lately_is_left_out_at_once(ann: User) -> None:
    store(ann, 0)
    assert silent(60) == ["ann"]
    assert silent(60.1) == []


def test_who_stopped_days_ago_is_looked_after_only_with_a_cadence(ann: User) -> None:
    store(ann, 0)
    two_days = 2 * 24 * 60
    assert silent(5, at=two_days + 4) == ["ann"]
    assert silent(5, at=two_days + 6) == []
    Device.objects.create(user=ann, kind="scale", cadence_s=86_400)
    assert silent(5, at=two_days + 6) == ["ann"]


def test_who_is_heard_again_was_so_at_the_first_reading(ann: User) -> None:
    store(ann, -20, -10, 0)
    asked = [(ann.pk, NOON), (ann.pk, NOON - timedelta(seconds=10))]
    assert heard_again(asked[:1], until=NOON + HOUR) == {}
    store(ann, *range(600, 1_600, 10), after=2)
    assert heard_again(asked, until=NOON + HOUR) == {
        asked[0]: NOON + timedelta(seconds=602), asked[1]: NOON
    }  # fmt: skip


def test_a_reading_of_before_that_came_now_is_heard(ann: User) -> None:
    store(ann, *range(0, 100, 10))
    store(ann, 85, after=900)
    asked = (ann.pk, NOON + timedelta(seconds=90))
    assert heard_again([asked], until=NOON + HOUR) == {asked: NOON + timedelta(seconds=985)}
