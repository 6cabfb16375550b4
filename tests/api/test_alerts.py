"""Alerts by API: who sees which, who decides about them, and what comes of it."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, AlertChange
from alerts.wire import alert_json
from devices.models import User
from tests.api.test_errors import error
from tests.made import NOON, make_alert, make_rule, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert(wearer: User) -> Alert:
    return make_alert(wearer)


@pytest.fixture
def others(other: User) -> Alert:
    return make_alert(other)


def ids(response) -> set[str]:
    assert response.status_code == 200, response.content
    return {row["alert_id"] for row in response.json()["results"]}


def act(client, alert: Alert, action: str, **body: object):
    return client.post(f"/api/v1/alerts/{alert.pk}/{action}/", body, format="json")


@pytest.mark.parametrize(
    ("who", "sees"),
    [("wearer", 1), ("analyst", 1), ("lead", 2), ("stranger", 0), ("staff", 0)],
)
def test_everyone_sees_the_alerts_of_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    call, request: pytest.FixtureRequest, alert: Alert, others: Alert, who: str, sees: int
) -> None:
    client = call(request.getfixturevalue(who))
    seen = ids(client.get("/api/v1/alerts/"))
    assert seen == {str(a.pk) for a in (alert, others)[:sees]}
    for one in (alert, others):
        assert client.get(f"/api/v1/alerts/{one.pk}/").status_code == (200 if str(one.pk) in seen else 404)


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 403), ("analyst", 200), ("lead", 200), ("stranger", 404), ("staff", 404)]
)
def test_those_who_watch_decide(call, request: pytest.FixtureRequest, alert: Alert, who: str, status: int) -> None:
    client = call(request.getfixturevalue(who))
    for action, body in (
        ("acknowledge", {}),
        ("snooze", {"minutes": 5}),
        ("close", {"reason": "benign"}),
        ("reopen", {}),
    ):
        assert act(client, alert, action, **body).status_code == status
    assert AlertChange.objects.count() == (4 if status == 200 else 0)


@pytest.mark.parametrize(("who", "status"), [("wearer", 200), ("analyst", 200), ("stranger", 404), ("staff", 404)])
def test_a_wearer_may_comment(call, request: pytest.FixtureRequest, alert: Alert, who: str, status: int) -> None:
    assert act(call(request.getfixturevalue(who)), alert, "comment", note="stairs").status_code == status


def test_a_list_holds_the_contracts_alerts(call, analyst: User, alert: Alert) -> None:
    body = call(analyst).get("/api/v1/alerts/").json()
    assert body == {"results": [alert_json(alert)], "next": None}


def test_one_alert_comes_with_what_was_decided_and_by_whom(call, analyst: User, alert: Alert) -> None:
    client = call(analyst)
    act(client, alert, "acknowledge", note="calling")
    body = client.get(f"/api/v1/alerts/{alert.pk}/").json()
    assert (body["status"], body["triaged_by"], body["revision"]) == ("acknowledged", "analyst", 2)
    assert [(c["by"], c["was"], c["became"], c["note"]) for c in body["history"]] == [
        ("analyst", "new", "acknowledged", "calling")
    ]


def test_an_action_answers_with_the_alert_as_it_now_is(call, analyst: User, alert: Alert) -> None:
    body = act(call(analyst), alert, "close", reason="false_alarm", note="strap").json()
    assert body == alert_json(Alert.objects.get())
    assert (body["status"], body["episode"]) == ("closed", "firing")


def test_a_closed_alert_is_a_conflict(call, analyst: User, alert: Alert) -> None:
    client = call(analyst)
    act(client, alert, "close", reason="benign")
    assert error(act(client, alert, "acknowledge"), 409)["code"] == "closed"
    assert act(client, alert, "reopen").json()["status"] == "new"


def test_a_snooze_is_as_long_as_the_severity_allows(call, analyst: User, alert: Alert) -> None:
    client = call(analyst)
    assert error(act(client, alert, "snooze", minutes=61), 400)["code"] == "snooze_too_long"
    past = (timezone.now() - timedelta(seconds=1)).isoformat()
    assert error(act(client, alert, "snooze", until=past), 400)["code"] == "snooze_in_past"
    assert error(act(client, alert, "snooze"), 400)["fields"]["until"]
    until = (timezone.now() + timedelta(minutes=30)).isoformat()
    assert act(client, alert, "snooze", until=until).json()["status"] == "snoozed"


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("close", {}, "reason"),
        ("close", {"reason": "tired"}, "reason"),
        ("close", {"reason": "true", "note": "x" * 2001}, "note"),
        ("comment", {}, "note"),
        ("comment", {"note": "  "}, "note"),
        ("comment", {"note": "a\x00b"}, "note"),
        ("snooze", {"until": "2026-03-01T12:00:00"}, "until"),
        ("snooze", {"minutes": 10**30}, "minutes"),
    ],
)
def test_a_decision_that_does_not_fit_names_the_field(  # noqa: PLR0917  # personas and cases
    call, analyst: User, alert: Alert, action: str, body: dict, field: str
) -> None:
    assert list(error(act(call(analyst), alert, action, **body), 400)["fields"]) == [field]


def test_an_alert_that_is_not_there(call, analyst: User) -> None:
    response = call(analyst).post(f"/api/v1/alerts/{uuid4()}/acknowledge/", {}, format="json")
    assert error(response, 404)["code"] == "not_found"


def test_an_alert_that_is_erased_while_somebody_decides_is_not_there(
    call, analyst: User, alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.services.triage._locked", lambda alerts: [])
    assert error(act(call(analyst), alert, "acknowledge"), 404)["code"] == "not_found"
    browser = Client(raise_request_exception=False)
    browser.force_login(analyst)
    assert browser.post(f"/triage/{alert.pk}/acknowledge/").status_code == 404


def test_an_id_in_capitals_is_the_same(call, analyst: User, alert: Alert) -> None:
    assert call(analyst).get(f"/api/v1/alerts/{str(alert.pk).upper()}/").json()["alert_id"] == str(alert.pk)


def test_a_list_narrows(call, analyst: User, wearer: User) -> None:
    high = make_alert(wearer)
    low = make_alert(
        wearer, rule=make_rule("low"), severity="LOW", alert_type="LOW_ONE", alert_class="technical",
        triage="acknowledged", quiet=True, quiet_reason="late", opened_at=NOON + timedelta(hours=1),
    )  # fmt: skip
    gone = make_alert(wearer, rule=make_rule("gone"), episode="withdrawn", title="Gone")
    client = call(analyst)
    wanted = {
        "": {high, low},
        "severity=HIGH": {high},
        "severity=HIGH&severity=LOW": {high, low},
        "status=acknowledged": {low},
        "class=technical": {low},
        "alert_type=LOW_ONE": {low},
        "rule_id=low": {low},
        "quiet=true": {low},
        "quiet=false": {high},
        "episode=withdrawn": {gone},
        "user_id=user_001": {high, low},
        "user_id=user_002": set(),
        "search=tachy": {high, low},
        "since=2026-03-01T12:00:01Z": {low},
        "until=2026-03-01T12:00:01Z": {high},
    }
    for query, expected in wanted.items():
        assert ids(client.get(f"/api/v1/alerts/?{query}")) == {str(a.pk) for a in expected}, query


def test_pages_are_newest_first_and_leave_nothing_out_even_at_one_moment(call, analyst: User, wearer: User) -> None:
    for number in range(7):
        make_alert(wearer, rule=make_rule(f"rule-{number}"), opened_at=NOON + timedelta(minutes=number // 3))
    client, address, seen = call(analyst), "/api/v1/alerts/?limit=2", []
    while address:
        body = client.get(address).json()
        seen += [(row["opened_at"], row["alert_id"]) for row in body["results"]]
        address = body["next"]
    assert len(seen) == len(set(seen)) == 7
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)


def test_a_page_of_fifty_takes_no_query_a_row(call, analyst: User, wearer: User, django_assert_max_num_queries) -> None:
    for number in range(50):
        make_alert(wearer, rule=make_rule(f"rule-{number}"))
    client = call(analyst)
    client.get("/api/v1/alerts/")
    with django_assert_max_num_queries(4):
        assert len(ids(client.get("/api/v1/alerts/"))) == 50


RULE = """
id: racing
alert_type: RACING
title: Racing heart
severity: HIGH
over: reading
when: heart_rate > 100 AND steps_per_minute < 5
max_gap: 60s
measures: [heart_rate]
"""


def test_the_detail_says_why_it_fired_and_how_the_person_was(call, analyst: User, wearer: User) -> None:
    kept = {"recorded_at": "2026-03-01T12:00:00.000Z", "event_id": "1", "values": {"heart_rate": 120.0}}
    noted = {"still_since": "2026-03-01T11:51:00.000Z", "still_at_least": False, "posture": "seated"}
    evidence = {"columns": ["heart_rate", "steps_per_minute"], "suspect": 1, "first": [kept], "last": [kept]}
    alert = make_alert(
        wearer, rule=make_rule("racing", source=RULE), event_count=1, evidence=evidence | {"circumstances": noted}
    )
    body = call(analyst).get(f"/api/v1/alerts/{alert.pk}/").json()
    assert body["explanation"] == {
        "joined_by": "AND",
        "parts": [
            {"text": "heart_rate > 100", "columns": ["heart_rate"]},
            {"text": "steps_per_minute < 5", "columns": ["steps_per_minute"]},
        ],
        "readings": [kept | {"number": 1, "verdicts": ["TRUE", "NULL"], "doubts": {}}],
    }
    assert body["circumstances"] == noted | {"sleep_stage": None, "suspect_count": 1}
    assert body["evidence"] == evidence


def test_a_version_that_is_gone_leaves_the_evidence_and_no_explanation(call, analyst: User, wearer: User) -> None:
    body = call(analyst).get(f"/api/v1/alerts/{make_alert(wearer).pk}/").json()
    assert body["explanation"] is None
    assert body["circumstances"]["still_since"] is None


def test_a_silence_is_told_in_numbers_and_explained_by_no_reading(call, analyst: User, wearer: User) -> None:
    silence = {
        "heard_at": "2026-03-01T11:57:00.000Z", "counted_from": "2026-03-01T11:57:00.000Z", "cadence_s": 5.0,
        "cadence_is_set": False, "limit_s": 180.0, "factor": 3.0, "at_least_s": 180.0,
    }  # fmt: skip
    rule = make_rule("device-silent", source=Path("alerts/rules/device-silent.yaml").read_text())
    evidence = {"columns": [], "suspect": 0, "first": [], "last": [], "silence": silence}
    alert = make_alert(wearer, rule=rule, event_count=0, measures={}, evidence=evidence)
    body = call(analyst).get(f"/api/v1/alerts/{alert.pk}/").json()
    assert body["silence"] == silence
    assert (body["explanation"], body["event_count"], body["measures"]) == (None, 0, {})
    assert "silence" not in body["evidence"]
    assert call(analyst).get(f"/api/v1/alerts/{make_alert(wearer).pk}/").json()["silence"] is None


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 403), ("analyst", 200), ("lead", 200), ("stranger", 404), ("staff", 404)]
)
def test_those_who_watch_give_it_to_somebody(  # noqa: PLR0917  # personas and cases
    call, request: pytest.FixtureRequest, alert: Alert, analyst: User, who: str, status: int
) -> None:
    answer = act(call(request.getfixturevalue(who)), alert, "assign", to="analyst", note="yours")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["assignee"] == "analyst"
        assert AlertChange.objects.filter(alert=alert, action="assign", became="analyst", note="yours").exists()
        assert act(call(analyst), alert, "assign", to=None).json()["assignee"] is None


def test_it_is_given_to_nobody_who_does_not_watch_the_person(
    call, alert: Alert, analyst: User, lead: User, other: User
) -> None:
    make_user("nobody")
    make_user("elsewhere", watches=(other,))
    for name, caller in (("nobody", analyst), ("elsewhere", analyst), ("elsewhere", lead), ("nobody", lead)):
        answer = act(call(caller), alert, "assign", to=name)
        assert list(error(answer, 400)["fields"]) == ["to"], name
    assert Alert.objects.get(pk=alert.pk).assignee is None
