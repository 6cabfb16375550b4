"""Planned activity on the wearer's page, at the alert and on the desk; and who may plan it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from alerts.models import Mute
from alerts.services.mutes import mute_add
from dashboard.mutes import _next
from devices.models import User
from tests.alerts.test_rules_service import yaml
from tests.dashboard.pages import Visit
from tests.made import make_alert, make_rule

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
PLAN = "/wearers/user_001/mutes/"


@pytest.fixture(autouse=True)
def _rule(db: None) -> None:
    make_rule("bradycardia", source=yaml())


def form(**changes: Any) -> dict[str, Any]:
    in_an_hour = timezone.now() + timedelta(hours=1)
    return {"rules": ["bradycardia"], "until": f"{in_an_hour:%H:%M}", "why": "at the gym"} | changes


def planned(wearer: User, by: User, **changes: Any) -> Mute:
    now = timezone.now()
    values = {"starts_at": now, "ends_at": now + timedelta(hours=1)} | changes
    return mute_add(wearer=wearer, rules=["bradycardia"], why="at the gym", by=by, at=now, **values)


def told(answer: Any, event: str = "telara:triaged") -> str:
    return str(json.loads(answer.headers["HX-Trigger"])[event]["text"])


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 204), ("analyst", 204), ("lead", 204), ("stranger", 403), ("staff", 403)]
)
def test_those_who_may_see_a_person_plan_for_them_and_so_do_they(  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    user = request.getfixturevalue(who)
    answer = visit(user).post(PLAN, form(), **HTMX)
    assert answer.status_code == status
    assert [mute.made_by for mute in Mute.objects.all()] == ([user] if status == 204 else [])
    mute = Mute.objects.first() or planned(wearer, wearer)
    assert visit(user).post(f"{PLAN}{mute.pk}/end/", **HTMX).status_code == status
    assert Mute.objects.filter(ends_at__gt=timezone.now()).exists() == (status == 403)


def test_the_mute_of_one_is_not_ended_through_another(visit: Visit, wearer: User, other: User, lead: User) -> None:
    mute = planned(other, lead)
    assert visit(lead).post(f"{PLAN}{mute.pk}/end/").status_code == 404


def test_what_is_wrong_is_said_and_nothing_is_planned(visit: Visit, analyst: User) -> None:
    client = visit(analyst)
    for changes, words in (
        ({"rules": []}, "at least one rule"),
        ({"until": ""}, "until when"),
        ({"until": "at six"}, "as 18:00"),
        ({"why": "\x00"}, "Say why"),
    ):
        answer = client.post(PLAN, form(**changes), **HTMX)
        assert answer.status_code == 409
        assert words in told(answer, "telara:refused")
    assert not Mute.objects.exists()
    assert client.get(PLAN).status_code == 405


def test_without_htmx_it_leads_back_to_the_page_which_says_what_was_done(visit: Visit, analyst: User) -> None:
    page = visit(analyst).post(PLAN, form(), follow=True)
    assert page.redirect_chain == [("/wearers/user_001/", 302)]
    assert "Ann: 1 rule quiet until" in page.text


def test_the_minute_that_a_clock_shows_is_now_and_one_before_it_tomorrow(
    visit: Visit, wearer: User, analyst: User
) -> None:
    User.objects.filter(pk=wearer.pk).update(time_zone="Asia/Kathmandu")  # a quarter of an hour beside the others
    client, clock = visit(analyst), timezone.now().astimezone(ZoneInfo("Asia/Kathmandu"))
    until = f"{clock + timedelta(hours=1):%H:%M}"
    said = told(client.post(PLAN, form(until=until, **{"from": f"{clock:%H:%M}"}), **HTMX))
    assert said == f"Ann: 1 rule quiet until {until}" or "quiet until" in said
    begins = Mute.objects.get().starts_at
    assert begins < timezone.now()
    ago = clock - timedelta(minutes=5)
    said = told(client.post(PLAN, form(until=until, **{"from": f"{ago:%H:%M}"}), **HTMX))
    assert f"quiet from {ago + timedelta(days=1):%a %H:%M} Kathmandu until" in said


def test_who_lives_by_another_clock_reads_whose_it_is(visit: Visit, wearer: User, analyst: User) -> None:
    wearer.time_zone = "Asia/Kolkata"
    wearer.save()
    kolkata = ZoneInfo(wearer.time_zone)
    ends_at = (timezone.now() + timedelta(hours=1)).astimezone(kolkata)
    for who, whose in ((analyst, " Kolkata"), (wearer, "")):
        answer = visit(who).post(PLAN, form(until=f"{ends_at:%H:%M}"), **HTMX)
        assert re.search(rf"quiet until (\w+ )?{ends_at:%H:%M}{whose}$", told(answer))
        page = visit(who).get("/wearers/user_001/").text
        assert re.search(rf"Quiet until (\w+ )?{ends_at:%H:%M}{whose}</b>", page)


def test_the_alert_says_by_the_readers_clock_until_when_it_was_muted(visit: Visit, wearer: User, analyst: User) -> None:
    alert = make_alert(wearer, rule=make_rule("bradycardia"), opened_at=timezone.now())
    mute = planned(wearer, analyst)
    wearer.time_zone = "Asia/Kolkata"
    wearer.save()
    for who, zone in ((analyst, "UTC"), (wearer, "Asia/Kolkata")):
        page = visit(who).get(f"/alerts/{alert.pk}/").text
        assert f"Muted until {mute.ends_at.astimezone(ZoneInfo(zone)):%H:%M} by " in page


def test_times_are_those_of_the_wearers_clock() -> None:
    zone, noon = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert _next("18:00", zone, after=noon) == datetime(2026, 3, 1, 17, tzinfo=UTC)
    assert _next("13:00", zone, after=noon) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert _next("", zone, after=noon) is None


def test_it_stands_on_the_wearers_page_with_who_why_and_how_long_and_can_be_ended(
    visit: Visit, wearer: User, analyst: User
) -> None:
    assert "Nothing planned" in visit(wearer).get("/wearers/user_001/").text
    now = timezone.now()
    mute = planned(wearer, analyst)
    planned(wearer, analyst, starts_at=now + timedelta(hours=2), ends_at=now + timedelta(hours=3))
    text = " ".join(visit(wearer).get("/wearers/user_001/").text.split())
    assert f"{PLAN}{mute.pk}/end/" in text
    assert "at the gym, by analyst: Slow heart" in text
    assert text.count("data-until") == 1
    assert "Quiet until" in text
    assert "Call off" in text


def test_it_is_seen_at_the_alert_and_in_the_lists(visit: Visit, wearer: User, analyst: User) -> None:
    alert = make_alert(wearer, rule=make_rule("bradycardia"), quiet=True, quiet_reason="muted")
    mute = planned(wearer, wearer)
    client = visit(analyst)
    page = " ".join(client.get(f"/alerts/{alert.pk}/").text.split())
    assert "by Ann: at the gym." in page
    assert f"{PLAN}{mute.pk}/end/" in page
    for path in ("/alerts/", "/wearers/user_001/"):
        assert ">muted, <span data-until=" in client.get(path).text
    client.post(f"{PLAN}{mute.pk}/end/")
    assert ">muted</span>" in client.get("/alerts/").text
    assert "opened during planned activity" in client.get(f"/alerts/{alert.pk}/").text


def test_a_snooze_counts_down_on_every_screen(visit: Visit, wearer: User, analyst: User) -> None:
    until = timezone.now() + timedelta(minutes=10)
    common = {"triage": "snoozed", "triage_before_snooze": "new", "snoozed_until": until, "triaged_by": analyst}
    alert = make_alert(wearer, **common)
    make_alert(wearer, rule=make_rule("sensor"), alert_class="technical", severity="LOW", **common)
    client = visit(analyst)
    for path, times in (("/", 2), ("/alerts/", 2), (f"/alerts/{alert.pk}/", 3), ("/wearers/user_001/", 2)):
        page = client.get(path).text
        assert page.count("data-until") >= times, path
        assert "9 m 5" in page, path
    assert "by analyst" in client.get("/alerts/").text
