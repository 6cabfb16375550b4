"""The alerts of those who are silent: told once, ended with their rule, and triaged by people."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from alerts.models import Alert, OutboxEntry
from alerts.models.alert import EpisodeState
from alerts.services.rules import episodes_end_with_rules, rule_disable, rule_enable
from alerts.services.triage import alert_close
from devices.models import User
from ingestion import absence
from tests.ingestion.watching import LOW, MEDIUM, Watch, at, firing, load
from tests.made import make_user, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_change_is_told_audited_and_left_in_the_outbox(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    opened = watch.look(2)
    watch.look(3)
    watch.speak(ann, 4, 4)
    ended = watch.look(5)
    alert = Alert.objects.get()
    assert [(each.action, each.was, each.became, each.revision) for each in alert.changes.all()] == [
        ("opened", "", "firing", 1), ("ended", "firing", "ended", 2)
    ]  # fmt: skip
    assert [entry.payload["episode"] for entry in OutboxEntry.objects.order_by("revision")] == ["firing", "ended"]
    assert [entry.revision for entry in (*opened.outbox, *ended.outbox)] == [1, 2]
    assert [(each["user_id"], each["episode"], each["revision"]) for each in watch.told] == [
        ("ann", "firing", 1), ("ann", "ended", 2)
    ]  # fmt: skip
    assert alert.loud_at == at(2) + timedelta(seconds=1)


def test_the_sentence_says_since_when_and_then_for_how_long(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0, every_s=60)
    watch.look(3)
    assert Alert.objects.get().description == (
        "Nothing heard since 12:00:00, for longer than 3 min; usually a reading comes every 1 min."
    )
    watch.speak(ann, 72.5, 72.5)
    watch.look(73)
    assert Alert.objects.get().description == (
        "Nothing heard from 12:00:00 to 13:12:30, for 1 h 12 min; usually a reading comes every 1 min."
    )


def test_two_at_once_open_one_alert(watch: Watch, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.listen(3)
    inside, go_on = threading.Event(), threading.Event()
    judged = absence.listened

    def slowly(*arguments: Any, **named: Any) -> Any:
        inside.set()
        go_on.wait(10)
        return judged(*arguments, **named)

    def first() -> None:
        watch.step(3)
        connections.close_all()

    monkeypatch.setattr(absence, "listened", slowly)
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    monkeypatch.setattr(absence, "listened", judged)
    assert not watch.step(3).is_judged  # the second leaves at once
    go_on.set()
    thread.join()
    watch.step(3)
    assert Alert.objects.count() == 1


def test_a_person_who_is_deleted_while_silent_takes_the_alert_along(watch: Watch, ann: User) -> None:
    load(LOW, MEDIUM)
    watch.speak(ann, -30, 0)
    watch.look(3)
    ann.delete()
    watch.look(10)
    assert Alert.objects.count() == 0


def test_a_person_who_is_deleted_between_looking_and_writing_has_no_alert(
    watch: Watch, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.speak(bob, -30, 0)
    opens = absence.absences_open

    def later(*arguments: Any, **named: Any) -> Any:
        ann.delete()
        return opens(*arguments, **named)

    monkeypatch.setattr(absence, "absences_open", later)
    watch.look(3)
    assert firing() == [("bob", LOW, "LOW")]


def test_what_fires_ends_with_its_rule_and_begins_again_with_the_next(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.look(3)
    rule = Alert.objects.get().rule
    rule_disable(rule=rule, by=None, at=at(4))
    watch.look(4)
    episodes_end_with_rules(at=at(4))
    assert Alert.objects.get().end == "rule_disabled"
    watch.look(5)
    rule_enable(rule=rule, by=None, at=at(6))
    watch.look(7.9)
    assert Alert.objects.count() == 1
    watch.look(8)
    assert [(each.rule_version, each.end) for each in Alert.objects.order_by("opened_at")] == [
        (1, "rule_disabled"), (2, None)
    ]  # fmt: skip


def test_an_alert_of_an_old_wording_keeps_the_new_one_waiting_until_it_has_ended(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.look(3)
    load(LOW, when=at(4), factor="4")
    watch.look(10)
    assert [each.rule_version for each in Alert.objects.all()] == [1]
    episodes_end_with_rules(at=at(10))
    watch.look(10.1)
    assert sorted(Alert.objects.values_list("rule_version", "end")) == [(1, "rule_changed"), (2, None)]


def test_triage_is_left_alone_and_a_closed_alert_still_ends(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.look(3)
    alert = Alert.objects.get()
    alert_close(alert=alert, by=make_user("dr"), at=at(4), reason="expected")
    watch.look(5)
    watch.speak(ann, 6, 6)
    watch.look(7)
    alert.refresh_from_db()
    assert (alert.triage, alert.episode, alert.revision) == ("closed", "ended", 3)


def test_a_second_silence_soon_after_is_quiet_until_it_outlasts_the_cooldown(watch: Watch, ann: User) -> None:
    load(LOW)  # a cooldown of 5 minutes
    watch.speak(ann, -30, 0)
    watch.look(2)
    watch.speak(ann, 3, 3)
    watch.look(3.1)
    watch.look(5)
    second = Alert.objects.get(episode=EpisodeState.FIRING)
    assert (second.quiet, second.quiet_reason, second.loud_at) == (True, "cooldown", None)
    watch.look(7.9)
    assert Alert.objects.get(pk=second.pk).quiet
    watch.look(8)
    second.refresh_from_db()
    assert (second.quiet, second.quiet_reason, second.loud_at) == (False, None, at(8) + timedelta(seconds=1))
    assert [change.action for change in second.changes.all()] == ["opened", "loud"]


def test_it_opens_a_bounded_number_at_once_and_goes_on(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    load(LOW)
    monkeypatch.setattr(absence, "AT_ONCE", 2)
    people = [make_wearer(f"p{number}") for number in range(3)]
    for number, person in enumerate(people):
        watch.speak(person, -30, number / 10)
    watch.look(4)
    assert [who for who, *_ in firing()] == ["p0", "p1"]  # who is silent for longest first
    watch.look(4.1)
    assert len(firing()) == 3
    for person in people:
        watch.speak(person, 5, 5)
    watch.look(10)  # all were heard, and are silent again
    assert Alert.objects.filter(end="cleared").count() == 2
    watch.look(10.1)
    assert Alert.objects.filter(end="cleared").count() == 3
    assert len(firing()) == 3


def test_who_is_heard_and_silent_again_waits_for_the_end_of_the_first_alert(
    watch: Watch, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(LOW)
    monkeypatch.setattr(absence, "AT_ONCE", 1)
    for minute, person in ((0, ann), (0.4, bob)):
        watch.speak(person, -30, minute)
    watch.look(3)
    watch.look(3.1)
    watch.speak(bob, 4, 4)
    watch.speak(ann, 5, 5)
    watch.look(10)  # one alert ends, ann's; bob's fires still, though his next silence is the longest now
    assert Alert.objects.filter(end="cleared").get().user == ann
    assert firing() == [("ann", LOW, "LOW"), ("bob", LOW, "LOW")]
