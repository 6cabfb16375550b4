"""Summaries: the same numbers as plain arithmetic, and again when something comes late."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl
import pytest

from alerts.due_hours import DueHours, minute_of
from alerts.models import Alert, DueHour, Summary
from alerts.summaries import summaries_make
from devices.models import Reading, User
from tests.made import NOON, make_alert, make_partitions, make_rule, make_wearer

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AFTER = NOON + 2 * HOUR


@pytest.fixture
def store() -> Callable[..., None]:
    """Stores readings as a batch does: rows, and the marks of their hours."""

    def readings(user: User, *rows: tuple[datetime, dict[str, Any]], at: datetime = NOON) -> None:
        make_partitions(*(recorded_at for recorded_at, _ in rows))
        Reading.objects.bulk_create(
            Reading(user=user, recorded_at=recorded_at, received_at=at, event_id=uuid4(), **values)
            for recorded_at, values in rows
        )
        times = pl.Series("recorded_at", [at for at, _ in rows], dtype=pl.Datetime("us", "UTC"))
        DueHours().mark(pl.DataFrame({"user_id": [user.pk] * len(rows), "recorded_at": times}), at=at)

    return readings


def hour(user: User, start: datetime = NOON) -> Summary:
    return Summary.objects.get(user=user, period="hour", start=start)


def test_an_hour_is_what_arithmetic_says(store) -> None:
    ann, bob = make_wearer("ann"), make_wearer("bob")
    rates = [61.5, 70.0, 99.25, 58.0]
    store(ann, *((NOON + n * MINUTE, {"heart_rate": rate, "posture": "seated"}) for n, rate in enumerate(rates)))
    store(ann, (NOON + 50 * MINUTE, {"spo2_percent": 97.0}), (NOON + HOUR, {"heart_rate": 200.0}))
    store(bob, (NOON, {"heart_rate": 40.0}))
    assert summaries_make(at=AFTER) == 3
    summary = hour(ann)
    assert summary.readings == 5
    assert summary.metrics == {
        "heart_rate": {"count": 4, "min": 58.0, "avg": pytest.approx(sum(rates) / 4), "max": 99.25},
        "spo2_percent": {"count": 1, "min": 97.0, "avg": 97.0, "max": 97.0},
    }
    assert hour(bob).metrics["heart_rate"]["avg"] == 40.0
    assert hour(ann, NOON + HOUR).metrics["heart_rate"]["max"] == 200.0


def test_a_day_is_what_arithmetic_says(store) -> None:
    ann = make_wearer("ann")
    rows = [(NOON + n * 7 * MINUTE, {"heart_rate": 50.0 + n * n % 37}) for n in range(60)]
    store(ann, *rows)
    summaries_make(at=NOON + 12 * HOUR)
    day = Summary.objects.get(user=ann, period="day")
    rates = [values["heart_rate"] for _, values in rows]
    assert (day.start, day.readings) == (NOON.replace(hour=0), 60)
    assert day.metrics["heart_rate"] == {
        "count": 60, "min": min(rates), "avg": pytest.approx(sum(rates) / 60, abs=1e-5), "max": max(rates)
    }  # fmt: skip


def test_an_hour_is_summed_up_once_it_is_over_and_its_marks_are_taken(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON + MINUTE, {"heart_rate": 60.0}))
    assert summaries_make(at=NOON + HOUR - MINUTE) == 0
    assert summaries_make(at=NOON + HOUR) == 1
    assert not DueHour.objects.exists()
    assert summaries_make(at=NOON + HOUR) == 0


def test_marks_of_the_present_minute_wait_since_somebody_may_still_write_them(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}), at=AFTER)
    assert summaries_make(at=AFTER + MINUTE) == 0
    assert summaries_make(at=AFTER + 2 * MINUTE) == 1


def test_late_data_makes_its_hour_and_its_day_again(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    summaries_make(at=AFTER)
    store(ann, (NOON + MINUTE, {"heart_rate": 80.0}), at=AFTER)
    assert summaries_make(at=AFTER + 2 * MINUTE) == 1
    assert hour(ann).metrics["heart_rate"] == {"count": 2, "min": 60.0, "avg": 70.0, "max": 80.0}
    assert Summary.objects.get(period="day").readings == 2
    assert Summary.objects.count() == 2


def test_work_is_bounded_and_the_next_run_goes_on(store) -> None:
    ann = make_wearer("ann")
    store(ann, *((NOON - n * HOUR, {"heart_rate": 60.0}) for n in range(5)))
    assert [summaries_make(at=AFTER, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert Summary.objects.filter(period="hour").count() == 5


def test_alerts_are_counted_by_severity_when_they_opened_unless_withdrawn(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    make_alert(ann)
    make_alert(ann, rule=make_rule("b"), severity="LOW")
    make_alert(ann, rule=make_rule("c"), severity="LOW", episode="withdrawn")
    make_alert(ann, rule=make_rule("d"), severity="LOW", opened_at=NOON + HOUR)
    make_alert(make_wearer("bob"), rule=make_rule("e"))
    summaries_make(at=AFTER)
    assert hour(ann).alerts == {"HIGH": 1, "LOW": 1}
    assert Summary.objects.get(period="day").alerts == {"HIGH": 1, "LOW": 2}


def test_an_alert_that_was_still_on_its_way_when_its_hour_was_summed_up_is_counted(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    summaries_make(at=AFTER)
    alert = make_alert(ann)
    Alert.objects.filter(pk=alert.pk).update(changed_at=AFTER - timedelta(seconds=5))
    assert summaries_make(at=AFTER + MINUTE / 2) == 1
    assert hour(ann).alerts == {"HIGH": 1}
    assert summaries_make(at=AFTER + 2 * MINUTE) == 1
    assert summaries_make(at=AFTER + 3 * MINUTE) == 0


def test_an_alert_that_is_withdrawn_later_is_counted_no_more(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    make_alert(ann)
    summaries_make(at=AFTER)
    assert hour(ann).alerts == {"HIGH": 1}
    Alert.objects.update(episode="withdrawn", changed_at=AFTER + MINUTE)
    assert summaries_make(at=AFTER + 2 * MINUTE) == 1
    assert hour(ann).alerts == {}
    assert summaries_make(at=AFTER + 3 * MINUTE) == 0


def test_numbers_stay_when_the_readings_they_are_of_are_gone(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    alert = make_alert(ann)
    summaries_make(at=AFTER)
    kept = list(Summary.objects.order_by("period").values("period", "readings", "metrics"))
    later = AFTER + timedelta(days=40)
    Reading.objects.all().delete()  # as retention drops them
    Alert.objects.filter(pk=alert.pk).update(severity="LOW", changed_at=later)  # somebody closes it, say
    assert summaries_make(at=later + MINUTE) == 1
    assert hour(ann).alerts == {"LOW": 1}
    assert list(Summary.objects.order_by("period").values("period", "readings", "metrics")) == kept
    assert kept[1]["readings"] == 1


def test_a_day_counts_alerts_of_hours_without_readings(store) -> None:
    ann = make_wearer("ann")
    store(ann, (NOON, {"heart_rate": 60.0}))
    summaries_make(at=AFTER)
    silent = make_alert(ann, severity="LOW", opened_at=NOON + 2 * HOUR, changed_at=AFTER + MINUTE)
    assert summaries_make(at=AFTER + 2 * MINUTE) == 0
    assert Summary.objects.get(period="day").alerts == {"LOW": 1}
    Alert.objects.filter(pk=silent.pk).update(episode="withdrawn", changed_at=AFTER + 3 * MINUTE)
    summaries_make(at=AFTER + 4 * MINUTE)
    assert (Summary.objects.get(period="day").alerts, Summary.objects.count()) == ({}, 2)


def marks() -> list[tuple[int, datetime, int]]:
    return list(DueHour.objects.order_by("user", "start").values_list("user_id", "start", "minute"))


def of(user: User, *times: datetime) -> pl.DataFrame:
    at = pl.Series("recorded_at", times, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"user_id": [user.pk] * len(times), "recorded_at": at})


def test_an_hour_is_marked_once_a_minute_and_again_when_it_might_be_taken_already() -> None:
    ann, bob, hours, minute = make_wearer("ann"), make_wearer("bob"), DueHours(), minute_of(NOON)

    def mark(rows: pl.DataFrame, second: int) -> None:
        at = NOON + timedelta(seconds=second)
        hours.keep(hours.mark(rows, at=at), at=at)

    mark(of(ann, NOON, NOON + MINUTE, NOON - MINUTE), 0)
    both = [(ann.pk, NOON - HOUR, minute), (ann.pk, NOON, minute)]
    assert marks() == both
    DueHour.objects.all().delete()
    mark(of(ann, NOON), 1)
    assert marks() == []  # remembered
    mark(of(bob, NOON), 2)
    assert marks() == [(bob.pk, NOON, minute)]
    mark(of(ann, NOON), 50)
    assert marks() == [(ann.pk, NOON, minute), (bob.pk, NOON, minute)]
    mark(of(ann, NOON), 61)
    assert (ann.pk, NOON, minute + 1) in marks()


def test_what_was_not_committed_is_marked_again() -> None:
    ann, hours = make_wearer("ann"), DueHours()
    hours.mark(of(ann, NOON), at=NOON)
    DueHour.objects.all().delete()
    hours.mark(of(ann, NOON), at=NOON)
    assert len(marks()) == 1
    hours.keep(hours.mark(of(ann, NOON), at=NOON), at=NOON)
    DueHour.objects.all().delete()
    hours.drop()
    hours.mark(of(ann, NOON), at=NOON)
    assert len(marks()) == 1
