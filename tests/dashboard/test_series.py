"""A person's readings as lines, put together from stored minutes: the same as from the readings, peaks and all."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import floor
from typing import Any

import pytest
from django.db import connection

from dashboard.series import MOST_POINTS, RANGES, Series, series_of
from devices.metrics import Flag
from devices.models import MetricWindow, Reading, User
from ingestion.evaluate.late import Span
from ingestion.evaluate.window_rows import window_rows, windows_store
from ingestion.evaluate.windows import Windows
from tests.made import NOON, make_partitions

pytestmark = pytest.mark.django_db
UNTIL = NOON + timedelta(hours=3, minutes=7, seconds=23)
SPIKE_AT = NOON + timedelta(hours=1, minutes=31, seconds=17.25)
BUCKETS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=2)]


def fill(wearer: User) -> None:
    """Twice a second from noon on, with a gap and a spike of one reading; SpO2 every seventh time."""
    make_partitions(NOON)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO devices_reading (user_id, recorded_at, received_at, event_id, flags, heart_rate,
                                            spo2_percent, sleep_stage)
               SELECT %s, at, at, gen_random_uuid(), 0, 60 + n %% 41, CASE WHEN n %% 7 = 0 THEN 90 + n %% 9 END, 'deep'
                 FROM generate_series(%s::timestamptz, %s::timestamptz, '500 ms') WITH ORDINALITY AS s (at, n)
                WHERE at NOT BETWEEN %s AND %s""",
            [wearer.pk, NOON, UNTIL, NOON + timedelta(minutes=40), NOON + timedelta(minutes=52)],
        )
    spike = {"heart_rate": 171.0, "flags": int(Flag.HEART_RATE_JUMP), "sleep_stage": "awake"}
    Reading.objects.create(user=wearer, recorded_at=SPIKE_AT, received_at=SPIKE_AT, event_id=SPIKE_ID, **spike)


SPIKE_ID = "00000000-0000-0000-0000-00000000beef"


def make_minutes(wearer: User, since: datetime = NOON) -> None:
    """Those that the stream worker stores of these readings."""
    with_all = Windows(freshness=timedelta(minutes=15))
    windows_store(window_rows(with_all.again({wearer.pk: Span(since, UNTIL)}, at=UNTIL, wanted={})))
    assert MetricWindow.objects.filter(user=wearer).exists()


def asked(wearer: User, since: datetime, bucket: timedelta) -> Series:
    return series_of(user_id=wearer.pk, since=since, until=UNTIL, bucket=bucket)


def brute_force(wearer: User, since: datetime, bucket: timedelta, name: str) -> Iterator[tuple[float, float, float]]:
    """Lowest, average and highest of each bucket that has a value, reading by reading."""
    found: dict[int, list[float]] = {}
    rows = Reading.objects.filter(user=wearer, recorded_at__gte=since, recorded_at__lt=UNTIL)
    for at, value in rows.order_by("recorded_at").values_list("recorded_at", name):
        if value is not None:
            found.setdefault(floor(at.timestamp() / bucket.total_seconds()), []).append(value)
    for values in found.values():
        yield min(values), sum(values) / len(values), max(values)


@pytest.mark.parametrize("bucket", BUCKETS, ids=str)
@pytest.mark.parametrize(
    "since", [NOON - timedelta(hours=1), NOON + timedelta(minutes=13, seconds=31)], ids=["all", "part"]
)
def test_from_minutes_every_bucket_has_the_lowest_and_the_highest_of_its_readings(
    wearer: User, since: datetime, bucket: timedelta
) -> None:
    fill(wearer)
    make_minutes(wearer)
    found = asked(wearer, since, bucket)
    for name in ("heart_rate", "spo2_percent"):
        points = [point for point in found.lines[name] if point]
        expected = list(brute_force(wearer, since, bucket, name))
        assert [(low, high) for low, _, high in points] == [(low, high) for low, _, high in expected]
        assert [average for _, average, _ in points] == pytest.approx([average for _, average, _ in expected])
    assert max(high for _, _, high in points_of(found)) == 171


def points_of(found: Series) -> list[tuple[float, float, float]]:
    return [point for point in found.lines["heart_rate"] if point]


def test_a_line_is_the_same_with_and_without_minutes(wearer: User) -> None:
    fill(wearer)
    bucket = timedelta(minutes=5)
    before = asked(wearer, NOON, bucket)
    make_minutes(wearer)
    after = asked(wearer, NOON, bucket)
    assert after.lines.keys() == before.lines.keys()
    assert after.lines["heart_rate"] == [pytest.approx(point) for point in before.lines["heart_rate"]]
    assert (after.flags, after.texts) == (before.flags, before.texts)
    assert [abs(one - other) < 30 for one, other in zip(after.at, before.at, strict=True)] == [True] * len(after.at)
    assert after.line("heart_rate").gaps == before.line("heart_rate").gaps


def test_readings_from_before_there_were_minutes_are_drawn_too(wearer: User) -> None:
    fill(wearer)
    make_minutes(wearer, since=NOON + timedelta(hours=2))
    points = points_of(asked(wearer, NOON, timedelta(minutes=5)))
    assert [(low, high) for low, _, high in points] == [
        (low, high) for low, _, high in brute_force(wearer, NOON, timedelta(minutes=5), "heart_rate")
    ]


def test_a_long_range_is_read_from_minutes_and_a_short_one_from_readings(wearer: User) -> None:
    fill(wearer)
    make_minutes(wearer)
    MetricWindow.objects.filter(user=wearer).update(max_heart_rate=200)
    assert max(high for _, _, high in points_of(asked(wearer, NOON, timedelta(minutes=5)))) == 200
    assert max(high for _, _, high in points_of(asked(wearer, NOON, timedelta(seconds=10)))) == 171


@pytest.mark.parametrize("chosen", RANGES, ids=lambda each: each.name)
def test_no_range_has_more_points_than_a_screen(chosen: Any) -> None:
    assert chosen.length / chosen.bucket <= MOST_POINTS


def test_the_word_of_a_bucket_is_the_last_that_was_said_in_it(wearer: User) -> None:
    make_partitions(NOON)
    for second, stage in ((1, "light"), (2, "rem"), (3, None), (301, "deep")):
        at = NOON + timedelta(seconds=second)
        Reading.objects.create(user=wearer, recorded_at=at, received_at=at, event_id=SPIKE_ID, sleep_stage=stage)
    assert asked(wearer, NOON, timedelta(minutes=5)).texts["sleep_stage"] == ["rem", "deep"]
