"""Whether anybody may be told of an alert: snoozes hold for what they were said of, and no further."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.hushing import hush_of, hushes_of, may_notify
from alerts.models import Alert, AlertChange
from alerts.services.triage import alert_acknowledge, alert_close, alert_reopen, alert_snooze, snoozes_end
from devices.models import User
from tests.made import NOON, make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
LATER, UNTIL = NOON + timedelta(minutes=1), NOON + timedelta(minutes=15)


@pytest.fixture
def wearer() -> User:
    return make_wearer()


@pytest.fixture
def alice(wearer: User) -> User:
    return make_user("alice", watches=(wearer,))


@pytest.fixture
def snoozed(wearer: User, alice: User) -> Alert:
    """A HIGH alert that ended, snoozed for 14 minutes."""
    alert = _like(wearer, minutes=0)
    return alert_snooze(alert=alert, by=alice, at=LATER, until=UNTIL, note="she runs")


def _like(user: User | None, *, minutes: int, **fields: Any) -> Alert:
    """Another episode of the rule, that ended."""
    at = NOON + timedelta(minutes=minutes)
    return make_alert(user, **({"opened_at": at, "episode": "ended", "end": "cleared"} | fields))


def test_one_that_nobody_silenced_may_be_told_of(wearer: User) -> None:
    assert may_notify(make_alert(wearer), at=LATER)


@pytest.mark.parametrize("reason", ["late", "cooldown", "expected", "muted"])
def test_a_quiet_one_never_and_the_reason_is_said(wearer: User, reason: str) -> None:
    hush = hush_of(make_alert(wearer, quiet=True, quiet_reason=reason), at=LATER)
    assert hush is not None
    assert (hush.why, hush.until) == (reason, None)


def test_a_new_reading_in_a_snooze_notifies_nobody(snoozed: Alert, alice: User) -> None:
    Alert.objects.update(event_count=99, revision=50, ended_at=UNTIL, episode="firing", end=None)
    alert = Alert.objects.get()
    assert not may_notify(alert, at=UNTIL - timedelta(seconds=1))
    hush = hush_of(alert, at=LATER)
    assert hush is not None
    assert (hush.why, hush.until, hush.by) == ("snoozed", UNTIL, alice)
    assert AlertChange.objects.get(action="snooze").note == "she runs"


def test_an_episode_that_opens_anew_within_the_snooze_is_covered(snoozed: Alert, wearer: User) -> None:
    again = make_alert(wearer, opened_at=NOON + timedelta(minutes=5))
    hush = hush_of(again, at=NOON + timedelta(minutes=6))
    assert hush is not None
    assert hush.snoozed == snoozed
    assert may_notify(again, at=UNTIL)


def test_a_higher_severity_pierces_a_lower_snooze_and_a_lower_one_does_not(snoozed: Alert, wearer: User) -> None:
    worse = _like(wearer, minutes=5, severity="CRITICAL", rule=make_rule("worse"))
    milder = _like(wearer, minutes=6, severity="MEDIUM", rule=make_rule("milder"))
    assert may_notify(worse, at=NOON + timedelta(minutes=7))
    assert not may_notify(milder, at=NOON + timedelta(minutes=7))


@pytest.mark.parametrize("fields", [{"alert_class": "technical"}, {"alert_type": "HYPOXIA"}])
def test_what_is_technical_or_of_another_kind_is_not_covered(
    snoozed: Alert, wearer: User, fields: dict[str, str]
) -> None:
    assert may_notify(_like(wearer, minutes=5, rule=make_rule("other"), **fields), at=LATER)


def test_nobody_elses_is_covered_and_the_pipelines_is_its_own(snoozed: Alert, alice: User) -> None:
    nobodys = _like(None, minutes=1)
    assert may_notify(_like(make_wearer("user_002"), minutes=5), at=LATER)
    assert may_notify(nobodys, at=LATER)
    alert_snooze(alert=nobodys, by=alice, at=LATER, until=UNTIL)
    assert not may_notify(_like(None, minutes=5), at=LATER)


def test_a_snooze_that_somebody_ended_covers_nothing(snoozed: Alert, wearer: User, alice: User) -> None:
    again = make_alert(wearer, opened_at=NOON + timedelta(minutes=5))
    alert_acknowledge(alert=snoozed, by=alice, at=LATER)
    assert may_notify(again, at=LATER)
    alert_close(alert=again, by=alice, at=LATER, reason="true")
    assert not may_notify(Alert.objects.get(pk=again.pk), at=LATER)
    assert may_notify(alert_reopen(alert=again, by=alice, at=LATER), at=LATER)


def test_when_a_snooze_is_over_what_still_fires_is_to_be_told_again(wearer: User, alice: User) -> None:
    firing, over = make_alert(wearer), _like(wearer, minutes=-30, rule=make_rule("hypoxia"), alert_type="HYPOXIA")
    for alert in (firing, over):
        alert_snooze(alert=alert, by=alice, at=LATER, until=UNTIL)
    assert not any(may_notify(alert, at=LATER) for alert in Alert.objects.all())
    snoozes_end(at=UNTIL)
    firing.refresh_from_db()
    over.refresh_from_db()
    assert (firing.triage, firing.renewed_at, may_notify(firing, at=UNTIL)) == ("new", UNTIL, True)
    assert (over.triage, over.renewed_at) == ("new", None)


def test_many_are_asked_about_in_two_queries(snoozed: Alert, wearer: User, django_assert_num_queries: Any) -> None:
    many = [_like(wearer, minutes=minute) for minute in range(1, 20)]
    alerts = list(Alert.objects.filter(pk__in=[alert.pk for alert in many]).select_related("rule"))
    with django_assert_num_queries(2):
        assert len(hushes_of(alerts, at=LATER)) == 19
    with django_assert_num_queries(0):
        assert hushes_of([], at=LATER) == {}
