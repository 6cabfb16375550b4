"""Backtest by API: a rule's text tried on the readings of the people one may see."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache

from alerts import backtest_api
from alerts.models import Alert, RuleVersion
from devices.models import Reading, User
from tests.alerts.feeding import RACING, Feed, at, load
from tests.api.test_errors import error
from tests.made import readings_locked

pytestmark = pytest.mark.django_db(transaction=True)
EASY = RACING.replace("{count: 3, within: 60s}", "{count: 1}")
SILENT = """
id: silent
alert_type: SILENT
title: Silent
severity: LOW
over: absence
factor: 3
at_least: 2m
"""
SPAN = {"since": at(-60).isoformat(), "until": at(3600).isoformat()}


@pytest.fixture
def _history(wearer: User, other: User) -> None:
    load(RACING)
    feed = Feed()
    feed.send((0, 120), (1, 121), (2, 125), (3, 90), (300, 130), (301, 90), user=wearer)
    feed.send((0, 120), (1, 90), user=other)


def send(client: Any, source: str = EASY, **body: Any) -> Any:
    return client.post("/api/v1/rules/backtest/", {"source": source} | SPAN | body, format="json")


@pytest.mark.usefixtures("_history")
def test_a_present_version_that_cannot_be_read_is_named(call, analyst: User) -> None:
    RuleVersion.objects.update(source="id: racing")
    said = error(send(call(analyst)), 400)
    assert said["message"].startswith("The present version cannot be read by this release, to compare with: racing v1")


@pytest.mark.usefixtures("_history")
def test_it_answers_with_the_episodes_and_how_they_compare(call, analyst: User) -> None:
    body = send(call(analyst)).json()
    first, second = body["episodes"]
    assert first == {
        "rule_id": "racing",
        "user_id": "user_001",
        "started_at": "2026-03-01T12:00:00.000Z",
        "opened_at": "2026-03-01T12:00:00.000Z",
        "ended_at": "2026-03-01T12:00:02.000Z",
        "event_count": 3,
        "measures": {"heart_rate": {"avg": 122.0, "min": 120.0, "max": 125.0}},
        "end": "cleared",
        "overlaps_alert": True,
    }
    assert (second["overlaps_alert"], second["started_at"]) == (False, "2026-03-01T12:05:00.000Z")
    assert body["summary"] == {
        "rule_id": "racing",
        "episodes": 2,
        "per_person_day": 48.0,
        "overlapping": 1,
        "alerts": 1,
        "alerts_lost": 0,
        "present_version": 1,
        "difference": {"only_new": 1, "only_old": 0, "both": 1},
    }
    assert (body["readings"], body["people"], body["lost"]) == (6, 1, [])
    assert body["since"] == "2026-03-01T11:59:00Z"


@pytest.mark.usefixtures("_history")
def test_it_names_what_the_present_version_finds_alone(call, analyst: User) -> None:
    body = send(call(analyst), RACING.replace("> 100", "> 140")).json()
    assert [episode["started_at"] for episode in body["lost"]] == ["2026-03-01T12:00:00.000Z"]
    assert (body["summary"]["alerts_lost"], body["episodes"]) == (1, [])


@pytest.mark.usefixtures("_history")
def test_nothing_is_written(call, analyst: User) -> None:
    before = (Alert.objects.count(), Reading.objects.count())
    assert send(call(analyst)).status_code == 200
    assert (Alert.objects.count(), Reading.objects.count()) == before


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(("who", "seen"), [("wearer", 6), ("analyst", 6), ("lead", 8), ("stranger", 0), ("staff", 0)])
def test_each_tries_it_on_the_people_they_may_see(
    call, request: pytest.FixtureRequest, lead: User, who: str, seen: int
) -> None:
    assert send(call(request.getfixturevalue(who))).json()["readings"] == seen


@pytest.mark.usefixtures("_history")
def test_one_wearer_may_be_named_and_no_other(call, analyst: User, lead: User) -> None:
    assert send(call(lead), user_id="user_002").json()["readings"] == 2
    assert error(send(call(analyst), user_id="user_002"), 404)["code"] == "not_found"


def test_nobody_does_without_a_token(call) -> None:
    assert error(send(call(None)), 401)["code"] == "not_authenticated"


def test_a_text_that_is_no_rule_is_told_where(call, analyst: User) -> None:
    wrong = error(send(call(analyst), RACING.replace("when: heart_rate", "when: pulse")), 400)
    assert wrong["code"] == "invalid"
    (place,) = wrong["fields"]["source"]
    assert (place["line"], place["column"]) == (7, 7)
    assert "pulse" in place["message"]


@pytest.mark.parametrize(
    ("span", "field"),
    [
        ({"since": at(0).isoformat(), "until": at(0).isoformat()}, "since"),
        ({"since": (at(0) - timedelta(days=32)).isoformat(), "until": at(0).isoformat()}, "since"),
        ({"since": "2026-03-01T12:00:00"}, "since"),
        ({"until": "never"}, "until"),
        ({"source": ""}, "source"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(call, analyst: User, span: dict[str, str], field: str) -> None:
    assert list(error(send(call(analyst), **span), 400)["fields"]) == [field]


def test_without_times_it_is_the_last_day(call, analyst: User) -> None:
    body = call(analyst).post("/api/v1/rules/backtest/", {"source": EASY}, format="json").json()
    assert body["summary"]["episodes"] == 0


@pytest.mark.usefixtures("_history")
def test_more_readings_than_a_request_may_take_are_refused(call, lead: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_api, "MOST_READINGS", 7)
    refused = error(send(call(lead)), 400)
    assert refused["code"] == "too_much"
    assert "More than 7 readings" in refused["message"]
    monkeypatch.setattr(backtest_api, "MOST_READINGS", 8)
    assert send(call(lead)).json()["readings"] == 8


def test_what_takes_too_long_is_ended(call, lead: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_api, "LONGEST", timedelta(seconds=0.2))
    with readings_locked():
        refused = error(send(call(lead)), 400)
    assert refused["code"] == "too_much"
    assert "It took longer than" in refused["message"]


def test_it_is_throttled_more_than_the_rest(call, analyst: User) -> None:
    client = call(analyst)
    cache.clear()
    answers = {send(client, "x").status_code for _ in range(21)}
    assert answers == {400, 429}


def test_a_rule_over_absence_cannot_be_tried_on_the_past(call, analyst: User) -> None:
    found = error(send(call(analyst), SILENT), 400)
    assert found["code"] == "no_history"
    (place,) = found["fields"]["source"]
    assert (place["line"], place["column"]) == (6, 7)
    assert place["message"].startswith("a rule over absence cannot be tried on the past")
