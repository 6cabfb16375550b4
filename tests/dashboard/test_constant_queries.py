"""A page asks the database as often for three hundred people and their alerts as for three."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert
from devices.models import Device, Reading, User
from tests.dashboard.pages import Visit, just_now
from tests.made import make_alert, make_partitions

pytestmark = pytest.mark.django_db
PAGES = ("/", "/overview/parts/", "/wearers/", "/alerts/", "/alerts/known/", "/wearers/many_0/", "alert", "/devices/")


def people_with_alerts(numbers: range) -> None:
    """Each with two readings, a device, an alert that fires and one that ended, every third of them triaged."""
    now = just_now()
    make_partitions(now)
    User.objects.bulk_create(User(username=f"many_{number}", is_wearer=True) for number in numbers)
    made = list(User.objects.filter(username__in=[f"many_{number}" for number in numbers]))
    Device.objects.bulk_create(Device(user=user, kind="apple_watch") for user in made)
    Reading.objects.bulk_create(
        Reading(user=user, recorded_at=at, received_at=at, event_id=f"{user.pk:032x}", heart_rate=70)
        for user in made
        for at in (now, now - timedelta(seconds=5))
    )
    pattern = make_alert(made[0], opened_at=now - timedelta(minutes=1))
    values = {field.attname: getattr(pattern, field.attname) for field in Alert._meta.concrete_fields}
    pattern.delete()
    del values["alert_id"], values["user_id"]
    ended = {"episode": "ended", "end": "cleared", "started_at": now - timedelta(hours=1)}
    Alert.objects.bulk_create(
        Alert(**(values | change), user=user, triaged_by=user if user.pk % 3 else None, assignee=user)
        for user in made
        for change in ({}, ended)
    )


def queries_of(client: Client, page: str) -> int:
    cache.clear()
    if page == "alert":
        page = f"/alerts/{Alert.objects.order_by('user__username', 'episode').values_list('pk', flat=True)[0]}/"
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


def test_no_page_asks_once_a_person_or_an_alert(visit: Visit, lead: User) -> None:
    client = visit(lead)
    people_with_alerts(range(3))
    for page in PAGES:
        queries_of(client, page)  # what is asked once in a process
    few = {page: queries_of(client, page) for page in PAGES}
    people_with_alerts(range(3, 300))
    assert {page: queries_of(client, page) for page in PAGES} == few
