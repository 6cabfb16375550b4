"""One decision about many alerts of the desk: who may, of which, what is said, and how it is taken back."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert, AlertChange
from dashboard.desk import bulk
from devices.models import Assignment, User
from tests.dashboard.pages import Visit
from tests.made import make_alert, make_rule, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
TEN_S = timedelta(seconds=10)


def told(answer: Any, event: str = "telara:triaged") -> dict[str, str]:
    return dict(json.loads(answer.headers["HX-Trigger"])[event])


def some(user: User, *severities: str, **fields: Any) -> list[str]:
    """A firing alert of each severity; their ids."""
    alerts = [
        make_alert(user, severity=each, rule=make_rule(f"{each}-{n}"), **fields) for n, each in enumerate(severities)
    ]
    return [str(alert.pk) for alert in alerts]


def test_what_is_ticked_is_acknowledged_and_taken_back(visit: Visit, wearer: User, analyst: User) -> None:
    ids, client = some(wearer, "HIGH", "LOW"), visit(analyst)
    left = make_alert(wearer)
    answer = client.post("/triage/bulk/acknowledge/", {"alert": ids, "note": "on it"}, **HTMX)
    assert (answer.status_code, told(answer)["text"]) == (204, "2 acknowledged")
    assert set(Alert.objects.filter(triage="acknowledged").values_list("pk", flat=True)) != {left.pk}
    assert AlertChange.objects.filter(action="acknowledge", note="on it", by=analyst).count() == 2
    undone = client.post(told(answer)["undo"], **HTMX)
    assert (told(undone)["text"], told(undone)["undo"]) == ("2 taken back", "")
    assert set(Alert.objects.values_list("triage", flat=True)) == {"new"}
    assert client.post(told(answer)["undo"], **HTMX).status_code == 409


def test_all_that_the_list_holds_is_closed_for_one_reason(visit: Visit, wearer: User, analyst: User) -> None:
    some(wearer, "HIGH", "LOW", "LOW")
    chosen = {"all": "1", "query": "?severity=LOW", "as_of": timezone.now().isoformat()}
    answer = visit(analyst).post("/triage/bulk/close/", chosen | {"reason": "benign"}, **HTMX)
    assert told(answer)["text"] == "2 closed"
    assert (
        sorted(Alert.objects.filter(triage="closed").values_list("severity", "close_reason")) == [("LOW", "benign")] * 2
    )


def drawn(client: Any, address: str = "/alerts/") -> dict[str, str]:
    """What the form of a list that was just read says of all it holds."""
    fields = re.findall(r'name="(query|as_of)"\s+value="([^"]*)"', client.get(address).text)
    return {"all": "1"} | dict(fields)


def test_what_opened_since_the_list_was_drawn_is_left_alone(visit: Visit, wearer: User, analyst: User) -> None:
    old, ticked = some(wearer, "HIGH", "LOW")
    Alert.objects.filter(pk=old).update(created_at=timezone.now() - 2 * TEN_S)
    client = visit(analyst)
    form = drawn(client)
    fresh = make_alert(wearer, severity="CRITICAL", rule=make_rule("fresh"))
    answer = client.post("/triage/bulk/close/", form | {"alert": ticked, "reason": "benign"}, **HTMX)
    assert told(answer)["text"] == "2 closed"
    fresh.refresh_from_db()
    assert fresh.triage == "new"


def test_what_was_written_shortly_before_the_list_was_drawn_may_not_have_been_in_it(
    visit: Visit, wearer: User, analyst: User
) -> None:
    under_way, seen = (make_alert(wearer, rule=make_rule(name)) for name in ("under-way", "seen"))
    client = visit(analyst)
    form = drawn(client)
    for alert, before in ((under_way, TEN_S - timedelta(seconds=1)), (seen, TEN_S)):
        as_of = datetime.fromisoformat(form["as_of"])
        Alert.objects.filter(pk=alert.pk).update(created_at=as_of + TEN_S - before)
    answer = client.post("/triage/bulk/acknowledge/", form, **HTMX)
    assert told(answer)["text"] == "1 acknowledged"
    assert Alert.objects.get(triage="acknowledged") == seen


@pytest.mark.parametrize("again", [{"renewed_at": 1}, {"triaged_at": 1}])
def test_what_came_back_since_the_list_was_drawn_is_left_alone(  # a case and three fixtures
    visit: Visit, wearer: User, analyst: User, again: dict[str, int]
) -> None:
    (back,) = some(wearer, "CRITICAL")
    client, now = visit(analyst), timezone.now()
    Alert.objects.update(created_at=now - 2 * TEN_S)
    form = drawn(client, "/alerts/?view=new")
    Alert.objects.filter(pk=back).update(**{name: now + timedelta(seconds=n) for name, n in again.items()})
    assert client.post("/triage/bulk/close/", form | {"reason": "benign"}, **HTMX).status_code == 409
    assert Alert.objects.get().triage == "new"


def test_a_snooze_that_is_too_long_for_some_is_refused_for_those_and_the_reason_said(
    visit: Visit, wearer: User, analyst: User
) -> None:
    answer = visit(analyst).post(
        "/triage/bulk/snooze/", {"alert": some(wearer, "CRITICAL", "LOW"), "minutes": "60"}, **HTMX
    )
    assert told(answer)["text"] == "1 snoozed, 1 not: CRITICAL can be snoozed for 15 minutes at most."
    assert Alert.objects.get(triage="snoozed").severity == "LOW"


def test_clinical_and_technical_alerts_are_snoozed_apart(visit: Visit, wearer: User, analyst: User) -> None:
    ids = some(wearer, "LOW") + some(wearer, "MEDIUM", alert_class="technical")
    answer = visit(analyst).post("/triage/bulk/snooze/", {"alert": ids, "minutes": "5"}, **HTMX)
    assert answer.status_code == 409
    assert "apart" in told(answer, "telara:refused")["text"]
    assert not Alert.objects.filter(triage="snoozed").exists()


def test_nobody_decides_about_what_they_do_not_see_nor_about_their_own(
    visit: Visit, wearer: User, other: User, analyst: User
) -> None:
    ids = some(other, "LOW")
    for user in (analyst, other):
        for said in ({"alert": ids}, {"all": "1", "as_of": timezone.now().isoformat()}):
            answer = visit(user).post("/triage/bulk/close/", {"reason": "benign", **said}, **HTMX)
            assert answer.status_code == 409
    mixed = visit(analyst).post("/triage/bulk/acknowledge/", {"alert": ids + some(wearer, "HIGH")}, **HTMX)
    assert told(mixed)["text"] == "1 acknowledged"
    assert Alert.objects.get(user=other).triage == "new"
    assert visit(None).post("/triage/bulk/close/").status_code == 302


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("close", {"reason": "tired"}), ("snooze", {"minutes": "never"}), ("assign", {"to": "nobody"}),
        ("acknowledge", {"alert": "no-id"}), ("acknowledge", {"all": "1", "query": "?view=nope"}),
        ("acknowledge", {"all": "1"}), ("acknowledge", {"all": "1", "as_of": "now"}),
        ("close", {"all": "1", "as_of": "2026-03-01T12:00:00", "reason": "benign"}),
        ("undo", {"at": "now"}), ("undo", {"at": "2026-03-01T12:00:00"}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_a_400(
    visit: Visit, wearer: User, analyst: User, path: str, form: dict[str, str]
) -> None:
    ids = some(wearer, "LOW")
    assert visit(analyst).post(f"/triage/bulk/{path}/", {"alert": ids, **form}, **HTMX).status_code == 400
    assert visit(analyst).post("/triage/bulk/dance/").status_code == 404


def test_more_than_may_be_decided_about_at_once_are_left_alone(
    visit: Visit, wearer: User, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 1)
    answer = visit(analyst).post("/triage/bulk/acknowledge/", {"alert": some(wearer, "LOW", "HIGH")}, **HTMX)
    assert "narrow the list" in told(answer, "telara:refused")["text"]


def test_alerts_are_given_to_who_watches_and_to_nobody_else(visit: Visit, wearer: User, analyst: User) -> None:
    bob, carol = make_user("bob", watches=(wearer,), display_name="Bob"), make_user("carol", "view_all_wearers")
    ids, client = some(wearer, "HIGH"), visit(analyst)
    stranger = make_user("dave")
    for nobody in (stranger.username, "no such", "no\x00such"):
        assert client.post("/triage/bulk/assign/", {"alert": ids, "to": nobody}, **HTMX).status_code == 400
    for to, name in ((bob, "bob"), (carol, "carol"), (None, "")):
        client.post("/triage/bulk/assign/", {"alert": ids, "to": name}, **HTMX)
        alert = Alert.objects.get()
        assert (alert.assignee, alert.triage) == (to, "new")
    rows = AlertChange.objects.filter(action="assign").order_by("revision").values_list("by__username", "was", "became")
    assert list(rows) == [("analyst", "", "bob"), ("analyst", "bob", "carol"), ("analyst", "carol", "")]


def test_giving_away_is_taken_back_as_long_as_it_is_the_last_word(visit: Visit, wearer: User, analyst: User) -> None:
    bob, long = make_user("bob", watches=(wearer,)), make_user("l" * 40, watches=(wearer,))
    ids, client = some(wearer, "HIGH", "LOW"), visit(analyst)
    client.post("/triage/bulk/assign/", {"alert": ids[:1], "to": long.username}, **HTMX)
    given = told(client.post("/triage/bulk/assign/", {"alert": ids, "to": "bob"}, **HTMX))
    assert told(client.post(given["undo"], **HTMX))["text"] == "2 taken back"
    assert [Alert.objects.get(pk=pk).assignee for pk in ids] == [long, None]
    assert client.post(given["undo"], **HTMX).status_code == 409
    again = told(client.post("/triage/bulk/assign/", {"alert": ids, "to": "bob"}, **HTMX))
    visit(bob).post("/triage/bulk/assign/", {"alert": ids[:1], "to": ""}, **HTMX)
    assert "1 taken back, 1 not: It cannot be taken back any more." in told(client.post(again["undo"], **HTMX))["text"]
    gone = told(client.post("/triage/bulk/assign/", {"alert": ids[:1], "to": long.username}, **HTMX))
    last = told(client.post("/triage/bulk/assign/", {"alert": ids[:1], "to": "bob"}, **HTMX))
    Assignment.objects.filter(analyst=long).delete()
    assert client.post(last["undo"], **HTMX).status_code == 409
    assert gone["undo"]


def test_who_it_was_given_to_but_does_not_watch_that_person_is_refused(
    visit: Visit, wearer: User, other: User, lead: User
) -> None:
    bob = make_user("bob", watches=(wearer,), display_name="Bob")
    ids = some(wearer, "HIGH") + some(other, "LOW")
    answer = visit(lead).post("/triage/bulk/assign/", {"alert": ids, "to": "bob"}, **HTMX)
    assert told(answer)["text"] == "1 given away, 1 not: Bob does not watch user_002."
    assert Alert.objects.get(assignee=bob).user == wearer


def test_what_was_given_to_me_is_mine_and_the_page_says_whose_it_is(
    visit: Visit, wearer: User, analyst: User, lead: User
) -> None:
    alert = make_alert(wearer, assignee=lead)
    assert f"/alerts/{alert.pk}/" in visit(lead).get("/alerts/?view=mine").text
    assert f"/alerts/{alert.pk}/" not in visit(analyst).get("/alerts/?view=mine").text
    assert "New, for lead" in visit(analyst).get(f"/alerts/{alert.pk}/").text
    assert ", for lead" in visit(analyst).get("/alerts/").text
