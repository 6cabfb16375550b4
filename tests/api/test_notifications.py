"""Notifications by API: everybody's own channels, routes and messages, and nothing that is sealed."""

from typing import Any

import pytest

from alerts.models import Channel, Delivery, Route
from alerts.notify.sealing import seal
from devices.models import User
from tests.api.test_errors import error

pytestmark = pytest.mark.django_db
OF = "/api/v1/notifications"


@pytest.fixture
def channel(analyst: User) -> Channel:
    return Channel.objects.create(
        owner=analyst, name="phone", kind="webhook", shown="https://hooks.example.org",
        sealed_address=seal("https://hooks.example.org/secret-path"), sealed_secret=seal("whsec_x"),
    )  # fmt: skip


def listed(client: Any, name: str, query: str = "") -> list[Any]:
    answer = client.get(f"{OF}/{name}/?{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["results"])


def test_everybody_has_their_own_and_sees_nothing_sealed(
    call: Any, channel: Channel, analyst: User, lead: User, wearer: User
) -> None:
    route = Route.objects.create(owner=analyst, channel=channel, wearer=wearer, alert_class="clinical", wait_min=5)
    (mine,) = listed(call(analyst), "channels")
    assert mine == mine | {"channel_id": channel.pk, "name": "phone", "address": "https://hooks.example.org"}
    assert not {"sealed_address", "sealed_secret", "secret"} & set(mine)
    (told,) = listed(call(analyst), "routes")
    assert (told["route_id"], told["channel_id"], told["user_id"]) == (route.pk, channel.pk, "user_001")
    assert (told["class"], told["wait_min"], told["least_severity"]) == ("clinical", 5, "HIGH")
    for name in ("channels", "routes", "deliveries"):
        assert listed(call(lead), name) == []


def test_a_test_is_sent_and_stands_among_the_deliveries(call: Any, channel: Channel, analyst: User, lead: User) -> None:
    client = call(analyst)
    sent = client.post(f"{OF}/channels/{channel.pk}/test/")
    assert (sent.status_code, sent.json()["kind"], sent.json()["state"]) == (202, "test", "pending")
    assert error(client.post(f"{OF}/channels/{channel.pk}/test/"), 409)["code"] == "on_its_way"
    assert call(lead).post(f"{OF}/channels/{channel.pk}/test/").status_code == 404
    (row,) = listed(client, "deliveries")
    assert (row["delivery_id"], row["incident_id"]) == (sent.json()["delivery_id"], None)
    Delivery.objects.update(state="failed", next_at=None, note="It answered with 500.")
    assert listed(client, "deliveries", "state=pending") == []
    (failed,) = listed(client, "deliveries", f"state=failed&channel_id={channel.pk}")
    assert failed["note"] == "It answered with 500."
