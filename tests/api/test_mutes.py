"""Planned activity by API: who may plan what for whom, and how it ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Mute
from devices.models import User
from devices.times import rfc3339
from tests.alerts.test_rules_service import yaml
from tests.api.test_errors import error
from tests.made import make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rule(db: None) -> None:
    make_rule("tachycardia-at-rest", source=yaml("tachycardia-at-rest"))


def plan(client: Any, **changed: Any) -> Any:
    body = {"user_id": "user_001", "rules": ["tachycardia-at-rest"], "minutes": 60, "why": "gym"} | changed
    return client.post(
        "/api/v1/mutes/", {name: value for name, value in body.items() if value is not None}, format="json"
    )


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 201), ("analyst", 201), ("lead", 201), ("stranger", 404), ("staff", 404)]
)
def test_whoever_may_see_a_person_plans_for_them_and_ends_it(
    call: Any, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    client = call(request.getfixturevalue(who))
    made = plan(client)
    assert made.status_code == status, made.content
    if status != 201:
        assert not Mute.objects.exists()
        return
    mute = made.json()
    assert (mute["user_id"], mute["made_by"], mute["over_at"]) == ("user_001", who.replace("wearer", "user_001"), None)
    ended = client.post(f"/api/v1/mutes/{mute['mute_id']}/end/")
    assert ended.status_code == 200
    assert ended.json()["over_at"] == ended.json()["ends_at"]
    assert error(client.post(f"/api/v1/mutes/{mute['mute_id']}/end/"), 409)["code"] == "over"


def test_nobody_lists_or_ends_what_is_of_people_they_may_not_see(
    call: Any, wearer: User, stranger: User, analyst: User
) -> None:
    mute = plan(call(analyst)).json()
    assert [row["mute_id"] for row in call(analyst).get("/api/v1/mutes/").json()["results"]] == [mute["mute_id"]]
    assert call(stranger).get("/api/v1/mutes/").json()["results"] == []
    assert call(stranger).post(f"/api/v1/mutes/{mute['mute_id']}/end/").status_code == 404


def test_they_are_listed_by_person_and_by_whether_they_are_on(call: Any, lead: User, wearer: User, other: User) -> None:
    client, later = call(lead), timezone.now() + timedelta(hours=2)
    on = plan(client).json()["mute_id"]
    planned = plan(client, starts_at=rfc3339(later)).json()["mute_id"]
    over = plan(client, user_id="user_002").json()["mute_id"]
    client.post(f"/api/v1/mutes/{over}/end/")

    def listed(query: str) -> list[int]:
        return [row["mute_id"] for row in client.get(f"/api/v1/mutes/?{query}").json()["results"]]

    assert [listed(f"state={state}") for state in ("on", "planned", "over")] == [[on], [planned], [over]]
    assert listed("user_id=user_001") == [planned, on]
    assert set(listed("")) == {on, planned, over}
    assert paged(client, "/api/v1/mutes/?limit=1") == listed("") == [planned, *sorted((on, over), reverse=True)]


def paged(client: Any, address: str | None) -> list[int]:
    """All of them, a page after the other."""
    found: list[int] = []
    while address:
        page = client.get(address).json()
        assert len(page["results"]) == 1
        found += [row["mute_id"] for row in page["results"]]
        address = page["next"]
    return found


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"rules": ["no-such-rule"]}, "rules"),
        ({"rules": []}, "rules"),
        ({"minutes": None}, "ends_at"),
        ({"minutes": 13 * 60}, "minutes"),
        ({"minutes": None, "ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "9999-12-31T23:30:00Z"}, "starts_at"),
        ({"starts_at": "9999-12-31T23:30:00Z", "minutes": None, "ends_at": "9999-12-31T23:59:00Z"}, "starts_at"),
        ({"why": " "}, "why"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(call: Any, analyst: User, changed: dict[str, Any], field: str) -> None:
    answer = plan(call(analyst), **changed)
    assert list(error(answer, 400)["fields"]) == [field]
