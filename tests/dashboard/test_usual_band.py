"""The usual band of a wearer's charts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.usual_band import Band, bands_of
from devices.models import Baseline, User
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_wearer

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 3, 29, tzinfo=UTC)  # at 01:00 Vienna's clocks go forward
HOUR = timedelta(hours=1)


def known(user: User, medians: dict[int, float | None], *, begins: datetime = MIDNIGHT, **fields: Any) -> None:
    values = {"metric": "heart_rate", "zone": "UTC", "mad": 4.0, "values": 900, "days": 28} | fields
    for hour, median in medians.items():
        mad = None if median is None else values["mad"]
        Baseline.objects.create(user=user, valid_from=begins, local_hour=hour, median=median, **(values | {"mad": mad}))


def band(user: User, since: datetime, until: datetime) -> Band:
    return bands_of(user_id=user.pk, since=since, until=until, names=("heart_rate",))["heart_rate"]


def hours(found: Band) -> list[tuple[float, float | None]]:
    """When each stretch begins, in hours after midnight, and the middle of its limits."""
    begins = [(at - MIDNIGHT.timestamp()) / 3600 for at in found.at]
    return [(at, sum(each) / 2 if each else None) for at, each in zip(begins, found.limits, strict=True)]


def test_it_reaches_two_standard_deviations_to_either_side() -> None:
    wearer = make_wearer()
    known(wearer, {10: 70.0})
    low, high = band(wearer, MIDNIGHT, MIDNIGHT + 12 * HOUR).limits_at(MIDNIGHT + 10.5 * HOUR) or (0, 0)
    assert (low, high) == pytest.approx((70 - 2 * 4 / 0.6745, 70 + 2 * 4 / 0.6745))


def test_it_is_never_thinner_than_the_sensor_is_exact_nor_beyond_what_can_be() -> None:
    wearer = make_wearer()
    known(wearer, {10: 99.0}, metric="spo2_percent", mad=0.0)
    found = bands_of(user_id=wearer.pk, since=MIDNIGHT, until=MIDNIGHT + 24 * HOUR, names=("spo2_percent",))
    assert found["spo2_percent"].limits_at(MIDNIGHT + 10 * HOUR) == pytest.approx((99 - 2 / 0.6745, 100))


def test_it_changes_with_the_hours_of_the_persons_own_clock() -> None:
    wearer = make_wearer()
    known(wearer, dict(enumerate(range(60, 84))), zone="Europe/Vienna")
    assert hours(band(wearer, MIDNIGHT - 0.9 * HOUR, MIDNIGHT + 2 * HOUR)) == [
        (-1, 60), (0, 61), (1, 63), (2, 64),
    ]  # fmt: skip


def test_a_zone_off_by_45_minutes_begins_its_hours_there() -> None:
    wearer = make_wearer()
    known(wearer, dict(enumerate(range(60, 84))), zone="Asia/Kathmandu")
    assert hours(band(wearer, MIDNIGHT, MIDNIGHT + HOUR)) == [(0, 65), (0.25, 66)]


def test_each_time_has_the_set_that_held_and_what_came_before_all_the_first() -> None:
    wearer = make_wearer()
    every_hour = range(24)
    known(wearer, dict.fromkeys(every_hour, 70.0), begins=MIDNIGHT)
    known(wearer, dict.fromkeys(every_hour, 80.0), begins=MIDNIGHT + 24 * HOUR)
    assert hours(band(wearer, MIDNIGHT - 48 * HOUR, MIDNIGHT + 30 * HOUR)) == [(-48, 70), (24, 80)]
    assert hours(band(wearer, MIDNIGHT + 25 * HOUR, MIDNIGHT + 30 * HOUR)) == [(25, 80)]
    assert hours(band(wearer, MIDNIGHT + HOUR, MIDNIGHT + 5 * HOUR)) == [(1, 70)]


def test_an_hour_that_is_not_known_has_none() -> None:
    wearer = make_wearer()
    known(wearer, {0: 70.0, 1: None, 3: 72.0})
    found = band(wearer, MIDNIGHT, MIDNIGHT + 4 * HOUR)
    assert hours(found) == [(0, 70), (1, None), (3, 72), (4, None)]
    assert found.learning_words == ""


def test_it_says_how_much_it_has_learned() -> None:
    wearer = make_wearer()
    assert band(wearer, MIDNIGHT, MIDNIGHT + HOUR).learning_words == "learning what is usual, 0 of 7 days"
    known(wearer, {0: None}, days=3)
    assert band(wearer, MIDNIGHT, MIDNIGHT + HOUR).learning_words == "learning what is usual, 3 of 7 days"


def test_the_page_draws_it_and_names_it(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=3, until=just_now(), heart_rate=70, hrv_ms=40)
    before = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    known(wearer, dict.fromkeys(range(24), 70.0), begins=before)
    response = visit(analyst).get("/wearers/user_001/?range=1h")
    heart = response.context["data"]["strips"]["heart_rate"]["band"]
    assert heart["low"] == [pytest.approx(58.14)]
    assert heart["high"] == [pytest.approx(81.86)]
    assert response.context["data"]["strips"]["steps"]["band"] is None
    assert "usual for the hour" in response.text
    assert "usual for that hour 58 to 82" in response.text
    assert "learning what is usual, 0 of 7 days" in response.text


def test_without_any_it_is_learning_and_nothing_is_named(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=3, until=just_now(), heart_rate=70)
    response = visit(analyst).get("/wearers/user_001/")
    assert "learning what is usual, 0 of 7 days" in response.text
    assert "usual for the hour" not in response.text
