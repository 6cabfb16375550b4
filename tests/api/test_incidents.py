"""Incidents by API: who sees which, and what belongs to one."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert, Incident
from alerts.notify.incidents import incidents_update
from devices.models import Look, User
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(wearer: User, other: User) -> list[Alert]:
    """Two alerts of Ann that belong together, and one of somebody else."""
    alerts = [
        make_alert(wearer),
        make_alert(wearer, rule=make_rule("worse"), severity="CRITICAL", opened_at=NOON + timedelta(seconds=30)),
        make_alert(other, episode="ended", end="cleared"),
    ]
    incidents_update(at=NOON + timedelta(minutes=1))
    return alerts


def listed(client: Any, query: str = "") -> list[Any]:
    answer = client.get(f"/api/v1/incidents/?{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["results"])


@pytest.mark.parametrize(("who", "sees"), [("wearer", 1), ("analyst", 1), ("lead", 2), ("stranger", 0), ("staff", 0)])
def test_everyone_sees_those_of_whom_they_may_see(
    call: Any, request: pytest.FixtureRequest, two: list[Alert], who: str, sees: int
) -> None:
    client = call(request.getfixturevalue(who))
    seen = {row["incident_id"] for row in listed(client)}
    assert len(seen) == sees
    for incident in Incident.objects.all():
        status = client.get(f"/api/v1/incidents/{incident.pk}/").status_code
        assert status == (200 if str(incident.pk) in seen else 404)


def test_one_names_its_alerts_and_the_worst_severity(call: Any, analyst: User, two: list[Alert]) -> None:
    (row,) = listed(call(analyst))
    assert (row["user_id"], row["severity"], row["class"], row["state"]) == (
        "user_001", "CRITICAL", "clinical", "open",
    )  # fmt: skip
    whole = call(analyst).get(f"/api/v1/incidents/{row['incident_id']}/").json()
    assert [(each["alert_id"], each["severity"], each["status"]) for each in whole["alerts"]] == [
        (str(two[0].pk), "HIGH", "new"),
        (str(two[1].pk), "CRITICAL", "new"),
    ]
    assert Look.objects.filter(viewer=analyst, person=two[0].user, way="api").exists()


def test_they_narrow_by_person_state_severity_class_and_time(call: Any, lead: User, two: list[Alert]) -> None:
    client = call(lead)

    def of(query: str) -> list[str]:
        return sorted(row["user_id"] for row in listed(client, query))

    assert of("state=ended") == of("severity=HIGH") == of("user_id=user_002") == ["user_002"]
    assert of("severity=HIGH&severity=CRITICAL") == of("class=clinical") == ["user_001", "user_002"]
    assert of("since=2026-03-01T13:00:00Z") == of("class=technical") == []
    assert client.get("/api/v1/incidents/?state=x").status_code == 400
