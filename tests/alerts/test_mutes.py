"""Planned activity: what it may be, how it silences, how it ends, and what it never does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.hushing import may_notify
from alerts.models import Alert, AlertChange, Mute, MuteChange, Rule
from alerts.services.mutes import (
    AHEAD,
    LONGEST_MUTE,
    MOST_AT_ONCE,
    MuteError,
    mute_add,
    mute_end,
    mutes_end,
    rules_mutable,
)
from devices.models import User
from tests.alerts.feeding import RACING, Feed, at, load, person_one, the_alert
from tests.made import make_alert, make_user

pytestmark = pytest.mark.django_db
CRITICAL = RACING.replace("id: racing", "id: racing-critical").replace("HIGH", "CRITICAL").replace("> 100", "> 150")
PIPELINE = """
id: storm
alert_type: STORM
title: Storm
severity: MEDIUM
class: technical
over: pipeline
event: reject_storm
max_gap: 60s
description: A test's rule.
"""


@pytest.fixture
def wearer() -> User:
    load(RACING, CRITICAL)
    return person_one()


@pytest.fixture
def alice(wearer: User) -> User:
    return make_user("alice", watches=(wearer,), display_name="Alice")


def mute(wearer: User, by: User, **said: Any) -> Mute:
    """Racing stays quiet from noon for an hour, unless `said` otherwise."""
    values = {"rules": ["racing"], "starts_at": at(0), "ends_at": at(3600), "why": "at the gym", "at": at(0)}
    return mute_add(wearer=wearer, by=by, **(values | said))


def changes(row: Mute) -> list[tuple[str, str | None]]:
    return [(change.action, change.by and change.by.username) for change in MuteChange.objects.filter(mute=row)]


def test_it_keeps_who_for_whom_what_until_when_and_why(wearer: User, alice: User) -> None:
    made = mute(wearer, alice)
    assert (made.user, made.made_by, made.rules, made.why) == (wearer, alice, ["racing"], "at the gym")
    assert (made.starts_at, made.ends_at, made.over_at) == (at(0), at(3600), None)
    assert changes(made) == [("made", "alice")]


def test_one_that_began_before_it_was_said_begins_now(wearer: User, alice: User) -> None:
    assert mute(wearer, alice, starts_at=at(-60)).starts_at == at(0)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"rules": []}, "rules"),
        ({"rules": ["nothing"]}, "rules"),
        ({"rules": ["racing", "racing-critical"]}, "rules"),
        ({"why": "  "}, "why"),
        ({"why": "x" * 201}, "why"),
        ({"ends_at": at(0)}, "until"),
        ({"ends_at": at(0) + LONGEST_MUTE + timedelta(seconds=1)}, "until"),
        ({"starts_at": at(1) + AHEAD, "ends_at": at(60) + AHEAD}, "from"),
    ],
)
def test_what_it_may_not_be(wearer: User, alice: User, said: dict[str, Any], field: str) -> None:
    with pytest.raises(MuteError) as refused:
        mute(wearer, alice, **said)
    assert refused.value.field == field
    assert not Mute.objects.exists()


def test_nobody_plans_without_end(wearer: User, alice: User) -> None:
    for _ in range(MOST_AT_ONCE):
        mute(wearer, alice)
    with pytest.raises(MuteError, match="End one of them first"):
        mute(wearer, alice)


def test_a_critical_rule_and_one_over_the_pipeline_cannot_be_muted(wearer: User) -> None:
    load(RACING, CRITICAL, PIPELINE)
    assert [rule.rule_id for rule in rules_mutable()] == ["racing"]


def test_it_marks_what_fires_already_and_says_so_to_the_screens(
    wearer: User, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("alerts.announce.live.announce", lambda *, vitals, alerts: told.extend(alerts))
    firing = make_alert(wearer, rule=_rule("racing"))
    others = [make_alert(wearer, rule=_rule("racing-critical"), severity="CRITICAL"), make_alert(alice)]
    with django_capture_on_commit_callbacks(execute=True):
        made = mute(wearer, alice)
    assert not may_notify(firing, at=at(1))
    assert all(may_notify(alert, at=at(1)) for alert in others)
    with django_capture_on_commit_callbacks(execute=True):
        mute_end(mute=made, by=wearer, at=at(60))
    firing.refresh_from_db()
    assert (may_notify(firing, at=at(60)), firing.renewed_at, firing.episode) == (True, at(60), "firing")
    rows = AlertChange.objects.values_list("alert", "action", "by__username", "became", "note")
    assert list(rows) == [
        (firing.pk, "mute", "alice", "2026-03-01T13:00:00.000Z", "at the gym"),
        (firing.pk, "mute_end", "person_1", "", "at the gym"),
    ]
    assert [shown["revision"] for _, shown in told] == [2, 3]


def test_other_pages_hear_of_it_also_where_nothing_fires(
    wearer: User, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[Any] = []
    monkeypatch.setattr("alerts.services.mutes.live.planned_changed", lambda **said: heard.append(said))
    with django_capture_on_commit_callbacks(execute=True):
        made = mute(wearer, alice)
        assert heard == []
    with django_capture_on_commit_callbacks(execute=True):
        mute_end(mute=made, by=alice, at=at(60))
    assert heard == [{"person": wearer.pk, "user_id": wearer.username}] * 2


def test_a_rule_that_became_critical_is_not_muted_any_more(wearer: User, alice: User) -> None:
    mute(wearer, alice)
    assert may_notify(make_alert(wearer, rule=_rule("racing"), severity="CRITICAL"), at=at(1))


def test_it_ends_by_itself_once(wearer: User, alice: User) -> None:
    made, firing = mute(wearer, alice), make_alert(wearer, rule=_rule("racing"))
    assert mutes_end(at=at(3599)) == 0
    assert mutes_end(at=at(3600)) == 1
    assert mutes_end(at=at(3600)) == 0
    firing.refresh_from_db()
    assert (firing.renewed_at, may_notify(firing, at=at(3600))) == (at(3600), True)
    assert changes(made) == [("made", "alice"), ("over", None)]


def test_one_that_has_not_begun_is_called_off_and_one_that_is_over_is_not(wearer: User, alice: User) -> None:
    made = mute(wearer, alice, starts_at=at(600))
    now = mute_end(mute=made, by=wearer, at=at(60))
    assert (now.starts_at, now.ends_at, now.over_at) == (at(600), at(600), at(60))
    with pytest.raises(MuteError, match="over already"):
        mute_end(mute=made, by=alice, at=at(61))
    assert changes(made) == [("made", "alice"), ("ended", "person_1")]


@pytest.mark.django_db(transaction=True)
def test_what_opens_within_it_is_written_quiet_and_is_loud_once_it_goes_on_beyond(wearer: User, alice: User) -> None:
    feed = Feed()
    mute(wearer, alice, ends_at=at(60))
    feed.send((0, 120), (1, 120), (2, 120))
    alert = the_alert()
    assert (alert.episode, alert.quiet, alert.quiet_reason, alert.loud_at) == ("firing", True, "muted", None)
    feed.send((59, 120))
    assert the_alert().quiet
    feed.send((60, 120))
    assert (the_alert().quiet, the_alert().loud_at) == (False, at(60))


@pytest.mark.django_db(transaction=True)
def test_it_silences_the_rules_it_names_of_that_person_and_nothing_else(wearer: User, alice: User) -> None:
    feed, other = Feed(), make_user("person_2", is_wearer=True)
    mute(wearer, alice)
    for user in (wearer, other):
        feed.send((0, 160), (1, 160), (2, 160), user=user)
    quiet = Alert.objects.filter(quiet=True).values_list("user__username", "rule__rule_id")
    assert list(quiet) == [("person_1", "racing")]
    assert Alert.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_what_is_judged_again_long_after_it_stays_quiet(wearer: User, alice: User) -> None:
    feed = Feed()
    mute(wearer, alice, ends_at=at(60))
    feed.send((0, 120), (1, 120), (2, 120), (3, 80))
    feed.restart()
    feed.send((20_000, 70))
    feed.send((2.5, 130), now=20_001)
    alert = the_alert()
    assert (alert.event_count, alert.quiet, alert.quiet_reason) == (4, True, "muted")


@pytest.mark.django_db(transaction=True)
def test_a_batch_asks_no_more_with_mutes_than_without(wearer: User, alice: User) -> None:
    feed = Feed()
    feed.send((0, 70))

    def queries(second: float) -> int:
        with CaptureQueriesContext(connection) as captured:
            feed.send(*((second + part / 10, 120) for part in range(3)), (second + 0.4, 70))
        return len(captured)

    queries(3)
    without = queries(6)
    mute(wearer, alice)
    assert queries(9) <= without
    assert Alert.objects.filter(quiet_reason="muted").count() == 1
    with CaptureQueriesContext(connection) as captured:
        feed.send((9.5, 70))
    assert not any("alerts_mute" in str(query["sql"]) for query in captured)


def _rule(rule_id: str) -> Rule:
    return Rule.objects.get(rule_id=rule_id)
