"""What is taken away or changed while an episode fires: a rule, a person, a version by the next within the second."""

from datetime import datetime

import pytest
from django.db import transaction
from django.db.models import ProtectedError

from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleVersion
from alerts.models.state import DetectionState
from alerts.rule_versions import active_rule_versions
from alerts.services.rules import episodes_end_with_rules, rule_disable, rule_enable, rule_write
from devices.models import MetricWindow, PipelineStatus, User
from tests.alerts.feeding import RACING, Feed, at, beats, load, person_one, the_alert
from tests.made import make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
LOW = RACING.replace("id: racing", "id: low").replace("> 100", "< 60")


def consumer_lives(when: datetime) -> None:
    """So that versions begin 10 s after they are saved."""
    PipelineStatus.objects.update_or_create(consumer="c1", defaults={"updated_at": when, "started_at": at(0)})


def ends() -> list[tuple[int, str, str | None, int]]:
    alerts = Alert.objects.order_by("started_at", "rule_version")
    return [(a.rule_version, a.episode, a.end, a.event_count) for a in alerts]


# A rule


def test_a_rule_that_is_loaded_away_while_it_fires_ends_its_episode_once_and_for_all(feed: Feed) -> None:
    feed.send(*beats(0, 4))
    load(LOW, when=at(10))
    episodes_end_with_rules(at=at(11))
    feed.send(*beats(12, 5), now=17)
    feed.flush(20)
    feed.restart()
    feed.send(*beats(20, 5), now=26)
    assert ends() == [(1, "ended", "rule_disabled", 4)]
    assert [entry.payload["end"] for entry in OutboxEntry.objects.order_by("pk")] == [None, "rule_disabled"]


def test_a_rule_that_is_switched_off_and_on_while_it_fires_starts_anew(feed: Feed) -> None:
    feed.send(*beats(0, 4))
    rule = Rule.objects.get()
    rule_disable(rule=rule, by=None, at=at(4))
    rule_enable(rule=rule, by=None, at=at(8))
    feed.send(*beats(10, 2), now=12)
    assert ends() == [(1, "ended", "rule_disabled", 4)]
    feed.send((12, 120), now=13)
    assert ends() == [(1, "ended", "rule_disabled", 4), (2, "firing", None, 3)]


def test_a_rule_with_alerts_cannot_be_deleted(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    with pytest.raises(ProtectedError):
        Rule.objects.get().delete()
    assert the_alert().episode == "firing"


# A person


def test_nothing_is_left_of_a_person_who_is_deleted_while_an_episode_fires(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    feed.send((2.5, 130))  # less than a second after the last change: it waits to be written
    person_one().delete()
    feed.flush(10)
    feed.sweep(3000)
    assert not Alert.objects.exists()
    assert not AlertChange.objects.exists()


def test_other_peoples_alerts_are_written_in_the_batch_that_still_holds_a_deleted_person(feed: Feed) -> None:
    gone, other = person_one(), make_wearer("person_2")
    feed.send(*beats(0, 3))
    feed.send(*beats(0, 3), user=other)
    feed.send((2.5, 130))
    feed.send((2.5, 130), user=other)
    User.objects.filter(pk=gone.pk).delete()
    feed.flush(10)
    assert [(a.user, a.event_count) for a in Alert.objects.all()] == [(other, 4)]


def test_readings_of_a_deleted_person_that_were_on_their_way_alert_nobody(feed: Feed) -> None:
    gone = person_one()
    feed.send(*beats(0, 2))
    User.objects.filter(pk=gone.pk).delete()
    feed.send(*beats(2, 3), user=gone)
    feed.flush(10)
    assert not Alert.objects.exists()


def test_late_readings_of_a_person_who_is_deleted_meanwhile_alert_nobody(feed: Feed) -> None:
    feed.is_prompt = False
    feed.send((4000, 80))
    feed.send(*beats(0, 3), now=4001)
    person_one().delete()
    feed.judge_late(now=at(4002))
    assert not Alert.objects.exists()
    assert not MetricWindow.objects.exists()


def test_a_person_of_the_same_name_begins_with_nothing(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    person_one().delete()
    feed.send(*beats(3, 2))
    assert not Alert.objects.exists()
    feed.send((5, 120))
    assert (the_alert().started_at, the_alert().event_count) == (at(3), 3)


def test_who_takes_over_after_a_deletion_has_nothing_to_write(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    person_one().delete()
    feed.restart()
    feed.send((10, 80), user=make_wearer("person_2"))
    assert feed.flush(20).alerts == []


def test_no_snapshot_is_kept_of_a_person_who_is_deleted_while_something_is_pending(feed: Feed) -> None:
    other = make_wearer("person_2")
    hours = [(30 * half, 120) for half in range(180)]
    feed.send(*hours)
    feed.send(*hours, user=other)
    person_one().delete()
    with transaction.atomic(durable=True):
        saved = feed.evaluation.save_snapshots(at=at(5400))
    feed.evaluation.snapshots_saved(saved)
    assert [state.user for state in DetectionState.objects.all()] == [other]


def test_the_silence_of_a_deleted_person_completes_no_windows(feed: Feed) -> None:
    feed.send((0, 80), (59, 80))
    person_one().delete()
    silent = feed.evaluation.silent(at=at(2000))
    with transaction.atomic(durable=True):
        evaluated = feed.evaluation.pass_time(silent, at=at(2000))
    feed.evaluation.keep(evaluated, at=at(2000))
    assert not MetricWindow.objects.exists()


# Versions


def test_of_two_versions_within_a_second_each_covers_its_own_rows(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    consumer_lives(at(3))
    rule_write(source=RACING.replace("> 100", "> 110"), by=None, at=at(3))
    rule_write(source=RACING.replace("> 100", "> 115"), by=None, at=at(3.4))
    spans = [(v.number, v.active_from, v.active_until) for v in RuleVersion.objects.order_by("number")][1:]
    assert spans == [(2, at(13), at(13.4)), (3, at(13.4), None)]
    feed.send(*[(13 + tenth / 10, 120) for tenth in range(3)], now=13.2)
    feed.send(*beats(14, 3), now=16)
    episodes_end_with_rules(at=at(20))
    assert ends() == [(1, "ended", "rule_changed", 3), (2, "ended", "rule_changed", 3), (3, "firing", None, 3)]


def test_a_version_that_was_overtaken_before_it_began_covers_nothing(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    moment = at(3)
    rule_write(source=RACING.replace("> 100", "> 50"), by=None, at=moment)
    rule_write(source=RACING.replace("> 100", "> 115"), by=None, at=moment)
    assert [rule.version for rule in active_rule_versions(at(4))] == [1, 3]
    feed.send(*beats(4, 4, rate=60), now=8)
    feed.send(*beats(8, 3), now=11)
    episodes_end_with_rules(at=at(20))
    assert ends() == [(1, "ended", "rule_changed", 3), (3, "firing", None, 3)]


def test_two_versions_within_a_second_and_a_restart_between_them_leave_the_same(feed: Feed) -> None:
    feed.send(*beats(0, 3))
    rule_write(source=RACING.replace("> 100", "> 110"), by=None, at=at(3))
    feed.restart()
    feed.send(*[(3 + tenth / 10, 120) for tenth in range(3)], now=3.2)
    rule_write(source=RACING.replace("> 100", "> 115"), by=None, at=at(3.4))
    feed.restart()
    feed.send(*beats(4, 3), now=6)
    feed.flush(20)
    episodes_end_with_rules(at=at(20))
    assert ends() == [(1, "ended", "rule_changed", 3), (2, "ended", "rule_changed", 3), (3, "firing", None, 3)]
    assert the_alert(episode="firing").started_at == at(4)
