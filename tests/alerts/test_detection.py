"""Detection within the batch's transaction: one alert an episode, whatever comes, in whatever order."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import lane
from alerts.backtest import backtest
from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleVersion
from alerts.rule_versions import engine_rule
from alerts.services.rules import episodes_end_with_rules
from alerts.services.triage import alert_acknowledge
from devices.models import Reading
from tests.alerts.feeding import RACING, Feed, at, load, person_one, the_alert
from tests.ingestion.rows import frame, row
from tests.made import make_alert, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def feed() -> Feed:
    load(RACING)
    return Feed()


def beats(start: float, count: int, rate: float = 120, step: float = 1) -> list[tuple[float, float]]:
    return [(start + number * step, rate) for number in range(count)]


def actions(alert: Alert) -> list[str]:
    return list(AlertChange.objects.filter(alert=alert).order_by("revision").values_list("action", flat=True))


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


# Disorder


def test_a_row_that_comes_out_of_order_moves_the_start(feed: Feed):
    feed.send(*beats(10, 3))
    feed.send((9, 120), now=13)
    alert = the_alert()
    assert (alert.started_at, alert.opened_at, alert.event_count) == (at(9), at(11), 4)
    assert Alert.objects.count() == 1


def test_an_ordinary_row_in_the_middle_takes_the_evidence_away(feed: Feed):
    feed.send((0, 120), (1, 120), (3, 120))
    alert = the_alert()
    detected = feed.send((2, 80), now=4)
    alert.refresh_from_db()
    assert (alert.episode, alert.withdrawn_because) == ("withdrawn", "evidence_gone")
    assert [news["episode"] for _, news in detected.news] == ["withdrawn"]
    assert not Alert.objects.standing().exists()


def test_the_same_alert_is_revived_when_the_evidence_is_back(feed: Feed):
    feed.send((0, 120), (1, 120), (3, 120))
    first = the_alert()
    feed.send((2, 80), now=4)
    feed.send(*beats(4, 3), now=7)
    feed.send((2.5, 120), now=8)
    alert = the_alert()
    assert alert.started_at == at(2.5)
    assert alert.alert_id == first.alert_id or Alert.objects.filter(episode="withdrawn").exists()


def test_a_withdrawn_alert_that_overlaps_again_is_revived(feed: Feed):
    feed.send((0, 120), (1, 120), (3, 120))
    first = the_alert()
    feed.send((2, 80), now=4)
    feed.send((0.2, 120), now=5)
    alert = the_alert()
    assert (alert.alert_id, alert.started_at, alert.end) == (first.alert_id, at(0), "cleared")
    assert actions(alert) == ["opened", "withdrawn", "revived"] or actions(alert)[-1] in ("ended", "revived")
    assert alert.withdrawn_because == ""


def test_two_episodes_that_become_one_leave_one_alert(feed: Feed):
    feed.send(*beats(0, 3))
    feed.send(*beats(70, 3))
    first, second = Alert.objects.order_by("started_at")
    assert (first.end, second.episode) == ("gap", "firing")
    feed.send((40, 120), now=73)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.episode, first.event_count, first.started_at) == ("firing", 7, at(0))
    assert (second.episode, second.withdrawn_because) == ("withdrawn", "merged")


def test_one_episode_that_becomes_two_leaves_two_alerts(feed: Feed):
    feed.send(*beats(0, 3), (3, 120), *beats(4, 3))
    feed.send((3.5, 80), now=8)
    first, second = Alert.objects.order_by("started_at")
    assert [(first.end, first.event_count), (second.episode, second.event_count)] == [("cleared", 4), ("firing", 3)]


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


def test_a_version_covers_the_rows_received_while_it_was_active(feed: Feed):
    load(RACING.replace("> 100", "> 130"), when=at(10))
    feed.send(*beats(0, 3), now=9)
    feed.send(*beats(20, 3), now=24)
    assert the_alert().rule_version == 1


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


# The laws, with the database in the way


TWO_RULES = (
    RACING,
    RACING.replace("id: racing", "id: low").replace("> 100", "< 60").replace("{count: 3, within: 60s}", "{count: 2}")
    + "clear: {when: heart_rate > 70, count: 2}\n",
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_whatever_the_order_the_batches_and_the_crashes_the_episodes_are_those_of_a_backtest(seed: int):
    chance = random.Random(seed)  # noqa: S311  # no secret
    for model in (AlertChange, OutboxEntry, Alert, Reading, RuleVersion):
        model.objects.all().delete()
    Rule.objects.all().delete()
    load(*TWO_RULES)
    rows = made_rows(chance)
    feed = Feed()
    arrival = sorted(rows, key=lambda each: each["recorded_at"] + timedelta(seconds=chance.uniform(0, 300)))
    while arrival:
        size = chance.randint(1, 12)
        batch, arrival = arrival[:size], arrival[size:]
        feed.write(frame(*batch), now=at(4000))
        if chance.random() < 0.25:
            feed.restart()
    feed.detection.flush(at=at(5000))
    assert standing() == expected(rows)


def made_rows(chance: random.Random) -> list[dict[str, Any]]:
    second, rows = 0.0, []
    rate = 80.0
    for number in range(60):
        second += chance.choice((1, 5, 20, 20, 61, 90)) if chance.random() < 0.9 else 0
        rate = chance.choice((rate, rate, 50.0, 65.0, 80.0, 120.0, 130.0))
        heart_rate = rate if chance.random() < 0.9 else None
        moment = at(second)
        fields = {"user_id": person_one().pk, "recorded_at": moment, "received_at": at(3900)}
        rows.append(row(number, heart_rate=heart_rate, **fields))
    return rows


def standing() -> list[tuple[Any, ...]]:
    alerts = Alert.objects.standing().select_related("rule")
    return sorted(
        (a.rule.rule_id, a.started_at, a.opened_at, a.ended_at, a.event_count, a.end or "open",
         a.measures["heart_rate"]["avg"])
        for a in alerts
    )  # fmt: skip


def expected(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    rules = [engine_rule(version) for version in RuleVersion.objects.select_related("rule")]
    readings = frame(*rows).with_columns(pl.lit("person_1").alias("user_id"))
    return sorted(
        (f.rule.id, f.episode.started_at, f.episode.opened_at, f.episode.ended_at, f.episode.event_count,
         f.episode.end, f.episode.measures["heart_rate"].avg)
        for f in backtest(rules, readings)
    )  # fmt: skip


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


# Rows of equal time


def pending_rows(feed: Feed, *rows: tuple[int, float, float], now: float = 4000) -> None:
    """(number, second, rate) in one batch; of rows of equal time the number gives the order."""
    fields = {"user_id": person_one().pk, "received_at": at(now)}
    feed.write(frame(*(row(n, recorded_at=at(s), heart_rate=float(r), **fields) for n, s, r in rows)), now=at(now))


def test_a_run_that_begins_where_an_episode_ended_is_whole_after_a_restart(feed: Feed):
    pending_rows(feed, (1, 0, 120), (2, 1, 120), (3, 2, 120), (4, 5, 80), (5, 5, 120), (6, 6, 120))
    feed.restart()
    pending_rows(feed, (7, 7, 120))
    assert list(Alert.objects.order_by("started_at").values_list("started_at", flat=True)) == [at(0), at(5)]


def test_a_row_that_comes_between_rows_of_equal_time_opens_what_they_broke(feed: Feed):
    pending_rows(feed, (1, 3, 120), (2, 4, 120), (5, 5, 80), (6, 5, 120), (7, 6, 120), (8, 7, 120))
    assert the_alert().started_at == at(5)
    feed.restart()
    pending_rows(feed, (4, 5, 120))
    assert list(Alert.objects.order_by("started_at").values_list("started_at", flat=True)) == [at(3), at(5)]


def test_rows_of_one_instant_may_hold_several_episodes():
    load(RACING.replace("{count: 3, within: 60s}", "{count: 1}"))
    pending_rows(Feed(), (1, 5, 120), (2, 5, 80), (3, 5, 121), (4, 5, 81), (5, 5, 122))
    alerts = Alert.objects.order_by("evidence__first__0__event_id")
    assert list(alerts.values_list("started_at", "episode")) == [(at(5), "ended"), (at(5), "ended"), (at(5), "firing")]
