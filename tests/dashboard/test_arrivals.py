"""When an alert came to the list, as a row says it and as the database is asked."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.models import Alert
from dashboard.desk.arrivals import came_after, came_at
from tests.made import NOON, make_alert, make_wearer

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ({}, NOON),
        ({"renewed_at": NOON + MINUTE}, NOON + MINUTE),
        ({"triaged_at": NOON + MINUTE}, NOON + MINUTE),
        ({"triaged_at": NOON + MINUTE, "triage": "acknowledged"}, NOON),
        ({"triaged_at": NOON + MINUTE, "renewed_at": NOON + 2 * MINUTE}, NOON + 2 * MINUTE),
    ],
)
def test_it_came_when_it_opened_or_when_it_was_last_new_again(fields: dict[str, Any], came: datetime) -> None:
    make_alert(make_wearer(), **fields)
    Alert.objects.update(created_at=NOON)
    assert came_at(Alert.objects.get()) == came
    assert not Alert.objects.filter(came_after(came)).exists()
    assert Alert.objects.filter(came_after(came - timedelta(microseconds=1))).exists()
