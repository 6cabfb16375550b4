"""POST /triage/ALERT/ACTION/: deciding from a page."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Alert
from alerts.services.triage import alert_acknowledge
from devices.models import User
from tests.made import make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def wearer() -> User:
    return make_wearer()


@pytest.fixture
def alert(wearer: User) -> Alert:
    return make_alert(wearer)


@pytest.fixture
def analyst(client: Client, wearer: User) -> User:
    user = make_user("alice", watches=(wearer,))
    client.force_login(user)
    return user


def told(answer: Any, event: str = "telara:triaged") -> dict[str, Any]:
    return dict(json.loads(answer.headers["HX-Trigger"])[event])


def test_acknowledging_tells_the_page_what_was_done_and_how_to_take_it_back(
    client: Client, analyst: User, alert: Alert
) -> None:
    answer = client.post(f"/triage/{alert.pk}/acknowledge/", **HTMX)
    assert answer.status_code == 204
    assert told(answer)["text"] == "Tachycardia at rest, user_001: acknowledged by you"
    assert Alert.objects.get().triage == "acknowledged"
    client.post(told(answer)["undo"], **HTMX)
    assert Alert.objects.get().triage == "new"


def test_the_undo_of_a_snooze_of_what_was_acknowledged_acknowledges_it_again(
    client: Client, analyst: User, alert: Alert
) -> None:
    client.post(f"/triage/{alert.pk}/acknowledge/", **HTMX)
    snoozed = client.post(f"/triage/{alert.pk}/snooze/", {"minutes": "15"}, **HTMX)
    assert Alert.objects.get().triage == "snoozed"
    client.post(told(snoozed)["undo"], **HTMX)
    assert Alert.objects.get().triage == "acknowledged"


def test_the_undo_of_closing_what_somebody_acknowledged_leaves_it_theirs(
    client: Client, analyst: User, wearer: User, alert: Alert
) -> None:
    bob = make_user("bob", watches=(wearer,))
    acknowledged = alert_acknowledge(alert=alert, by=bob, at=timezone.now())
    closed = client.post(f"/triage/{alert.pk}/close/", {"reason": "benign"}, **HTMX)
    assert Alert.objects.get().triage == "closed"
    undone = client.post(told(closed)["undo"], **HTMX)
    assert told(undone)["text"] == "Tachycardia at rest, user_001: acknowledged as before"
    assert told(undone)["undo"] == ""
    now = Alert.objects.get()
    assert (now.triage, now.triaged_by, now.triaged_at) == ("acknowledged", bob, acknowledged.triaged_at)
    assert now.close_reason == ""
    again = client.post(told(closed)["undo"], **HTMX)
    assert again.status_code == 409
    assert told(again, "telara:refused")["text"] == "It cannot be taken back any more."


def test_a_snooze_that_is_too_long_is_refused_in_words(client: Client, analyst: User, alert: Alert) -> None:
    answer = client.post(f"/triage/{alert.pk}/snooze/", {"minutes": "61"}, **HTMX)
    assert answer.status_code == 409
    assert told(answer, "telara:refused")["text"]
    assert Alert.objects.get().triage == "new"


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("snooze", {}),
        ("snooze", {"minutes": "0"}),
        ("snooze", {"minutes": "-5"}),
        ("snooze", {"minutes": "²"}),
        ("snooze", {"minutes": "1" * 5000}),
        ("close", {}),
        ("close", {"reason": "tired"}),
        ("comment", {"note": "  "}),
        ("undo", {}),
        ("undo", {"revision": "-1"}),
        ("undo", {"revision": "9" * 5000}),
    ],
)
def test_a_form_that_lacks_something_is_a_400(
    client: Client, analyst: User, alert: Alert, action: str, form: dict[str, str]
) -> None:
    assert client.post(f"/triage/{alert.pk}/{action}/", form, **HTMX).status_code == 400
    assert Alert.objects.get().revision == 1


def test_closing_takes_a_reason_and_keeps_the_note(client: Client, analyst: User, alert: Alert) -> None:
    answer = client.post(f"/triage/{alert.pk}/close/", {"reason": "benign", "note": "on a bicycle"}, **HTMX)
    assert told(answer)["status"] == "closed"
    assert Alert.objects.get().changes.get().note == "on a bicycle"


def test_a_stranger_finds_nothing_there(client: Client, alert: Alert) -> None:
    client.force_login(make_user("mallory"))
    assert client.post(f"/triage/{alert.pk}/acknowledge/", **HTMX).status_code == 404
    assert Alert.objects.get().triage == "new"


def test_a_wearer_does_not_silence_their_own(client: Client, wearer: User, alert: Alert) -> None:
    client.force_login(wearer)
    assert client.post(f"/triage/{alert.pk}/acknowledge/", **HTMX).status_code == 403


def test_nobody_signed_in_is_led_to_the_login(client: Client, alert: Alert) -> None:
    assert client.post(f"/triage/{alert.pk}/acknowledge/").url.startswith("/login/")


def test_what_is_no_action_is_not_there(client: Client, analyst: User, alert: Alert) -> None:
    assert client.post(f"/triage/{alert.pk}/delete/", **HTMX).status_code == 404
    assert client.get(f"/triage/{alert.pk}/acknowledge/").status_code == 405


def test_without_a_token_of_the_form_nothing_happens(analyst: User, alert: Alert) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(analyst)
    assert careful.post(f"/triage/{alert.pk}/acknowledge/").status_code == 403


def test_without_htmx_it_leads_back_and_to_no_other_site(client: Client, analyst: User, alert: Alert) -> None:
    assert client.post(f"/triage/{alert.pk}/acknowledge/", {"next": "/?tab=mine"}).url == "/?tab=mine"
    assert client.post(f"/triage/{alert.pk}/reopen/", {"next": "//evil.test/"}).url == "/"


def test_snoozing_a_clinical_alert_leaves_the_technical_ones_awake(
    client: Client, analyst: User, alert: Alert, wearer: User
) -> None:
    technical = make_alert(wearer, rule=make_rule("sensor-off"), alert_class="technical", severity="LOW")
    client.post(f"/triage/{alert.pk}/snooze/", {"minutes": "15"}, **HTMX)
    assert Alert.objects.get(pk=technical.pk).triage == "new"


def test_snoozing_all_technical_alerts_leaves_the_clinical_ones_awake(
    client: Client, analyst: User, alert: Alert, wearer: User
) -> None:
    rules = [make_rule(f"sensor-{number}") for number in range(4)]
    asleep = [make_alert(wearer, rule=rule, alert_class="technical", severity="LOW") for rule in rules[:2]]
    critical = make_alert(wearer, rule=rules[2], alert_class="technical", severity="CRITICAL")
    elsewhere = make_alert(make_wearer("user_002"), rule=rules[3], alert_class="technical", severity="LOW")
    answer = client.post("/triage/technical/snooze/", {"minutes": "60"}, **HTMX)
    assert answer.status_code == 204
    assert told(answer)["text"].startswith("2 technical alerts snoozed until ")
    assert told(answer)["text"].endswith("; 1 may not be silenced for so long")
    snoozed = set(Alert.objects.filter(triage="snoozed").values_list("pk", flat=True))
    assert snoozed == {each.pk for each in asleep}
    assert set(Alert.objects.filter(triage="new")) == {alert, critical, elsewhere}


def test_technical_alerts_that_are_over_or_looked_after_are_not_snoozed(
    client: Client, analyst: User, wearer: User
) -> None:
    over = make_alert(wearer, alert_class="technical", severity="LOW", episode="ended", end="gap")
    mine = make_alert(wearer, rule=make_rule("sensor-off"), alert_class="technical", severity="LOW")
    alert_acknowledge(alert=mine, by=analyst, at=timezone.now())
    assert client.post("/triage/technical/snooze/", {"minutes": "60"}).url == "/"
    assert Alert.objects.filter(triage="snoozed").count() == 0
    assert {each.triage for each in Alert.objects.filter(pk__in=[over.pk, mine.pk])} == {"new", "acknowledged"}


@pytest.mark.parametrize("minutes", ["", "0", "soon", "1441"])
def test_a_snooze_of_no_length_is_refused(client: Client, analyst: User, minutes: str) -> None:
    assert client.post("/triage/technical/snooze/", {"minutes": minutes}).status_code == 400
    assert client.get("/triage/technical/snooze/").status_code == 405
