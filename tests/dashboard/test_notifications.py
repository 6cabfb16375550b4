"""The page of channels, routes and what was sent, by persona."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alerts.models import Channel, Delivery, Route
from devices.models import Simulation, User
from tests.dashboard.pages import Visit
from tests.made import NOON, make_user

pytestmark = pytest.mark.django_db
PAGE = "/notifications/"
CHANNEL = {
    "form": "channel", "channel-name": "My phone", "channel-kind": "webhook",
    "channel-address": "https://8.8.8.8/hook/secret-path",
}  # fmt: skip
ROUTE = {
    "form": "route", "route-least_severity": "HIGH", "route-alert_class": "", "route-wait_min": "0",
    "route-repeat_min": "5", "route-repeat_most": "3", "route-critical_pierces": "on",
}  # fmt: skip


def channel_of(owner: User, name: str = "phone") -> Channel:
    return Channel.objects.create(owner=owner, name=name, kind="webhook", shown="https://8.8.8.8", sealed_address="x")


def test_it_says_what_to_do_first(visit: Visit, analyst: User) -> None:
    page = visit(analyst).get(PAGE).content.decode()
    assert "Nobody can reach you yet" in page
    assert "Set up a channel first." in page


def test_a_secret_is_shown_once_and_the_address_never(visit: Visit, analyst: User) -> None:
    client = visit(analyst)
    made = client.post(PAGE, CHANNEL)
    assert made.status_code == 201
    assert "whsec_" in made.content.decode()
    page = client.get(PAGE).content.decode()
    assert "https://8.8.8.8" in page
    assert "whsec_" not in page
    assert "secret-path" not in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channel-address": "http://8.8.8.8/"}, "begins with https://"),
        ({"channel-kind": "apprise", "channel-address": "json://8.8.8.8"}, "begins with one of"),
        ({"channel-name": ""}, "required"),
    ],
)
def test_it_says_what_a_channel_cannot_be(visit: Visit, analyst: User, change: dict[str, str], says: str) -> None:
    answer = visit(analyst).post(PAGE, CHANNEL | change)
    assert (answer.status_code, says in answer.content.decode()) == (400, True)


def test_a_route_is_made_switched_and_removed(visit: Visit, analyst: User) -> None:
    client, channel = visit(analyst), channel_of(analyst)
    given = {"route-channel": channel.pk, "route-quiet_from": "22:00", "route-quiet_until": "07:00"}
    assert client.post(PAGE, ROUTE | given | {"route-user_id": "user_001"}).status_code == 302
    route = Route.objects.get()
    assert (route.owner, route.channel, route.wearer.username, route.repeat_most) == (analyst, channel, "user_001", 3)
    assert b"quiet 22:00 to 07:00 UTC" in client.get(PAGE).content
    client.post(f"/notifications/routes/{route.pk}/switch/", {"enabled": "0"})
    assert not Route.objects.get().enabled
    client.post(f"/notifications/routes/{route.pk}/remove/")
    assert not Route.objects.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"route-quiet_from": "22:00"}, "Quiet hours have a beginning"),
        ({"route-repeat_most": "999"}, "less than or equal to 20"),
        ({"route-user_id": "user_002"}, "There is no such person"),
        ({"route-user_id": "nobody"}, "There is no such person"),
    ],
)
def test_it_says_what_a_route_cannot_be(
    visit: Visit, analyst: User, other: User, change: dict[str, str], says: str
) -> None:
    answer = visit(analyst).post(PAGE, ROUTE | {"route-channel": channel_of(analyst).pk} | change)
    assert (answer.status_code, says in answer.content.decode()) == (400, True)
    assert not Route.objects.exists()


def test_a_wearer_routes_their_own_and_is_not_asked_about_whom(visit: Visit, wearer: User) -> None:
    client, channel = visit(wearer), channel_of(wearer)
    assert b"route-user_id" not in client.get(PAGE).content
    assert client.post(PAGE, ROUTE | {"route-channel": channel.pk}).status_code == 302
    assert Route.objects.get().owner == wearer


def test_nobody_touches_or_sees_what_is_anothers(visit: Visit, analyst: User) -> None:
    channel = channel_of(analyst, "Alices own")
    route = Route.objects.create(owner=analyst, channel=channel)
    Delivery.objects.create(channel=channel, kind="test", state="sent", made_at=NOON)
    client = visit(make_user("another", "view_all_wearers"))
    for address in (f"channels/{channel.pk}/test", f"channels/{channel.pk}/remove", f"routes/{route.pk}/remove"):
        assert client.post(f"{PAGE}{address}/").status_code == 404
    assert client.post(PAGE, ROUTE | {"route-channel": channel.pk}).status_code == 400
    assert b"Alices own" not in client.get(PAGE).content
    assert (Channel.objects.count(), Route.objects.count(), Delivery.objects.count()) == (1, 1, 1)


def test_a_test_goes_into_the_log(visit: Visit, analyst: User) -> None:
    client, channel = visit(analyst), channel_of(analyst)
    assert client.post(f"{PAGE}channels/{channel.pk}/test/").status_code == 302
    assert Delivery.objects.get().kind == "test"
    log = client.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert "On its way" in log
    assert "<html" not in log
    again = client.post(f"{PAGE}channels/{channel.pk}/test/", follow=True)
    assert b"on its way already" in again.content


@pytest.mark.parametrize(("page", "box"), [(PAGE, "log"), ("/simulator/", "runs")])
def test_what_scrolls_sideways_stays_when_its_rows_are_read_anew(visit: Visit, page: str, box: str) -> None:
    person = make_user("simulant", "run_simulator")
    Delivery.objects.create(channel=channel_of(person), kind="test", state="sent", made_at=NOON)
    Simulation.objects.create(runner="worker", requested_at=NOON, starts_at=NOON)
    client = visit(person)
    assert re.search(rf'<div id="{box}"\s+class="table-scroll"', client.get(page).text)
    anew = client.get(page, headers={"HX-Request": "true"}).text
    assert ("<table" in anew, "table-scroll" in anew) == (True, False)


def queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(PAGE).status_code == 200
    return len(captured)


def test_it_asks_as_often_for_many_as_for_one(visit: Visit, analyst: User) -> None:
    client, counts = visit(analyst), []
    for numbers in (range(1), range(1, 12)):
        for number in numbers:
            channel = channel_of(analyst, f"phone {number}")
            Route.objects.create(owner=analyst, channel=channel, wearer=analyst)
            Delivery.objects.create(channel=channel, kind="test", state="sent", made_at=NOON)
        queries(client)
        counts.append(queries(client))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("value", ["\x00", "9" * 5000, "١٢", "-1", "https://[", "https://8.8.8.8:0/", "a://", "\n"])
def test_no_form_is_too_strange(visit: Visit, analyst: User, value: str) -> None:
    client = visit(analyst)
    client.raise_request_exception = False
    route = ROUTE | {"route-channel": channel_of(analyst).pk, "route-user_id": "", "route-quiet_from": "22:00"}
    for given in (CHANNEL, CHANNEL | {"channel-kind": "apprise"}, route):
        for name in set(given) - {"form"}:
            assert client.post(PAGE, given | {name: value}).status_code < 500, name
