"""Simulations that the worker carries out, slice by slice."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from devices.models import Simulation
from devices.simulations import NOTICE, simulation_plan, simulation_start, simulation_stop
from devices.simulator.plan import Wish
from ingestion.send.producer import Outgoing, Producer
from ingestion.send.senders import senders_active
from ingestion.send.simulations import simulations_due, simulations_step
from ingestion.tasks import step_simulations
from tests.ingestion.simulated import ids_of
from tests.ingestion.topic import messages_of
from tests.made import NOON

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]
START = NOON + NOTICE


@pytest.fixture
def topic(settings: Any) -> str:
    settings.TELARA_TOPIC_RAW = f"test-{uuid4()}"
    return settings.TELARA_TOPIC_RAW


@pytest.fixture
def producer(settings: Any) -> Producer:
    return Producer(settings.KAFKA)


def events_of(topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages_of(topic)]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run_until(seconds: int, producer: Producer, topic: str, *, every_s: int = 1) -> int:
    """What the clock does, a slice each `every_s` seconds; the messages sent."""
    return sum(
        simulations_step(producer=producer, topic=topic, now=at(second)) for second in range(0, seconds + 1, every_s)
    )


def test_slices_send_every_reading_once(producer: Producer, topic: str):
    simulation = simulation_start(wish=Wish(wearers=3, duration_s=30), by=None, at=NOON)
    sent = run_until(40, producer, topic)
    events = events_of(topic)
    assert len(events) == sent == 90
    assert len({event["event_id"] for event in events}) == 90
    assert min(event["timestamp"] for event in events) >= START.isoformat()[:19]
    simulation.refresh_from_db()
    assert (simulation.state, simulation.reason, simulation.sent, simulation.rounds) == ("stopped", "done", 90, 1)
    assert not simulations_due(at=at(41))


def test_nothing_is_sent_before_its_time_or_after_it_was_stopped(producer: Producer, topic: str):
    simulation = simulation_start(wish=Wish(wearers=1), by=None, at=NOON)
    assert not simulations_due(at=NOON)
    assert simulations_step(producer=producer, topic=topic, now=NOON) == 0
    assert run_until(5, producer, topic) == 5
    simulation_stop(simulation=simulation, by=None, at=at(5))
    assert run_until(20, producer, topic) == 0


def test_an_anomaly_is_injected_with_a_calm_minute_after_it(producer: Producer, topic: str):
    simulation_start(wish=Wish(user_id="ana", anomaly="tachycardia_at_rest"), by=None, at=NOON)
    run_until(100, producer, topic)
    rates = [event["vitals"]["heart_rate"] for event in events_of(topic)]
    assert sum(rate is not None and rate > 100 for rate in rates) == 60
    assert 115 <= len(rates) <= 120


def test_a_round_is_repeated(producer: Producer, topic: str):
    simulation = simulation_start(wish=Wish(wearers=1, duration_s=5), by=None, at=NOON, repeat_s=60)
    assert run_until(125, producer, topic) == 15
    simulation.refresh_from_db()
    assert (simulation.state, simulation.rounds, simulation.starts_at) == ("requested", 3, at(180))


def test_rounds_that_were_missed_are_not_made_up_for(producer: Producer, topic: str):
    simulation = simulation_start(wish=Wish(wearers=1, duration_s=5), by=None, at=NOON, repeat_s=60)
    run_until(10, producer, topic)
    simulations_step(producer=producer, topic=topic, now=at(3_601))
    simulation.refresh_from_db()
    assert simulation.rounds == 2
    assert simulation.starts_at == at(3_660)


def test_what_could_not_be_sent_for_a_minute_is_forgotten(producer: Producer, topic: str):
    simulation_start(wish=Wish(wearers=1), by=None, at=NOON)
    run_until(5, producer, topic)
    assert simulations_step(producer=producer, topic=topic, now=at(1_000)) == pytest.approx(60, abs=1)


def test_a_slice_that_dies_is_sent_again_as_the_same_events(producer: Producer, topic: str, monkeypatch: Any):
    simulation = simulation_start(wish=Wish(wearers=2, duration_s=30), by=None, at=NOON)
    run_until(10, producer, topic)
    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "save", _die)
        with pytest.raises(KeyboardInterrupt):
            simulations_step(producer=producer, topic=topic, now=at(15))
    simulation.refresh_from_db()
    assert simulation.sent == 20
    run_until(40, producer, topic)
    events = events_of(topic)
    assert len(events) == 70
    assert len({json.dumps(event) for event in events}) == 60


def _die(*_args: Any, **_kwargs: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def elsewhere() -> Iterator[Any]:
    """A second connection to the database, as another worker has."""
    own = connections["default"].copy()
    yield own
    own.close()


def test_a_second_worker_passes_by(producer: Producer, topic: str, elsewhere: Any):
    simulation = simulation_start(wish=Wish(wearers=1), by=None, at=NOON)
    elsewhere.set_autocommit(False)
    with elsewhere.cursor() as cursor:
        cursor.execute("SELECT 1 FROM devices_simulation WHERE id = %s FOR UPDATE", [simulation.pk])
        assert simulations_step(producer=producer, topic=topic, now=at(5)) == 0
    elsewhere.rollback()
    assert simulations_step(producer=producer, topic=topic, now=at(5)) == 5
    assert simulations_step(producer=producer, topic=topic, now=at(5)) == 0


def test_one_that_cannot_be_is_stopped_and_holds_up_no_other(producer: Producer, topic: str):
    stored = simulation_start(wish=Wish(wearers=1), by=None, at=NOON)
    Simulation.objects.filter(pk=stored.pk).update(hertz=1e-20)
    simulation_start(wish=Wish(wearers=1), by=None, at=NOON)
    ahead = simulation_start(wish=Wish(wearers=1), by=None, at=NOON, starts_at=at(2))
    Simulation.objects.filter(pk=ahead.pk).update(hertz=1e-320)
    assert run_until(5, producer, topic) == 5
    stored.refresh_from_db()
    assert (stored.state, stored.reason) == ("stopped", "")


def test_the_people_of_an_anomaly_are_left_to_it(producer: Producer, topic: str):
    simulation_start(wish=Wish(wearers=2), by=None, at=NOON)
    simulation_start(wish=Wish(user_id="user_002", anomaly="hypoxia"), by=None, at=NOON, starts_at=at(10))
    run_until(30, producer, topic)
    events = events_of(topic)
    ids = [(event["user_id"], event["timestamp"]) for event in events]
    assert len(ids) == len(set(ids)) == 60
    low = [event for event in events if (event["vitals"]["spo2_percent"] or 99) < 92]
    assert {event["user_id"] for event in low} == {"user_002"}
    assert len(low) == 20


def test_a_running_simulation_is_a_sender(producer: Producer, topic: str):
    assert not senders_active()
    simulation = simulation_start(wish=Wish(wearers=1), by=None, at=timezone.now())
    assert senders_active()
    simulation_stop(simulation=simulation, by=None, at=timezone.now())
    assert not senders_active()


def test_the_task_sends_what_is_due(topic: str):
    began = timezone.now() - timedelta(seconds=10)
    expected = ids_of(simulation_plan(simulation_start(wish=Wish(wearers=2, duration_s=4), by=None, at=began)))
    for _ in range(2):
        step_simulations()
        assert sorted(event["event_id"] for event in events_of(topic)) == sorted(expected)


def test_without_room_a_slice_waits_and_loses_nothing(topic: str, settings: Any):
    from ingestion import tasks

    settings.TELARA_KAFKA_EMBEDDED = True
    tasks._producer.cache_clear()
    try:
        full = Producer(settings.KAFKA)
        for _ in range(3_000):
            full.send(Outgoing(topic, "user_001", b"{}"))
        full.flush()
        simulation = simulation_start(
            wish=Wish(wearers=1, duration_s=5), by=None, at=timezone.now() - timedelta(seconds=20)
        )
        step_simulations()
        simulation.refresh_from_db()
        assert (simulation.state, simulation.sent) == ("requested", 0)
        assert len(messages_of(topic)) == 3_000
    finally:
        tasks._producer.cache_clear()
