"""What is usual for a person: by the hour of their own day, from enough good values, and never changed."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from devices import baselines
from devices.baselines import baselines_drop, baselines_holding, baselines_make, valid_from
from devices.metrics import BASELINED, METRICS, NUMERIC, Flag
from devices.models import Baseline, Reading, User
from devices.models.person import validate_time_zone
from devices.usual import usual
from tests.made import make_partitions, make_wearer

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 3, 30, tzinfo=UTC)  # Vienna's clocks went forward the day before, at 01:00 UTC
DAY = timedelta(days=1)


def reading(user: User, at: datetime, flags: int = 0, **values: float) -> Reading:
    return Reading(user=user, recorded_at=at, received_at=at, event_id=uuid4(), flags=flags, **values)


def store(*rows: Reading) -> None:
    make_partitions(*{row.recorded_at.replace(day=1, hour=0) for row in rows})
    Reading.objects.bulk_create(rows)


def days_of(user: User, *, days: int, a_day: int, until: datetime = MIDNIGHT, **values: float) -> list[Reading]:
    """So many readings in the hour after each of the last midnights, of rising values."""
    return [
        reading(user, until - day * DAY + n * timedelta(minutes=1), **{k: v + n for k, v in values.items()})
        for day in range(1, days + 1)
        for n in range(a_day)
    ]


def found(user: User, metric: str = "heart_rate") -> dict[int, tuple[Any, ...]]:
    rows = Baseline.objects.filter(user=user, metric=metric)
    return {row.local_hour: (row.median, row.mad, row.values, row.days) for row in rows}


def by_hand(rows: list[Reading], zone: str, name: str) -> dict[int, tuple[Any, ...]]:
    """The definition, one reading after the other."""
    kept: dict[int, list[tuple[float, Any]]] = defaultdict(list)
    for row in rows:
        value = getattr(row, name)
        inside = MIDNIGHT - 28 * DAY <= row.recorded_at < MIDNIGHT
        if value is not None and inside and not row.flags & (METRICS[name].suspect_flag or 0):
            local = row.recorded_at.astimezone(ZoneInfo(zone))
            kept[local.hour].append((value, local.date()))
    made = {}
    for hour, pairs in kept.items():
        values, days = np.array([value for value, _ in pairs]), len({day for _, day in pairs})
        median, enough = np.median(values), len(values) >= 200 and days >= 7
        mad = np.median(np.abs(values - median))
        made[hour] = (median if enough else None, mad if enough else None, len(values), days)
    return made


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "Asia/Kathmandu", "America/St_Johns"])
def test_it_is_what_the_definition_says(zone: str) -> None:
    wearer, stray = make_wearer(time_zone=zone), np.random.default_rng(4)
    rows = []
    for minute in range(0, 30 * 1440, 4):
        values = {
            "heart_rate": float(stray.integers(50, 90)),
            "skin_temp_c": float(stray.normal(34, 0.4)) if stray.random() < 0.6 else None,
            "blood_pressure_systolic": 120.0 if minute % 360 == 0 else None,
        }
        flags = int(Flag.SUSPECT_HEART_RATE) if stray.random() < 0.1 else 0
        rows.append(reading(wearer, MIDNIGHT - 29 * DAY + timedelta(minutes=minute), flags, **values))
    store(*rows)
    assert baselines_make(as_of=MIDNIGHT) == 1
    for name in BASELINED:
        assert found(wearer, name) == by_hand(rows, zone, name)
    assert sum(median is not None for median, *_ in found(wearer).values()) == 24


def test_nobody_has_one_without_readings() -> None:
    make_wearer()
    assert baselines_make(as_of=MIDNIGHT) == 0
    assert not Baseline.objects.exists()


@pytest.mark.parametrize(
    ("days", "a_day", "median"), [(6, 60, None), (7, 60, 79.5), (7, 28, None), (8, 25, 62.0), (28, 7, None)]
)
def test_it_is_learning_below_7_days_or_200_values(days: int, a_day: int, median: float | None) -> None:
    wearer = make_wearer()
    store(*days_of(wearer, days=days, a_day=a_day, heart_rate=50))
    baselines_make(as_of=MIDNIGHT)
    assert found(wearer)[0][0] == median
    assert found(wearer)[0][2:] == (days * a_day, days)


def test_an_hour_that_the_clock_skips_has_a_day_less() -> None:
    wearer = make_wearer(time_zone="Europe/Vienna")
    store(*[reading(wearer, MIDNIGHT - n * timedelta(hours=1), heart_rate=60) for n in range(1, 28 * 24 + 1)])
    baselines_make(as_of=MIDNIGHT)
    days = {hour: row[3] for hour, row in found(wearer).items()}
    assert days[2] == 27
    assert days[3] == 28


def test_an_hour_that_the_clock_goes_through_twice_holds_both() -> None:
    back = datetime(2026, 10, 26, tzinfo=UTC)  # Vienna's clocks went back the day before, at 01:00 UTC
    wearer = make_wearer(time_zone="Europe/Vienna")
    store(*[reading(wearer, back - n * timedelta(hours=1), heart_rate=60) for n in range(1, 28 * 24 + 1)])
    baselines_make(as_of=back)
    assert found(wearer)[2][2:] == (29, 28)


def test_suspect_values_are_left_out_of_their_own_metric_only() -> None:
    wearer = make_wearer()
    good = days_of(wearer, days=7, a_day=40, heart_rate=60, hrv_ms=40)
    store(*good, *[
        reading(wearer, row.recorded_at + timedelta(seconds=1), Flag.SUSPECT_HEART_RATE, heart_rate=240, hrv_ms=40)
        for row in good
    ])  # fmt: skip
    baselines_make(as_of=MIDNIGHT)
    assert found(wearer)[0] == (79.5, 10.0, 280, 7)
    assert found(wearer, "hrv_ms")[0][2] == 560


def test_what_was_not_measured_counts_for_nothing() -> None:
    wearer = make_wearer()
    rows = days_of(wearer, days=7, a_day=40, heart_rate=60)
    for row in rows[::2]:
        row.heart_rate, row.flags = None, int(Flag.HEART_RATE_NOT_MEASURED)
    store(*rows)
    baselines_make(as_of=MIDNIGHT)
    assert found(wearer)[0][2] == 140


def test_a_second_run_of_the_same_night_changes_nothing() -> None:
    wearer, later = make_wearer(), make_wearer("user_002")
    store(*days_of(wearer, days=7, a_day=40, heart_rate=60))
    assert baselines_make(as_of=MIDNIGHT) == 1
    before = list(Baseline.objects.values())
    store(*days_of(wearer, days=20, a_day=40, until=MIDNIGHT + timedelta(hours=3) - DAY, heart_rate=90))
    User.objects.filter(pk=wearer.pk).update(time_zone="Asia/Tokyo")
    assert baselines_make(as_of=MIDNIGHT - timedelta(minutes=15)) == 0
    assert list(Baseline.objects.values()) == before
    store(*days_of(later, days=7, a_day=40, heart_rate=60))
    assert baselines_make(as_of=MIDNIGHT) == 1


def test_of_two_makers_at_once_one_makes_the_whole_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wearer = make_wearer()
    store(*days_of(wearer, days=7, a_day=40, heart_rate=60))

    def overtaken(readings: Any, *, zone: str) -> Any:
        monkeypatch.setattr(baselines, "usual", usual)
        User.objects.filter(pk=wearer.pk).update(time_zone="Asia/Tokyo")
        assert baselines_make(as_of=MIDNIGHT) == 1
        return usual(readings, zone=zone)

    monkeypatch.setattr(baselines, "usual", overtaken)
    assert baselines_make(as_of=MIDNIGHT) == 0
    assert set(Baseline.objects.values_list("zone", flat=True)) == {"Asia/Tokyo"}


def test_a_new_time_zone_begins_with_the_next_set() -> None:
    wearer = make_wearer()
    store(*days_of(wearer, days=8, a_day=40, heart_rate=60))
    baselines_make(as_of=MIDNIGHT - timedelta(hours=1))
    User.objects.filter(pk=wearer.pk).update(time_zone="Asia/Tokyo")
    baselines_make(as_of=MIDNIGHT + DAY - timedelta(hours=1))
    sets = Baseline.objects.filter(metric="heart_rate").values_list("valid_from", "zone", "local_hour")
    assert list(sets) == [(MIDNIGHT, "UTC", 0), (MIDNIGHT + DAY, "Asia/Tokyo", 9)]


@pytest.mark.parametrize(
    ("as_of", "begins"),
    [
        (MIDNIGHT, MIDNIGHT),
        (MIDNIGHT - timedelta(minutes=55), MIDNIGHT),
        (MIDNIGHT + timedelta(seconds=1), MIDNIGHT + DAY),
        (datetime(2026, 3, 30, 1, tzinfo=ZoneInfo("Europe/Vienna")), MIDNIGHT),
    ],
)
def test_it_holds_from_the_next_utc_midnight(as_of: datetime, begins: datetime) -> None:
    assert valid_from(as_of) == begins


def test_a_zone_that_is_no_place_is_taken_as_utc_and_refused_where_it_is_set() -> None:
    wearer = make_wearer(time_zone="localtime")
    store(*days_of(wearer, days=7, a_day=40, heart_rate=60))
    baselines_make(as_of=MIDNIGHT)
    assert set(Baseline.objects.values_list("zone", "local_hour")) == {("UTC", 0)}
    with pytest.raises(Exception, match="is not an IANA time zone"):
        validate_time_zone("localtime")


def test_the_frame_holds_the_set_of_the_beginning_and_those_that_follow() -> None:
    wearer = make_wearer()
    store(*days_of(wearer, days=10, a_day=40, heart_rate=60, hrv_ms=30))
    for day in range(4):
        baselines_make(as_of=MIDNIGHT - day * DAY)
    start, end = MIDNIGHT - 2 * DAY + timedelta(hours=5), MIDNIGHT - timedelta(hours=1)
    frame = baselines_holding(user_ids=[wearer.pk], since=start, until=end, metrics=["heart_rate"])
    assert sorted(frame["valid_from"].unique()) == [MIDNIGHT - 2 * DAY, MIDNIGHT - DAY]
    assert frame["metric"].unique().to_list() == ["heart_rate"]
    before = baselines_holding(user_ids=[wearer.pk], since=MIDNIGHT - 9 * DAY, until=MIDNIGHT - 8 * DAY)
    assert before.height == 0


def test_a_set_that_says_nothing_of_a_metric_takes_the_place_of_the_one_that_did() -> None:
    wearer = make_wearer()
    rows = {"user": wearer, "local_hour": 0, "zone": "UTC", "median": 60, "mad": 5, "values": 500, "days": 9}
    for day, metrics in enumerate((["heart_rate"], ["heart_rate", "hrv_ms"], ["hrv_ms"])):
        Baseline.objects.bulk_create(Baseline(metric=name, valid_from=MIDNIGHT - day * DAY, **rows) for name in metrics)
    frame = baselines_holding(user_ids=[wearer.pk], since=MIDNIGHT - DAY, until=MIDNIGHT, metrics=["hrv_ms"])
    assert sorted(frame.select("valid_from", "metric").rows()) == [(MIDNIGHT - DAY, "hrv_ms"), (MIDNIGHT, None)]


def test_sets_that_are_over_go_with_the_retention_and_the_one_that_holds_stays() -> None:
    wearer = make_wearer()
    store(*days_of(wearer, days=10, a_day=40, heart_rate=60))
    for day in range(3):
        baselines_make(as_of=MIDNIGHT - day * DAY)
    assert baselines_drop(before=MIDNIGHT - DAY + timedelta(hours=3)) == 1
    assert baselines_drop(before=MIDNIGHT + 90 * DAY) == 1
    assert Baseline.objects.get().valid_from == MIDNIGHT


def test_the_command_takes_the_midnight_of_a_date() -> None:
    store(*days_of(make_wearer(), days=7, a_day=40, heart_rate=60))
    out = StringIO()
    call_command("make_baselines", "--as-of", "2026-03-30", stdout=out)
    assert out.getvalue() == "1 people have a baseline that is valid from 2026-03-30 on\n"
    with pytest.raises(CommandError, match="is not a date such as"):
        call_command("make_baselines", "--as-of", "yesterday")


@pytest.mark.parametrize("wrong", [{"median": 60.0}, {"mad": 1.0}, {"median": 60.0, "mad": -1.0}, {"local_hour": 24}])
def test_half_a_baseline_and_hours_of_no_clock_are_refused(wrong: dict[str, Any]) -> None:
    row = {"metric": "heart_rate", "local_hour": 0, "zone": "UTC", "values": 1, "days": 1} | wrong
    with pytest.raises(IntegrityError):
        Baseline.objects.create(user=make_wearer(), valid_from=MIDNIGHT, **row)


def test_only_vitals_have_one() -> None:
    assert {METRICS[name].group for name in BASELINED} == {"vitals"}
    assert set(BASELINED) == {name for name in NUMERIC if METRICS[name].group == "vitals"}
    assert all((METRICS[name].mad_floor or 0) > 0 for name in BASELINED)
