"""What is measured now and then: shown with its age, though hundreds of other readings came since."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.wearers.rows import WALKED
from devices.models import MetricWindow, User
from tests.dashboard.pages import Visit, just_now, read

pytestmark = pytest.mark.django_db
TEN_MINUTES = 600


def measure(user: User, at: datetime, **values: float) -> None:
    """A reading, and the window of ten minutes that it lies in."""
    read(user, times=1, until=at, **values)
    ended_at = datetime.fromtimestamp((at.timestamp() // TEN_MINUTES + 1) * TEN_MINUTES, UTC)
    counts = {f"count_{name}": 1 for name in values}
    MetricWindow.objects.create(
        user=user, size_s=TEN_MINUTES, every_s=TEN_MINUTES, ended_at=ended_at, received_at=ended_at, is_fresh=True,
        flags=0, count=1, **counts,
    )  # fmt: skip


def test_a_pressure_of_hours_ago_is_shown_with_its_age_and_one_of_yesterday_is_not(
    visit: Visit, wearer: User, analyst: User
) -> None:
    now = just_now()
    read(wearer, times=WALKED, until=now, every=timedelta(seconds=1), heart_rate=70)
    measure(wearer, now - timedelta(hours=1), heart_rate=70)
    for hours, systolic in ((3, 138), (9, 121), (30, 190)):
        measure(wearer, now - timedelta(hours=hours), blood_pressure_systolic=systolic, blood_pressure_diastolic=86)
    (row,) = visit(analyst).get("/wearers/").context["rows"]
    assert row.pressure == "138/86"
    assert row.values["blood_pressure_systolic"].recorded_at == now - timedelta(hours=3)
    MetricWindow.objects.filter(ended_at__gt=now - timedelta(hours=24)).delete()
    (row,) = visit(analyst).get("/wearers/").context["rows"]
    assert row.pressure == ""


def test_one_among_the_newest_readings_goes_before_it(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    measure(wearer, now - timedelta(hours=3), blood_pressure_systolic=138, blood_pressure_diastolic=86)
    read(wearer, times=1, until=now, blood_pressure_systolic=119, blood_pressure_diastolic=79)
    (row,) = visit(analyst).get("/wearers/").context["rows"]
    assert row.pressure == "119/79"


def test_one_that_lies_in_no_complete_window_yet_is_found_behind_hundreds_of_others(
    visit: Visit, wearer: User, analyst: User
) -> None:
    now = just_now()
    read(wearer, times=WALKED, until=now, every=timedelta(milliseconds=500), heart_rate=70)
    measure(wearer, now - timedelta(minutes=25), blood_pressure_systolic=138, blood_pressure_diastolic=86)
    read(wearer, times=1, until=now - timedelta(minutes=8), blood_pressure_systolic=127, blood_pressure_diastolic=81)
    (row,) = visit(analyst).get("/wearers/").context["rows"]
    assert row.pressure == "127/81"
