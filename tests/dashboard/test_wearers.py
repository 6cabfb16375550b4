"""The list of wearers: who is on it, in which order, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Assignment, Device, User
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_alert, make_rule, make_wearer

pytestmark = pytest.mark.django_db


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row.person.username for row in response.context["rows"]]


def chips(response: Any) -> dict[str, str]:
    return {chip.label: chip.count for chip in response.context["chips"]}


@pytest.fixture
def many(lead: User) -> list[User]:
    """30 wearers, w00 to w29."""
    return User.objects.bulk_create(User(username=f"w{n:02}", is_wearer=True) for n in range(30))


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
def test_everyone_sees_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: list[str]
) -> None:
    assert sorted(names(visit(request.getfixturevalue(who)).get("/wearers/"))) == sorted(sees)


def test_who_watches_nobody_is_told_so(visit: Visit, stranger: User) -> None:
    assert "Nobody to watch yet" in visit(stranger).get("/wearers/").text
    nobody = visit(stranger).get("/wearers/?q=zzz").text
    assert "No wearer matches" in nobody
    assert "Clear filters" in nobody


def test_the_worst_come_first_and_clinical_before_technical(visit: Visit, lead: User, many: list[User]) -> None:
    make_alert(many[7], severity="LOW", rule=make_rule("a"))
    make_alert(many[5], severity="CRITICAL", alert_class="technical", rule=make_rule("b"))
    make_alert(many[9], severity="CRITICAL", rule=make_rule("c"))
    make_alert(many[3], severity="CRITICAL", rule=make_rule("d"), triage="closed", close_reason="true")
    client = visit(lead)
    assert names(client.get("/wearers/"))[:4] == ["w09", "w07", "w05", "w00"]
    assert names(client.get("/wearers/?sort=name"))[:2] == ["w00", "w01"]
    alerting = client.get("/wearers/?show=alerting")
    assert names(alerting) == ["w09", "w07", "w05"]
    assert chips(alerting) == {"All": "30", "Alerting": "3", "No data": "30"}


def test_who_was_not_heard_of_for_five_minutes_has_no_data(visit: Visit, lead: User, many: list[User]) -> None:
    read(many[0], times=1, until=just_now(), heart_rate=70)
    read(many[1], times=1, until=just_now() - timedelta(minutes=6), heart_rate=70)
    response = visit(lead).get("/wearers/?show=nodata&rows=50")
    assert "w00" not in names(response)
    assert "w01" in names(response)
    assert chips(response)["No data"] == "29"


@pytest.mark.parametrize("sort", ["worst", "name"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(
    visit: Visit, lead: User, many: list[User], sort: str
) -> None:
    for n in (2, 20, 29):
        make_alert(many[n], rule=make_rule(f"r{n}"))
    client = visit(lead)
    first = client.get(f"/wearers/?sort={sort}")
    second = client.get("/wearers/" + first.context["next_page"])
    assert (len(names(first)), len(names(second)), second.context["next_page"]) == (24, 6, "")
    assert sorted(names(first) + names(second)) == [person.username for person in many]


def test_it_finds_by_name_and_user_id(visit: Visit, lead: User, wearer: User, other: User) -> None:
    client = visit(lead)
    assert names(client.get("/wearers/?q=ANN")) == ["user_001"]
    assert names(client.get("/wearers/?q=_002")) == ["user_002"]


def test_a_row_says_what_was_measured_when_and_by_what(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=60, until=now, heart_rate=121, spo2_percent=97, skin_temp_c=34.56)
    read(wearer, times=1, until=now - timedelta(seconds=2.5), blood_pressure_systolic=121, blood_pressure_diastolic=82)
    make_alert(wearer, opened_at=now)
    Device.objects.create(user=wearer, kind="apple_watch")
    response = visit(analyst).get("/wearers/")
    row = response.context["rows"][0]
    assert (row.values["heart_rate"].text, row.temperature.text, row.pressure) == ("121", "34.6", "121/82")
    assert (row.fault, row.heard_at, row.cadence_s) == ("heart_rate", now, 5)
    assert row.spark["y"] == [121] * len(row.spark["y"]) != []
    assert "fault-high" in response.text
    assert "apple_watch" in response.text
    assert "skin" in response.text


def test_it_asks_the_same_number_of_queries_for_3_rows_and_for_60(visit: Visit, analyst: User, wearer: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            visit(analyst).get("/wearers/?rows=100")
        return len(captured)

    def add(numbers: range) -> None:
        for n in numbers:
            person = make_wearer(f"x{n}")
            Assignment.objects.create(analyst=analyst, wearer=person)
            Device.objects.create(user=person, kind="apple_watch")
            make_alert(person, rule=make_rule(f"r{n}"))
            read(person, times=2, until=just_now(), heart_rate=70)

    add(range(2))
    queries()
    few = queries()
    add(range(2, 59))
    assert queries() == few


@pytest.mark.parametrize(
    "address",
    ["show=nope", "sort=nope", "rows=7", "rows=x", "after=nope", "after=1_x_y", "after=%C2%B2_1_"],
)  # fmt: skip
def test_what_does_not_exist_is_said_to_be_so(visit: Visit, analyst: User, address: str) -> None:
    assert visit(analyst).get(f"/wearers/?{address}").status_code == 400


def test_with_htmx_only_the_list_comes(visit: Visit, analyst: User) -> None:
    assert "<html" not in visit(analyst).get("/wearers/", headers={"HX-Request": "true"}).text
