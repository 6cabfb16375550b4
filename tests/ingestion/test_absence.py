"""Who is silent, and who is not: the alerts of rules over absence, from stored readings and the ledger."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert, OutboxEntry
from alerts.models.alert import EpisodeState
from alerts.rule_files import RuleFile, parse_rule
from alerts.services.rules import episodes_end_with_rules, rule_disable, rule_enable, rules_load
from alerts.services.triage import alert_close
from devices import live
from devices.models import Device, Reading, Simulation, User
from ingestion import absence
from ingestion.absence import Step, absences_step
from ingestion.models import PartitionLedger
from tests.made import make_partitions, make_user, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Path("alerts/rules")
LOW, MEDIUM = ("device-silent", "device-silent-urgent")
FRESH = timedelta(minutes=15)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def load(*names: str, when: datetime = NOON - timedelta(days=1), **changes: str) -> None:
    """These rules that come with Telara, some words changed."""
    files = []
    for name in names:
        source = (RULES / f"{name}.yaml").read_text()
        for old, new in changes.items():
            source = source.replace(
                *[line for line in source.splitlines() if line.startswith(old)][:1], f"{old}: {new}"
            )
        parsed = parse_rule(source)
        assert parsed.rule is not None, parsed.problems
        files.append(RuleFile(parsed.rule, source, name))
    rules_load(files=files, at=when)


@dataclass
class Watch:
    """A consumer that listens, wearers who speak, and the task, at minutes after noon."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        make_partitions(NOON, NOON - timedelta(days=2), NOON + timedelta(days=40))
        for partition in range(2):
            PartitionLedger.objects.create(
                cluster_id="c", topic="t", partition=partition, next_offset=0,
                listening_since=at(-3_000), consumed_until=at(-3_000),
            )  # fmt: skip

    def speak(self, person: User, first: float, last: float, *, every_s: float = 20, **values: Any) -> None:
        """Readings from the first to the last minute, received at once."""
        moments = [at(first)]
        while moments[-1] + timedelta(seconds=every_s) <= at(last):
            moments.append(moments[-1] + timedelta(seconds=every_s))
        Reading.objects.bulk_create(
            Reading(user=person, recorded_at=moment, received_at=moment, event_id=uuid4(), **values)
            for moment in moments
        )

    def listen(self, minute: float, *, since: float | None = None) -> None:
        PartitionLedger.objects.update(consumed_until=at(minute))
        if since is not None:
            PartitionLedger.objects.update(listening_since=at(since))

    def look(self, minute: float) -> Step:
        """The task, a second after everything is known."""
        self.listen(minute)
        return self.step(minute)

    def step(self, minute: float) -> Step:
        return absences_step(topic="t", freshness=FRESH, at=at(minute) + timedelta(seconds=1))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(live, "announce", lambda *, vitals, alerts: made.told.extend(alert for _, alert in alerts))
    return made


@pytest.fixture
def ann() -> User:
    return make_wearer("ann")


@pytest.fixture
def bob() -> User:
    return make_wearer("bob")


def firing() -> list[tuple[str, str, str]]:
    rows = Alert.objects.filter(episode=EpisodeState.FIRING).order_by("user__username", "rule__rule_id")
    return [(alert.user.username, alert.rule.rule_id, alert.severity) for alert in rows.select_related("rule", "user")]


def test_a_strap_that_stops_is_low_then_medium_and_over_when_it_is_heard_again(
    watch: Watch, ann: User, bob: User
) -> None:
    load(LOW, MEDIUM)
    watch.speak(ann, -30, 0, every_s=60)
    watch.speak(bob, -30, 20, every_s=60)
    watch.look(2.99)
    assert firing() == []
    watch.look(3)
    assert firing() == [("ann", LOW, "LOW")]
    watch.look(5.99)
    assert firing() == [("ann", LOW, "LOW")]
    watch.look(6)
    assert firing() == [("ann", LOW, "LOW"), ("ann", MEDIUM, "MEDIUM")]
    watch.look(10)
    watch.speak(ann, 10.5, 10.5)
    watch.look(11)
    assert firing() == []
    low, medium = Alert.objects.order_by("opened_at")
    assert (low.started_at, low.opened_at, low.ended_at) == (NOON, at(3), at(10.5))
    assert (medium.started_at, medium.opened_at, medium.ended_at) == (NOON, at(6), at(10.5))
    assert [(each.episode, each.end, each.settled_at) for each in (low, medium)] == [("ended", "cleared", at(10.5))] * 2
    assert medium.replaces == low.rule.rule_id
    assert (low.alert_class, low.event_count, low.measures, low.quiet) == ("technical", 0, {}, False)


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


def test_our_own_outage_is_not_the_wearers(watch: Watch, ann: User, bob: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.speak(bob, -30, 0)
    watch.listen(0)  # the consumer stops
    for minute in range(1, 11):
        assert not watch.step(minute).is_judged
    watch.listen(5, since=10)  # it is back, and behind
    assert not watch.step(10).is_judged
    watch.speak(ann, 0, 10)  # what ann had sent meanwhile is stored
    watch.look(10)
    watch.speak(ann, 10, 30)
    watch.look(11.9)
    assert firing() == []
    watch.look(12)  # bob, in truth, had stopped
    assert firing() == [("bob", LOW, "LOW")]


def test_one_partition_that_lags_keeps_all_judgement_back(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -30, 0)
    watch.listen(10)
    PartitionLedger.objects.filter(partition=1).update(consumed_until=at(9))
    assert not watch.step(10).is_judged
    assert firing() == []


def test_somebody_silent_for_weeks_is_no_news_and_somebody_since_this_morning_is(
    watch: Watch, ann: User, bob: User
) -> None:
    load(LOW)
    watch.speak(ann, -60 * 30, -60 * 29)
    watch.speak(bob, -60 * 6, -60 * 5)
    watch.listen(0, since=0)  # installed, or started again
    watch.look(1.9)
    assert firing() == []
    watch.look(2)
    assert firing() == [("bob", LOW, "LOW")]
    assert Alert.objects.get().opened_at == at(2)


def test_a_rule_that_is_switched_on_finds_nobody_before_its_limit(watch: Watch, ann: User) -> None:
    watch.speak(ann, -30, 0)
    load(LOW, when=at(60))
    watch.look(61.9)
    assert firing() == []
    watch.look(62)
    assert firing() == [("ann", LOW, "LOW")]


def test_a_cadence_that_is_set_is_what_counts(watch: Watch, ann: User) -> None:
    load(LOW)
    Device.objects.create(user=ann, kind="watch", cadence_s=600)
    watch.speak(ann, -30, 0)
    watch.look(29.9)
    assert firing() == []
    watch.look(30)
    alert = Alert.objects.get()
    assert "usually a reading comes every 10 min" in alert.description
    assert alert.evidence["silence"] == {
        "heard_at": "2026-03-01T12:00:00.000Z",
        "counted_from": "2026-03-01T12:00:00.000Z",
        "cadence_s": 600.0,
        "cadence_is_set": True,
        "limit_s": 1800.0,
        "factor": 3.0,
        "at_least_s": 120.0,
    }


def test_without_a_habit_there_is_no_silence(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(ann, -3, 0, every_s=20 + 1)  # nine readings
    watch.look(30)
    assert firing() == []


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


def simulation(reason: str, minute: float) -> None:
    Simulation.objects.create(
        runner="command", state="stopped", reason=reason, wearers=2, requested_at=NOON, starts_at=NOON,
        stopped_at=at(minute),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "minute", "quiet_reason"),
    [
        ("asked", 0.01, "expected"),
        ("done", 0.01, "expected"),
        ("asked", -0.1, "expected"),  # told to stop, it sent for some seconds more
        ("lost", 0.01, None),  # nobody meant its process to go
        ("asked", 5, None),  # they were silent for long before
        ("asked", -5, None),  # and spoke for long after
    ],
)
def test_who_was_simulated_and_switched_off_is_expected_to_be_silent(
    watch: Watch, reason: str, minute: float, quiet_reason: str | None
) -> None:
    load(LOW)
    watch.speak(make_wearer("user_002"), -30, 0)
    simulation(reason, minute)
    watch.look(3)
    assert Alert.objects.get().quiet_reason == quiet_reason


def test_a_simulation_that_ended_long_before_says_nothing_of_another_ones_end(watch: Watch, ann: User) -> None:
    load(LOW)
    watch.speak(make_wearer("user_001"), -30, -6)
    watch.speak(make_wearer("user_002"), -30, 0)
    simulation("done", -5.9)
    watch.look(3)
    found = Alert.objects.values_list("user__username", "quiet_reason")
    assert sorted(found) == [("user_001", "expected"), ("user_002", None)]


def test_without_rules_over_absence_nothing_is_asked(watch: Watch, ann: User) -> None:
    watch.speak(ann, -30, 0)
    with CaptureQueriesContext(connection) as asked:
        assert watch.step(10) == Step()
    assert len(asked) == 4  # the transaction, the lock, the rules


def test_it_asks_as_often_for_many_as_for_one(watch: Watch) -> None:
    load(LOW, MEDIUM)
    counts = []
    for people in (1, 12):
        for number in range(people):
            watch.speak(make_wearer(f"{people}_{number}"), -30, 0)
        with CaptureQueriesContext(connection) as asked:
            watch.look(6)
        counts.append(len(asked))
        Alert.objects.all().delete()
        User.objects.all().delete()
    assert Alert.objects.count() == 0
    assert counts[0] == counts[1]


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
