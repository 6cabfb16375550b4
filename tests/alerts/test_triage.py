"""Triage: acknowledge, snooze, close, reopen, comment; alone, in bulk, and racing."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection

from alerts.models import Alert, AlertChange, OutboxEntry
from alerts.services.triage import (
    LONGEST_SNOOZE,
    TriageError,
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_reopen,
    alert_snooze,
    alert_undo,
    alerts_acknowledge,
    alerts_close,
    alerts_snooze,
    snoozes_end,
)
from devices.models import AuditEntry, User
from tests.made import NOON, make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def wearer() -> User:
    return make_wearer()


@pytest.fixture
def alice(wearer: User) -> User:
    return make_user("alice", watches=(wearer,), display_name="Alice")


@pytest.fixture
def bob(wearer: User) -> User:
    return make_user("bob", watches=(wearer,))


@pytest.fixture
def alert(wearer: User) -> Alert:
    return make_alert(wearer)


def test_acknowledging_says_who_when_from_to_and_why(alert: Alert, alice: User) -> None:
    now = alert_acknowledge(alert=alert, by=alice, at=LATER, note="calling her")
    assert (now.triage, now.triaged_by, now.triaged_at, now.revision) == ("acknowledged", alice, LATER, 2)
    change = AlertChange.objects.get()
    assert (change.by, change.at, change.was, change.became) == (alice, LATER, "new", "acknowledged")
    assert (change.action, change.note, change.revision) == ("acknowledge", "calling her", 2)


def test_what_people_decide_stands_in_the_audit_log_and_what_the_clock_does_not(alert: Alert, alice: User) -> None:
    alert_snooze(alert=alert, by=alice, at=NOON, until=LATER, note="user_001 is asleep")
    snoozes_end(at=LATER)
    row = AuditEntry.objects.get()
    assert (row.verb, row.actor, row.person, row.at) == ("decided", "alice", "user_001", NOON)
    assert (row.what, row.changes) == (f"snooze alert {alert.pk}", {"triage": ["new", "snoozed"]})


def test_a_decision_goes_to_the_outbox_and_to_the_screens(
    alert: Alert, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks
) -> None:
    told: list[tuple[int, dict]] = []
    monkeypatch.setattr("alerts.announce.live.announce", lambda *, vitals, alerts: told.extend(alerts))
    with django_capture_on_commit_callbacks(execute=True):
        alert_acknowledge(alert=alert, by=alice, at=LATER)
    assert OutboxEntry.objects.get().payload["status"] == "acknowledged"
    assert [(pk, shown["revision"], shown["status"]) for pk, shown in told] == [(alert.user_id, 2, "acknowledged")]


def test_the_second_to_acknowledge_finds_it_done_and_changes_nothing(alert: Alert, alice: User, bob: User) -> None:
    alert_acknowledge(alert=alert, by=alice, at=LATER)
    now = alert_acknowledge(alert=alert, by=bob, at=LATER)
    assert (now.triaged_by, now.revision) == (alice, 2)
    assert AlertChange.objects.count() == 1


def test_the_note_of_the_second_is_not_lost(alert: Alert, alice: User, bob: User) -> None:
    alert_acknowledge(alert=alert, by=alice, at=LATER)
    alert_acknowledge(alert=alert, by=bob, at=LATER, note="on site")
    assert list(AlertChange.objects.values_list("action", "by", "note")) == [
        ("acknowledge", alice.pk, ""),
        ("comment", bob.pk, "on site"),
    ]


def test_a_closed_alert_is_not_acknowledged(alert: Alert, alice: User, bob: User) -> None:
    alert_close(alert=alert, by=alice, at=LATER, reason="benign")
    with pytest.raises(TriageError, match="closed by Alice") as refused:
        alert_acknowledge(alert=alert, by=bob, at=LATER)
    assert refused.value.refusal.code == "closed"
    assert Alert.objects.get().triage == "closed"


def test_closing_a_firing_alert_never_touches_its_episode(alert: Alert, alice: User) -> None:
    now = alert_close(alert=alert, by=alice, at=LATER, reason="true", note="seen")
    assert (now.triage, now.close_reason) == ("closed", "true")
    assert (now.episode, now.end, now.ended_at) == ("firing", None, alert.ended_at)


def test_closing_again_for_the_same_reason_is_fine_for_another_is_not(alert: Alert, alice: User, bob: User) -> None:
    alert_close(alert=alert, by=alice, at=LATER, reason="benign")
    assert alert_close(alert=alert, by=bob, at=LATER, reason="benign").triaged_by == alice
    with pytest.raises(TriageError, match="Reopen it first"):
        alert_close(alert=alert, by=bob, at=LATER, reason="true")


def test_closing_takes_a_known_reason(alert: Alert, alice: User) -> None:
    with pytest.raises(ValueError, match="tired"):
        alert_close(alert=alert, by=alice, at=LATER, reason="tired")


@pytest.mark.parametrize("before", ["acknowledged", "closed", "snoozed"])
def test_reopening_makes_it_new_from_wherever_it_is(alert: Alert, alice: User, before: str) -> None:
    if before == "acknowledged":
        alert_acknowledge(alert=alert, by=alice, at=LATER)
    elif before == "closed":
        alert_close(alert=alert, by=alice, at=LATER, reason="benign")
    else:
        alert_snooze(alert=alert, by=alice, at=LATER, until=LATER + timedelta(minutes=5))
    now = alert_reopen(alert=alert, by=alice, at=LATER)
    assert (now.triage, now.close_reason, now.snoozed_until, now.triage_before_snooze) == ("new", "", None, "")


@pytest.mark.parametrize(("severity", "longest"), LONGEST_SNOOZE.items())
def test_a_snooze_lasts_as_long_as_the_severity_allows(wearer: User, alice: User, severity: str, longest) -> None:
    alert = make_alert(wearer, severity=severity)
    with pytest.raises(TriageError) as refused:
        alert_snooze(alert=alert, by=alice, at=LATER, until=LATER + longest + timedelta(seconds=1))
    assert refused.value.refusal.code == "snooze_too_long"
    assert alert_snooze(alert=alert, by=alice, at=LATER, until=LATER + longest).snoozed_until == LATER + longest


def test_a_snooze_into_the_past_is_refused(alert: Alert, alice: User) -> None:
    with pytest.raises(TriageError) as refused:
        alert_snooze(alert=alert, by=alice, at=LATER, until=LATER)
    assert refused.value.refusal.code == "snooze_in_past"


def test_a_snooze_ends_where_it_began(wearer: User, alice: User) -> None:
    new, acknowledged = make_alert(wearer), make_alert(wearer, rule=make_rule("hypoxia"))
    alert_acknowledge(alert=acknowledged, by=alice, at=NOON)
    until = LATER + timedelta(minutes=5)
    alerts_snooze(alerts=[new, acknowledged], by=alice, at=LATER, until=until)
    assert snoozes_end(at=until - timedelta(seconds=1)) == 0
    assert snoozes_end(at=until) == 2
    states = dict(Alert.objects.values_list("pk", "triage"))
    assert states == {new.pk: "new", acknowledged.pk: "acknowledged"}
    last = AlertChange.objects.filter(alert=new).last()
    assert last is not None
    assert (last.action, last.by, last.was, last.became) == ("snooze_end", None, "snoozed", "new")
    assert snoozes_end(at=until) == 0


def test_snoozing_again_moves_the_end_and_remembers_what_was_before(alert: Alert, alice: User) -> None:
    alert_acknowledge(alert=alert, by=alice, at=NOON)
    alert_snooze(alert=alert, by=alice, at=NOON, until=NOON + timedelta(minutes=5))
    now = alert_snooze(alert=alert, by=alice, at=LATER, until=LATER + timedelta(minutes=30))
    assert (now.snoozed_until, now.triage_before_snooze) == (LATER + timedelta(minutes=30), "acknowledged")


def test_a_comment_changes_nothing_but_the_revision(alert: Alert, alice: User) -> None:
    now = alert_comment(alert=alert, by=alice, at=LATER, note="she climbed stairs")
    assert (now.triage, now.revision) == ("new", 2)
    assert AlertChange.objects.get().note == "she climbed stairs"


def test_in_bulk_what_fits_is_done_and_what_does_not_is_named(wearer: User, alice: User) -> None:
    new = make_alert(wearer)
    closed = make_alert(wearer, rule=make_rule("hypoxia"))
    taken = make_alert(wearer, rule=make_rule("fever"))
    alert_close(alert=closed, by=alice, at=NOON, reason="benign")
    alert_acknowledge(alert=taken, by=alice, at=NOON)
    triaged = alerts_acknowledge(alerts=[new, closed, taken], by=alice, at=LATER)
    assert [a.pk for a in triaged.changed] == [new.pk]
    assert [a.pk for a in triaged.already] == [taken.pk]
    assert [r.alert.pk for r in triaged.refused] == [closed.pk]


def test_closing_fifty_takes_no_more_queries_than_closing_one(
    wearer: User, alice: User, django_assert_max_num_queries
) -> None:
    alerts = [make_alert(wearer, rule=make_rule(f"rule-{n}")) for n in range(50)]
    with django_assert_max_num_queries(8):
        assert len(alerts_close(alerts=alerts, by=alice, at=LATER, reason="duplicate").changed) == 50


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_leave_one_decision_and_every_revision(wearer: User, alice: User, bob: User) -> None:
    alert = make_alert(wearer)
    ready, outcomes = threading.Barrier(2), []

    def close(by: User, reason: str) -> None:
        ready.wait()
        try:
            outcomes.append(alert_close(alert=alert, by=by, at=LATER, reason=reason).close_reason)
        except TriageError as refused:
            outcomes.append(refused.refusal.code)
        connection.close()

    threads = [threading.Thread(target=close, args=pair) for pair in ((alice, "true"), (bob, "benign"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = Alert.objects.get()
    assert sorted(outcomes) == sorted(["closed", now.close_reason])
    assert now.revision == 2
    assert AlertChange.objects.get().by == now.triaged_by


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_undoing_gives_back_whose_it_was_and_since_when_as_often_as_asked(alert: Alert, alice: User, bob: User) -> None:
    alert_acknowledge(alert=alert, by=alice, at=at(1))
    for minute in (2, 4):
        closed = alert_close(alert=alert, by=bob, at=at(minute), reason="true")
        now = alert_undo(alert=alert, by=bob, at=at(minute + 1), revision=closed.revision)
        assert (now.triage, now.triaged_by, now.triaged_at) == ("acknowledged", alice, at(1))
    last = AlertChange.objects.get(revision=now.revision)
    assert (last.action, last.by, last.at, last.was, last.became) == ("undo", bob, at(5), "closed", "acknowledged")


def test_undoing_the_first_decision_leaves_it_nobodys(alert: Alert, alice: User) -> None:
    snoozed = alert_snooze(alert=alert, by=alice, at=at(1), until=at(10))
    now = alert_undo(alert=alert, by=alice, at=at(2), revision=snoozed.revision)
    assert (now.triage, now.triaged_by, now.triaged_at, now.snoozed_until) == ("new", None, None, None)


def test_news_of_the_episode_do_not_stand_in_the_way_of_undoing(alert: Alert, alice: User) -> None:
    closed = alert_close(alert=alert, by=alice, at=at(1), reason="true")
    Alert.objects.update(revision=closed.revision + 5)
    assert alert_undo(alert=alert, by=alice, at=at(2), revision=closed.revision).triage == "new"


def test_only_the_last_decision_is_undone_and_only_by_who_made_it(alert: Alert, alice: User, bob: User) -> None:
    acknowledged = alert_acknowledge(alert=alert, by=alice, at=at(1))
    with pytest.raises(TriageError):
        alert_undo(alert=alert, by=bob, at=at(2), revision=acknowledged.revision)
    closed = alert_close(alert=alert, by=bob, at=at(3), reason="true")
    with pytest.raises(TriageError):
        alert_undo(alert=alert, by=alice, at=at(4), revision=acknowledged.revision)
    alert_undo(alert=alert, by=bob, at=at(5), revision=closed.revision)
    with pytest.raises(TriageError):
        alert_undo(alert=alert, by=bob, at=at(6), revision=closed.revision)
    assert Alert.objects.get().triage == "acknowledged"


def test_what_ended_a_snooze_is_not_undone(alert: Alert, alice: User) -> None:
    alert_snooze(alert=alert, by=alice, at=at(1), until=at(10))
    closed = alert_close(alert=alert, by=alice, at=at(2), reason="true")
    with pytest.raises(TriageError):
        alert_undo(alert=alert, by=alice, at=at(3), revision=closed.revision)
