"""Detection within the batch's transaction: one alert an episode, when it opens, is rewritten, is loud and ends."""

import pytest
from django.db import IntegrityError, transaction

from alerts.models import Alert, OutboxEntry
from alerts.services.triage import alert_acknowledge
from devices.models import Reading
from tests.alerts.feeding import Feed, actions, at, beats, the_alert
from tests.made import make_user

pytestmark = pytest.mark.django_db(transaction=True)


# Opening, running, ending


def test_it_opens_at_the_third_reading_and_not_before(feed: Feed):
    feed.send((0, 120), (1, 118))
    assert not Alert.objects.exists()
    detected = feed.send((2, 125))
    alert = the_alert()
    assert (alert.episode, alert.end, alert.quiet, alert.quiet_reason) == ("firing", None, False, None)
    assert (alert.started_at, alert.opened_at, alert.ended_at, alert.event_count) == (at(0), at(2), at(2), 3)
    assert alert.measures["heart_rate"] == {"avg": 121.0, "min": 118.0, "max": 125.0, "count": 3}
    assert alert.description == "Heart rate above 100 for 3 readings (118-125 bpm) since 12:00:00."
    assert [row["values"]["heart_rate"] for row in alert.evidence["first"]] == [120, 118, 125]
    assert (alert.rule.rule_id, alert.rule_version, alert.severity) == ("racing", 1, "HIGH")
    assert alert.loud_at == at(2)
    assert [news["alert_id"] for _, news in detected.news] == [str(alert.alert_id)]


def test_every_change_is_an_audit_row_a_revision_and_an_outbox_entry(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((3, 90))
    alert = the_alert()
    assert (alert.episode, alert.end, alert.settled_at, alert.revision) == ("ended", "cleared", at(3), 2)
    assert actions(alert) == ["opened", "ended"]
    entries = OutboxEntry.objects.order_by("revision").values_list("revision", "key", "payload__episode")
    assert list(entries) == [(1, "person_1", "firing"), (2, "person_1", "ended")]


def test_an_episode_that_opens_and_ends_in_one_batch_is_loud_and_ended(feed: Feed):
    feed.send(*beats(0, 4), (4, 90))
    alert = the_alert()
    assert (alert.episode, alert.end, alert.quiet, alert.event_count) == ("ended", "cleared", False, 4)


def test_a_gap_ends_it_once_later_data_show_it(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((62.1, 80))
    alert = the_alert()
    assert (alert.episode, alert.end, alert.settled_at) == ("ended", "gap", at(62))


def test_ordinary_readings_leave_no_trace(feed: Feed):
    detected = feed.send(*beats(0, 50, rate=80))
    assert (detected.alerts, detected.outbox, Alert.objects.count()) == ([], [], 0)


def test_without_rules_nothing_is_detected():
    Feed().send(*beats(0, 5))
    assert not Alert.objects.exists()


# Rewriting


def test_a_firing_alert_is_rewritten_at_most_once_a_second_and_exact_when_flushed(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((2.2, 130), now=2.2)
    feed.send((2.4, 131), now=2.4)
    assert (the_alert().event_count, the_alert().revision) == (3, 1)
    feed.flush(2.5)
    feed.flush(3.6)
    alert = the_alert()
    assert (alert.event_count, alert.ended_at, alert.measures["heart_rate"]["max"]) == (5, at(2.4), 131)
    assert alert.revision == 2
    feed.flush(5)
    assert the_alert().revision == 2


def test_its_end_is_not_held_back(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((2.2, 130), (2.4, 80), now=2.4)
    assert (the_alert().end, the_alert().event_count) == ("cleared", 4)


# Loud and quiet


def test_an_upload_of_this_morning_is_quiet(feed: Feed):
    feed.send(*beats(0, 5), now=16 * 60 + 10)
    alert = the_alert()
    assert (alert.quiet, alert.quiet_reason, alert.loud_at) == (True, "late", None)


def test_it_becomes_loud_when_it_turns_out_to_be_going_on(feed: Feed):
    feed.send(*beats(0, 5), now=16 * 60)
    feed.send(*beats(50, 18, step=55), now=16 * 60 + 5)
    alert = the_alert()
    assert (alert.quiet, alert.quiet_reason, alert.loud_at) == (False, None, at(16 * 60 + 5))
    assert "loud" in actions(alert)


def test_a_late_row_never_makes_noise(feed: Feed):
    feed.send((700, 80))
    feed.send(*beats(0, 3), now=701)
    assert set(Reading.objects.values_list("flags", flat=True)) == {0, 1}
    assert (the_alert().quiet_reason, the_alert().end) == ("late", "gap")


def test_an_episode_soon_after_a_loud_one_is_quiet_until_the_cooldown_is_over(feed: Feed):
    feed.send(*beats(0, 3), (3, 80))
    feed.send(*beats(100, 3))
    second = Alert.objects.order_by("-started_at")[0]
    assert (second.quiet, second.quiet_reason) == (True, "cooldown")
    feed.send(*[(103 + 50 * step, 120) for step in range(4)])
    second.refresh_from_db()
    assert second.quiet
    feed.send((302.5, 120))
    second.refresh_from_db()
    assert (second.quiet, second.loud_at) == (False, at(302.5))


def test_the_cooldown_of_one_person_is_not_anothers(feed: Feed):
    other = make_user("person_2", is_wearer=True)
    feed.send(*beats(0, 3), (3, 80))
    feed.send(*beats(100, 3), user=other)
    assert not Alert.objects.filter(quiet=True).exists()


# What the engine does not touch


def test_triage_is_peoples_own(feed: Feed):
    analyst = make_user("analyst")
    feed.send(*beats(0, 3))
    alert_acknowledge(alert=the_alert(), by=analyst, at=at(3), note="seen")
    feed.send((4, 120), now=6)
    feed.send((5, 80), now=7)
    alert = the_alert()
    assert (alert.episode, alert.triage, alert.triaged_by) == ("ended", "acknowledged", analyst)
    assert actions(alert)[0] == "opened"
    assert alert.revision == len(actions(alert)) == OutboxEntry.objects.count()


# The database's own word


def test_two_alerts_cannot_fire_for_one_person_and_rule(feed: Feed):
    feed.send(*beats(0, 3))
    twin = the_alert()
    twin.pk = None
    twin.alert_id = "00000000-0000-4000-8000-000000000001"
    with pytest.raises(IntegrityError, match="alert_one_"):
        Alert.objects.bulk_create([twin])


def test_constraints_wait_for_the_end_of_the_transaction(feed: Feed):
    feed.send(*beats(0, 3), (3, 80), *beats(10, 3), (13, 80))
    first, second = Alert.objects.order_by("started_at")
    with transaction.atomic():
        Alert.objects.filter(pk=first.pk).update(started_at=second.started_at, opened_at=at(12), ended_at=at(12))
        Alert.objects.filter(pk=second.pk).update(started_at=at(0), opened_at=at(2), ended_at=at(2))
