"""A strap that stops, and a consumer that does, on a real broker: the whole way from the messages to the alerts."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from alerts.models import Alert
from alerts.models.alert import EpisodeState
from alerts.rule_files import RuleFile, parse_rule
from alerts.services.rules import rules_load
from devices.models import Reading
from ingestion.absence import Step, absences_step
from tests.ingestion.running import Running, consumer, make_group, make_topic, send, until
from tests.made import make_installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LEAST_S = 6.0
RULE = """
id: silent
alert_type: SILENT
title: Silent
severity: LOW
class: technical
over: absence
factor: 3
at_least: 6s
"""


class Strap:
    """Sends five readings a second until it is stopped."""

    def __init__(self, topic: str, user_id: str) -> None:
        self.stopped = Event()
        self._thread = Thread(target=self._run, args=(topic, user_id))
        self._thread.start()

    def _run(self, topic: str, user_id: str) -> None:
        while not self.stopped.wait(0.2):
            now = datetime.now(UTC).isoformat()
            event = {"event_id": str(uuid4()), "timestamp": now, "user_id": user_id, "vitals": {"heart_rate": 72}}
            send(topic, [event])

    def stop(self) -> None:
        self.stopped.set()
        self._thread.join()


@pytest.fixture
def topic() -> str:
    make_installation()
    parsed = parse_rule(RULE)
    assert parsed.rule is not None
    rules_load(files=[RuleFile(parsed.rule, RULE, "test")], at=timezone.now())
    return make_topic()


@pytest.fixture
def straps(topic: str) -> Iterator[dict[str, Strap]]:
    made = {name: Strap(topic, name) for name in ("ann", "bob")}
    yield made
    for strap in made.values():
        strap.stop()


def look(topic: str) -> Step:
    return absences_step(topic=topic, freshness=settings.TELARA_FRESHNESS, at=timezone.now())


def firing(topic: str) -> list[str]:
    look(topic)
    return list(Alert.objects.filter(episode=EpisodeState.FIRING).values_list("user__username", flat=True))


def watched(running: Running, topic: str) -> None:
    """Wait until the consumer is up to date and everybody is known."""
    until(lambda: Reading.objects.filter(user__username="bob").count() > 15, within_s=40)
    until(lambda: look(topic).is_judged, within_s=20)
    assert running.process.poll() is None


def test_the_one_who_stops_is_silent_and_not_the_other_and_is_heard_again(
    topic: str, straps: dict[str, Strap], tmp_path: Path
) -> None:
    with consumer(tmp_path, "--topics", topic, "--group", make_group()) as running:
        watched(running, topic)
        assert firing(topic) == []
        straps["ann"].stop()
        stopped = time.monotonic()
        until(lambda: firing(topic) == ["ann"], within_s=LEAST_S + 10, every_s=0.5)
        assert time.monotonic() - stopped >= LEAST_S - 0.5
        straps["ann"] = Strap(topic, "ann")
        until(lambda: firing(topic) == [], within_s=10, every_s=0.5)
    assert [(alert.user.username, alert.end) for alert in Alert.objects.select_related("user")] == [("ann", "cleared")]


def test_nobody_is_silent_while_the_consumer_is_away_or_behind(
    topic: str, straps: dict[str, Strap], tmp_path: Path
) -> None:
    group = make_group()
    with consumer(tmp_path, "--topics", topic, "--group", group) as running:
        watched(running, topic)
        assert running.stop() == 0
    away_until = time.monotonic() + 3 * LEAST_S
    while time.monotonic() < away_until:
        assert firing(topic) == []
        time.sleep(0.5)
    with consumer(tmp_path, "--topics", topic, "--group", group):
        until(lambda: look(topic).is_judged, within_s=40)
        judged_until = time.monotonic() + 2 * LEAST_S
        while time.monotonic() < judged_until:
            assert firing(topic) == []
            time.sleep(0.5)
        straps["bob"].stop()
        until(lambda: firing(topic) == ["bob"], within_s=LEAST_S + 10, every_s=0.5)
    assert Alert.objects.count() == 1
