"""What a consumer does besides its batches."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.models import PartitionLedger
from ingestion.stream.consumer import Step
from ingestion.stream.worker import Service
from tests.alerts.feeding import RACING, Feed, at, beats, load, the_alert

pytestmark = pytest.mark.django_db(transaction=True)


def service(feed: Feed, clock: list[datetime]) -> Service:
    """One whose own partitions are level, and that does nothing but by its detection."""
    idle: Any = SimpleNamespace(
        step=lambda *_, **__: Step(), pass_time=list, tidy=lambda: None, positions=dict, lags=dict, is_behind=False,
        is_level=lambda *, now: True, topics=("t",), take=lambda *, now, is_behind: ([], []), send=lambda outbox: None,
        mark=lambda *, at: None, report=lambda **_: None, settle=lambda *, now: None,
    )  # fmt: skip
    return Service(
        name="me", worker=idle, status=idle, newest=idle, publisher=idle, detection=feed.detection, caught_up=idle,
        listening=idle, placement=idle, now=lambda: clock[-1], swept_at=clock[0], tidied_at=clock[0],
    )  # fmt: skip


def test_nobody_is_taken_for_silent_while_the_readings_of_another_consumer_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ingestion.stream.worker.live.announce", lambda **_: None)
    load(RACING)
    feed, clock = Feed(), [at(0)]
    feed.send(*beats(0, 3))
    consumer = service(feed, clock)
    for number in range(2):
        PartitionLedger.objects.create(
            cluster_id="c", topic="t", partition=number, next_offset=0, listening_since=at(0), consumed_until=at(900)
        )
    PartitionLedger.objects.filter(partition=1).update(consumed_until=at(300))
    clock.append(at(901))
    consumer.step()
    assert the_alert().episode == "firing"
    PartitionLedger.objects.update(consumed_until=at(906))
    clock.append(at(907))
    consumer.step()
    assert (the_alert().episode, the_alert().provisional) == ("ended", True)
