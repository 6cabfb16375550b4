"""Wearers and devices by API."""

from datetime import timedelta
from uuid import uuid4

import pytest

from alerts.models import Summary
from devices.models import Device, Reading, User
from tests.api.test_errors import error
from tests.made import NOON, make_partitions, make_user, make_wearer

pytestmark = pytest.mark.django_db


def names(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["user_id"] for row in response.json()["results"]]


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("wearer", ["user_001"]),
        ("analyst", ["user_001"]),
        ("lead", ["user_001", "user_002"]),
        ("stranger", []),
        ("staff", []),
    ],
)
def test_everyone_sees_the_wearers_they_may_see(  # noqa: PLR0917  # personas and cases
    call, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: list[str]
) -> None:
    client = call(request.getfixturevalue(who))
    assert names(client.get("/api/v1/wearers/")) == sees
    for user_id in ("user_001", "user_002", "nobody"):
        expected = 200 if user_id in sees else 404
        assert client.get(f"/api/v1/wearers/{user_id}/").status_code == expected
        assert client.get(f"/api/v1/readings/?user_id={user_id}").status_code == expected
        assert client.get(f"/api/v1/summaries/?user_id={user_id}").status_code == expected


def test_a_nul_in_the_address_names_nobody(call, lead: User) -> None:
    assert error(call(lead).get("/api/v1/wearers/%00/"), 404)["code"] == "not_found"


def test_a_wearer_comes_with_their_newest_values(call, wearer: User) -> None:
    make_partitions(NOON)
    for seconds, values in ((0, {"heart_rate": 70.0, "body_temp_c": 36.6}), (5, {"heart_rate": 72.0})):
        at = NOON + timedelta(seconds=seconds)
        Reading.objects.create(user=wearer, recorded_at=at, received_at=at, event_id=uuid4(), **values)
    body = call(wearer).get("/api/v1/wearers/user_001/").json()
    assert (body["user_id"], body["name"], body["last_reading_at"]) == ("user_001", "Ann", "2026-03-01T12:00:05Z")
    assert {name: newest["value"] for name, newest in body["newest"].items()} == {
        "heart_rate": 72.0,
        "body_temp_c": 36.6,
    }


def test_a_user_id_may_hold_all_that_the_stream_allows(call, lead: User) -> None:
    make_wearer("a.b_c-d@e+f:g")
    assert call(lead).get("/api/v1/wearers/a.b_c-d@e+f:g/").status_code == 200


def test_a_page_of_fifty_wearers_takes_no_query_a_row(call, lead: User, django_assert_max_num_queries) -> None:
    for number in range(50):
        make_wearer(f"w{number}")
    client = call(lead)
    client.get("/api/v1/wearers/")
    with django_assert_max_num_queries(6):
        assert len(names(client.get("/api/v1/wearers/"))) == 50


def test_devices_are_those_of_visible_people(call, wearer: User, analyst: User, device: Device) -> None:
    Device.objects.create(user=make_wearer("user_003"), kind="ring")
    body = call(analyst).get("/api/v1/devices/").json()
    assert [(row["user_id"], row["kind"], row["has_token"]) for row in body["results"]] == [
        ("user_001", "apple_watch", False)
    ]
    assert "token_hash" not in body["results"][0]


@pytest.mark.parametrize("device_id", ["0", "999999", "99999999999999999999999999"])
def test_a_device_that_is_not_there(call, wearer: User, device_id: str) -> None:
    assert error(call(wearer).get(f"/api/v1/devices/{device_id}/"), 404)["code"] == "not_found"


def test_a_wearer_adds_a_device_once(call, wearer: User) -> None:
    client = call(wearer)
    body = {"kind": "oura_ring", "external_id": "R1"}
    assert client.post("/api/v1/devices/", body, format="json").json()["user_id"] == "user_001"
    assert error(client.post("/api/v1/devices/", body, format="json"), 409)["code"] == "exists"


def test_only_with_the_permission_does_anybody_add_a_device_for_somebody_else(
    call, wearer: User, analyst: User, lead: User
) -> None:
    body = {"kind": "oura_ring", "user_id": "user_001"}
    statuses = [call(user).post("/api/v1/devices/", body, format="json").status_code for user in (analyst, lead)]
    assert statuses == [403, 201]


def test_a_cadence_is_set_and_unset(call, wearer: User, device: Device) -> None:
    client, path = call(wearer), f"/api/v1/devices/{device.pk}/"
    assert client.patch(path, {"cadence_s": 5}, format="json").json()["cadence_s"] == 5.0
    assert client.patch(path, {"cadence_s": None}, format="json").json()["cadence_s"] is None
    assert error(client.patch(path, {"cadence_s": 0}, format="json"), 400)["fields"]["cadence_s"]


def test_somebody_who_stopped_watching_sees_nothing_more(call, wearer: User) -> None:
    watcher = make_user("watcher", watches=(wearer,))
    client = call(watcher)
    assert names(client.get("/api/v1/wearers/")) == ["user_001"]
    watcher.assignments.all().delete()
    assert names(client.get("/api/v1/wearers/")) == []


def test_summaries_are_a_wearers_hours_or_days_newest_first(call, analyst: User, wearer: User) -> None:
    for hours, period in ((0, "hour"), (1, "hour"), (2, "hour"), (0, "day")):
        Summary.objects.create(
            user=wearer, period=period, start=NOON + timedelta(hours=hours), readings=60, made_at=NOON,
            metrics={"heart_rate": {"count": 60, "min": 58, "avg": 64.2, "max": 80}}, alerts={"HIGH": 1},
        )  # fmt: skip
    client = call(analyst)
    path = "/api/v1/summaries/?user_id=user_001"
    rows = client.get(f"{path}&since=2026-03-01T13:00:00Z").json()["results"]
    assert [row["start"] for row in rows] == ["2026-03-01T14:00:00Z", "2026-03-01T13:00:00Z"]
    assert rows[0]["metrics"]["heart_rate"]["avg"] == 64.2
    assert [row["period"] for row in client.get(f"{path}&period=day").json()["results"]] == ["day"]
    assert error(client.get(f"{path}&period=week"), 400)["fields"]["period"]
