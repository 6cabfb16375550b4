"""Killed at every point, restarted, or three at once: every reading once, and the alerts that a backtest finds."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import polars as pl
import pytest
from django.utils import timezone

from alerts.backtest import backtest
from alerts.models import Alert, OutboxEntry, RuleVersion
from alerts.rule_versions import engine_rule
from devices.failpoints import ConsumerPoint
from devices.metrics import Flag
from devices.models import Installation, Reading, User
from ingestion.models import LateStretch, PartitionLedger
from tests.alerts.feeding import RACING, load
from tests.ingestion.rows import frame
from tests.ingestion.running import consumer, make_group, make_topic, send

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PEOPLE = 12
SECONDS = 300
SMALL = {"TELARA_BATCH_MESSAGES": "250"}


@pytest.fixture(autouse=True)
def ready() -> None:
    Installation.objects.get_or_create(pk=1, defaults={"installed_at": timezone.now()})
    load(RACING, when=timezone.now() - timedelta(days=1))


def racing_events(*, seconds: int = SECONDS, ago: timedelta = timedelta(0)) -> list[dict[str, Any]]:
    """People whose hearts race now and then, each a reading a second until then, in order of time."""
    start = datetime.now(UTC).replace(microsecond=0) - ago - timedelta(seconds=seconds)
    return [
        {
            "event_id": str(UUID(int=int(ago.total_seconds()) * 1_000_000 + second * 1000 + person)),
            "timestamp": (start + timedelta(seconds=second, milliseconds=person)).isoformat(),
            "user_id": f"person_{person}",
            "vitals": {"heart_rate": round(95 + 20 * math.sin((second + 11 * person) / 17))},
        }
        for second in range(seconds)
        for person in range(PEOPLE)
    ]


def assert_as_expected(topic: str, events: list[dict[str, Any]]) -> None:
    assert Reading.objects.count() == len(events)
    assert sum(row.next_offset for row in PartitionLedger.objects.filter(topic=topic)) == len(events)
    standing = Alert.objects.standing().select_related("user")
    found = sorted((a.user.username, a.started_at, a.opened_at, a.ended_at, a.event_count, a.end) for a in standing)
    assert found == expected(events)
    assert Alert.objects.count() == len(found)
    for alert in standing:
        revisions = list(
            OutboxEntry.objects.filter(alert_id=alert.pk).order_by("revision").values_list("revision", flat=True)
        )
        assert revisions == list(range(1, alert.revision + 1))


def expected(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = dict(User.objects.values_list("username", "pk"))
    rows = [
        {"user_id": names[e["user_id"]], "recorded_at": datetime.fromisoformat(e["timestamp"]), "flags": 0,
         "received_at": None, "event_id": e["event_id"], "heart_rate": float(e["vitals"]["heart_rate"]),
         "username": e["user_id"]}
        for e in events
    ]  # fmt: skip
    readings = frame(*rows).with_columns(pl.col("username").alias("user_id"))
    rules = [engine_rule(version) for version in RuleVersion.objects.select_related("rule")]
    found = [(f.user_id, f.episode) for f in backtest(rules, readings)]
    return sorted(
        (user, e.started_at, e.opened_at, e.ended_at, e.event_count, None if e.end == "open" else e.end)
        for user, e in found
    )


def test_a_consumer_killed_at_every_point_leaves_each_reading_and_each_alert_once(tmp_path: Path):
    topic, events = make_topic(), racing_events() + racing_events(seconds=60, ago=timedelta(minutes=30))
    send(topic, events)
    arguments = ("--topics", topic, "--until-caught-up")
    for point in get_args(ConsumerPoint):
        killed_at = {"TELARA_FAILPOINTS": f"{point}:{1 if point.startswith('late') else 2}", "DEBUG": "true"}
        with consumer(tmp_path, *arguments, "--group", make_group(), **SMALL, **killed_at) as killed:
            assert killed.process.wait(60) == -9, (point, killed.output.read_text()[-2000:])
    with consumer(tmp_path, *arguments, "--group", make_group(), **SMALL) as running:
        assert running.process.wait(60) == 0
    assert_as_expected(topic, events)
    assert not LateStretch.objects.exists()
    assert Reading.objects.filter(flags__gte=Flag.LATE, flags__lt=2 * Flag.LATE).count() == 60 * PEOPLE


def test_three_consumers_at_once_find_the_same(tmp_path: Path):
    topic, group, events = make_topic(), make_group(), racing_events()
    send(topic, events[: len(events) // 2])
    arguments = ("--topics", topic, "--group", group, "--until-caught-up")
    with (
        consumer(tmp_path, *arguments, **SMALL) as one,
        consumer(tmp_path, *arguments, **SMALL) as two,
        consumer(tmp_path, *arguments, **SMALL) as three,
    ):
        send(topic, events[len(events) // 2 :])
        assert [each.process.wait(90) for each in (one, two, three)] == [0, 0, 0]
    with consumer(tmp_path, *arguments, **SMALL) as last:
        assert last.process.wait(60) == 0
    assert_as_expected(topic, events)


def test_the_end_of_one_consumer_is_the_start_of_the_next(tmp_path: Path):
    topic, group, events = make_topic(), make_group(), racing_events()
    third = len(events) // 3
    for part in (events[:third], events[third : 2 * third], events[2 * third :]):
        send(topic, part)
        with consumer(tmp_path, "--topics", topic, "--group", group, "--until-caught-up", **SMALL) as running:
            assert running.process.wait(60) == 0
    assert_as_expected(topic, events)


def test_a_consumer_told_to_stop_finishes_its_batch_and_leaves_well(tmp_path: Path):
    topic, group, events = make_topic(), make_group(), racing_events()
    send(topic, events)
    with consumer(tmp_path, "--topics", topic, "--group", group, TELARA_BATCH_MESSAGES="50") as running:
        while not Reading.objects.exists():
            assert running.process.poll() is None
        assert running.stop() == 0
    stored = Reading.objects.count()
    assert stored == sum(row.next_offset for row in PartitionLedger.objects.filter(topic=topic))
    with consumer(tmp_path, "--topics", topic, "--group", group, "--until-caught-up", **SMALL) as running:
        assert running.process.wait(60) == 0
    assert_as_expected(topic, events)
