"""Who is silent, and who is not: what rules over absence find in stored readings and the ledger."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert
from devices.models import Device, Simulation, User
from ingestion.absence import Step
from ingestion.models import PartitionLedger
from tests.ingestion.watching import LOW, MEDIUM, NOON, Watch, at, firing, load
from tests.made import make_wearer

pytestmark = pytest.mark.django_db(transaction=True)


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
