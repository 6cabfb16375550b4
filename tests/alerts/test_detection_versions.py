"""Detection while rules change: an episode is of one version, and ends with it."""

import pytest

from alerts.models import Alert, Rule, RuleVersion
from alerts.services.rules import episodes_end_with_rules
from tests.alerts.feeding import RACING, Feed, actions, at, beats, load, person_one, the_alert
from tests.ingestion.rows import frame, row

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_edited_rule_ends_its_episodes_and_starts_empty(feed: Feed):
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(10))
    episodes_end_with_rules(at=at(11))
    first = the_alert()
    assert (first.episode, first.end) == ("ended", "rule_changed")
    feed.send(*beats(12, 2), now=14)
    assert Alert.objects.count() == 1
    feed.send((14, 120), now=16)
    first.refresh_from_db()
    assert (first.end, first.event_count) == ("rule_changed", 3)
    second = Alert.objects.get(rule_version=2)
    assert (second.started_at, second.event_count) == (at(12), 3)


def test_a_version_that_was_stored_with_a_measure_named_twice_finds_what_it_finds(feed: Feed):
    RuleVersion.objects.update(source=RACING.replace("[heart_rate]", "[heart_rate, heart_rate]"))
    feed.send(*beats(0, 3))
    assert the_alert().measures["heart_rate"]["count"] == 3


def test_a_measure_that_was_named_twice_is_not_taken_for_another_column(feed: Feed):
    twice = RACING.replace("[heart_rate]", "[heart_rate, heart_rate]")
    RuleVersion.objects.update(source=twice.replace("> 100", "> 100 AND activity_level < 10"))
    rows = [row(n, user_id=person_one().pk, recorded_at=at(n), heart_rate=120.0, activity_level=5.0) for n in range(3)]
    feed.write(frame(*(each | {"received_at": at(3)} for each in rows)), now=at(3))
    assert {name: each["avg"] for name, each in the_alert().measures.items()} == {"heart_rate": 120}


def test_a_version_covers_the_rows_received_while_it_was_active(feed: Feed):
    load(RACING.replace("> 100", "> 130"), when=at(10))
    feed.send(*beats(0, 3), now=9)
    feed.send(*beats(20, 3), now=24)
    assert the_alert().rule_version == 1


def test_a_new_version_may_open_before_anybody_ended_the_old_ones_episode(feed: Feed):
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(10))
    feed.send(*beats(12, 3), now=15)
    first, second = Alert.objects.order_by("rule_version")
    assert (first.episode, first.end, first.event_count) == ("ended", "rule_changed", 3)
    assert (second.episode, second.event_count) == ("firing", 3)


def test_readings_of_an_old_version_that_come_with_those_of_the_new_one_hold_nothing_up(feed: Feed):
    load(RACING.replace("> 100", "> 110"), when=at(10))
    rows = [feed._row(person_one().pk, second, rate, at(second)) for second, rate in (*beats(5, 4), *beats(12, 3))]
    feed.write(frame(*rows), now=at(600))
    first, second = Alert.objects.order_by("rule_version")
    assert (first.episode, first.end, first.event_count) == ("ended", "rule_changed", 4)
    assert (second.episode, second.event_count) == ("firing", 3)


def test_readings_of_an_old_version_that_wait_in_kafka_are_counted_after_its_end(feed: Feed):
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(10))
    episodes_end_with_rules(at=at(20))
    late = [feed._row(person_one().pk, second, rate, at(second)) for second, rate in beats(3, 2)]
    feed.write(frame(*late), now=at(30))
    alert = the_alert()
    assert (alert.episode, alert.end, alert.event_count, alert.ended_at) == ("ended", "rule_changed", 5, at(4))


def test_a_version_that_is_long_over_gives_way_to_the_new_one(feed: Feed):
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(10))
    feed.send(*beats(3000, 3))
    first, second = Alert.objects.order_by("rule_version")
    assert (first.episode, first.end, actions(first)) == ("ended", "rule_changed", ["opened", "ended"])
    assert second.episode == "firing"


def test_a_row_of_an_old_version_may_still_clear_its_episode(feed: Feed):
    feed.send(*beats(0, 3))
    load(RACING.replace("> 100", "> 110"), when=at(10))
    episodes_end_with_rules(at=at(20))
    feed.write(frame(feed._row(person_one().pk, 5, 80, at(5))), now=at(30))
    assert (the_alert().end, the_alert().settled_at) == ("cleared", at(5))


def test_what_a_disabled_rule_finds_in_waiting_rows_has_ended(feed: Feed):
    Rule.objects.update(enabled=False)
    RuleVersion.objects.update(active_until=at(10))
    rows = [feed._row(person_one().pk, second, rate, at(second)) for second, rate in beats(5, 4)]
    feed.write(frame(*rows), now=at(60))
    assert (the_alert().episode, the_alert().end) == ("ended", "rule_disabled")
