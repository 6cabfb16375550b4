"""Whom somebody keeps in view, and where that puts them."""

import json
import re
from typing import Any

import pytest

from devices.models import Pin, User
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
PIN = "/wearers/user_001/pin/"


def on_wall(text: str) -> list[str]:
    return re.findall(r'<span class="name">([^<]*)</span>\s*<time', text)


def lines(text: str) -> list[str]:
    found = re.search(r'<script id="snapshot" type="application/json">(.*?)</script>', text)
    assert found
    said: dict[str, Any] = json.loads(found[1])
    return list(said["lines"])


@pytest.mark.parametrize(("who", "status"), [("analyst", 302), ("lead", 302), ("stranger", 403), ("staff", 403)])
def test_those_who_may_see_a_person_pin_them_for_themselves(  # personas
    visit: Visit, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    user = request.getfixturevalue(who)
    client = visit(user)
    for _ in range(2):
        assert client.post(PIN, {"to": "on"}).status_code == status
    assert [pin.viewer for pin in Pin.objects.all()] == ([user] if status == 302 else [])
    client.post(PIN, {"to": "off"})
    assert not Pin.objects.exists()


def test_what_is_neither_on_nor_off_is_refused(visit: Visit, analyst: User) -> None:
    assert visit(analyst).post(PIN, {"to": "up"}).status_code == 400


def test_pinned_people_come_behind_alerts_and_before_the_active_on_the_wall_and_in_the_charts(
    visit: Visit, lead: User, analyst: User
) -> None:
    people = [make_wearer(f"w{n}") for n in range(8)]
    for n, person in enumerate(people):
        read(person, times=3, until=just_now(), heart_rate=70, activity_level=10.0 * n)
    make_alert(people[0])
    make_alert(people[2], alert_class="technical", rule=make_rule("sensor-stuck"))
    client = visit(lead)
    client.post("/wearers/w1/pin/", {"to": "on"})
    page = client.get("/")
    assert on_wall(page.text)[:5] == ["w0", "w2", "Ann", "w1", "w7"]  # nothing was heard of Ann
    assert lines(page.text) == ["w0", "w1", "w2", "w7", "w6", "w5"]
    assert "Pinned 1" in page.text
    assert on_wall(client.get("/?show=pinned").text) == ["w1"]
    other = visit(make_user("second", "view_all_wearers")).get("/?show=pinned").text
    assert "Pinned 0" in other
    assert "Nobody is pinned" in other


def test_the_page_of_a_pinned_person_says_so(visit: Visit, analyst: User) -> None:
    client = visit(analyst)
    assert 'aria-pressed="false"' in client.get("/wearers/user_001/").text
    client.post(PIN, {"to": "on"})
    text = client.get("/wearers/user_001/").text
    assert 'aria-pressed="true"' in text
    assert 'value="off"' in text


def test_the_list_of_wearers_narrows_to_those_that_one_pinned(
    visit: Visit, lead: User, wearer: User, other: User
) -> None:
    client = visit(lead)
    client.post(PIN, {"to": "on"})
    response = client.get("/wearers/?show=pinned")
    assert [row.person.username for row in response.context["rows"]] == ["user_001"]
    assert {chip.label: chip.count for chip in response.context["chips"]}["Pinned"] == "1"
    assert not visit(make_user("second", "view_all_wearers")).get("/wearers/?show=pinned").context["rows"]
