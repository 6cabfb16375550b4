"""Detection by a consumer that took over, and of those of whom nothing comes any more."""

from uuid import UUID

import polars as pl
import pytest

from alerts import lane
from alerts.models import Alert
from tests.alerts.feeding import Feed, at, beats, person_one, the_alert
from tests.ingestion.rows import frame, row
from tests.made import make_alert, make_rule, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)


# What a consumer owed when it left


def test_what_a_dead_consumer_owed_is_made_up_for(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((2.2, 130), now=2.2)
    feed.restart()
    feed.flush(10)
    assert the_alert().event_count == 4


def test_a_consumer_that_leaves_owes_nothing(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((2.2, 130), now=2.2)
    feed.detection.drop()
    feed.detection.flush(at=at(2.3))
    assert the_alert().event_count == 4


# Restarts and the sweep


def test_an_episode_goes_on_after_a_restart(feed: Feed):
    feed.send(*beats(0, 2))
    feed.restart()
    feed.send((2, 120))
    feed.restart()
    feed.send((3, 120), now=5)
    feed.restart()
    feed.send((4, 80), now=6)
    alert = the_alert()
    assert (alert.started_at, alert.opened_at, alert.event_count, alert.end) == (at(0), at(2), 4, "cleared")
    assert Alert.objects.count() == 1


def test_after_a_restart_people_are_read_back_a_few_at_a_time(feed: Feed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lane, "REBUILT_AT_ONCE", 2)
    five = [make_wearer(f"one_of_five_{number}").pk for number in range(5)]
    for second in (0, 1):
        feed.write(frame(*(feed._row(pk, second + pk / 1000, 120, at(second)) for pk in five)), now=at(second))
    feed.restart()
    feed.write(frame(*(feed._row(pk, 2 + pk / 1000, 120, at(2)) for pk in five)), now=at(2))
    assert sorted(Alert.objects.values_list("user_id", "event_count")) == [(pk, 3) for pk in sorted(five)]


def test_a_run_that_begins_at_the_very_time_the_last_one_ended_is_another_after_a_restart_too(feed: Feed):
    person = person_one().pk
    ids = iter(range(1000))

    def batch(*readings: tuple[float, float]) -> pl.DataFrame:
        return frame(
            *(
                row(next(ids), user_id=person, recorded_at=at(second), received_at=at(70), heart_rate=rate)
                for second, rate in readings
            )
        )

    feed.write(batch((0, 120.0), (1, 120.0), (2, 120.0), (5, 80.0), (5, 120.0), (6, 120.0), (7, 120.0)), now=at(8))
    feed.restart()
    feed.write(batch((69, 80.0)), now=at(70))
    first, second = Alert.objects.order_by("started_at")
    assert [(first.episode, first.end, first.ended_at), (second.end, second.started_at)] == [
        ("ended", "cleared", at(2)), ("gap", at(5)),
    ]  # fmt: skip


def test_the_sweep_ends_what_nothing_is_heard_of_and_data_revive_it_quietly(feed: Feed):
    feed.send(*beats(0, 3))
    feed.sweep(11 * 60 + 1)
    assert the_alert().episode == "firing"
    detected = feed.sweep(11 * 60 + 3)
    alert = the_alert()
    assert (alert.episode, alert.end, alert.provisional, alert.settled_at) == ("ended", "gap", True, None)
    assert len(detected.outbox) == 1
    feed.send(*beats(10, 3), now=11 * 60 + 5)
    revived = the_alert()
    assert (revived.alert_id, revived.episode, revived.provisional) == (alert.alert_id, "firing", False)
    assert (revived.event_count, revived.loud_at) == (6, alert.loud_at)


def test_a_provisional_end_becomes_certain_when_data_say_so(feed: Feed):
    feed.send(*beats(0, 3))
    feed.sweep(12 * 60)
    feed.restart()
    feed.send((700, 80), now=13 * 60)
    alert = the_alert()
    assert (alert.end, alert.provisional, alert.settled_at) == ("gap", False, at(62))


def test_the_sweep_leaves_alone_whom_readings_come_from(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send((30, 120), now=11 * 60)
    feed.sweep(12 * 60)
    assert the_alert().episode == "firing"


SILENT = """
id: silent
alert_type: SILENT
title: Silent
severity: LOW
over: absence
factor: 3
at_least: 2m
"""


def test_silences_that_fire_for_long_keep_no_other_alert_from_the_sweep(feed: Feed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("alerts.detection.SWEEP_AT_ONCE", 1)
    feed.send(*beats(0, 3))
    silent = {"event_count": 0, "measures": {}, "opened_at": at(-60), "changed_at": at(-60)}
    make_alert(person_one(), rule=make_rule("silent", source=SILENT), alert_id=UUID(int=0), **silent)
    feed.sweep(12 * 60)
    assert sorted(Alert.objects.values_list("rule__rule_id", "episode")) == [("racing", "ended"), ("silent", "firing")]
