"""Detection whatever comes in whatever order: the episodes are those that the readings in order would make."""

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.backtest import backtest
from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleVersion
from alerts.rule_versions import engine_rule
from devices.models import Reading
from tests.alerts.feeding import RACING, Feed, actions, at, beats, load, person_one, the_alert
from tests.ingestion.rows import frame, row

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_window_that_an_older_reading_completes_has_ended_where_time_has_gone_on():
    minute = RACING.replace("over: reading", "over: window(1m)").replace("heart_rate", "avg_heart_rate")
    load(minute.replace("{count: 3, within: 60s}", "{count: 1}"))
    feed = Feed()
    feed.send((-90, 80))
    feed.send((500, 80))
    feed.send((30, 120), now=501)
    assert (the_alert().started_at, the_alert().end, the_alert().settled_at) == (at(60), "gap", at(120))


# The laws, with the database in the way


TWO_RULES = (
    RACING,
    RACING.replace("id: racing", "id: low").replace("> 100", "< 60").replace("{count: 3, within: 60s}", "{count: 2}")
    + "clear: {when: heart_rate > 70, count: 2}\n",
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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
