"""`run_simulator`: what reaches the broker, when, and what it says of it."""

import json
import os
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from devices.models import Simulation
from devices.simulations import simulation_plan, simulation_start, simulation_stop, simulations_alive
from devices.simulator.plan import Wish, plan_of
from ingestion.send.headroom import PAST_MESSAGES
from tests.ingestion.running import until
from tests.ingestion.simulated import ids_of
from tests.ingestion.topic import messages_of

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]
PAST = "2026-01-01T00:00:00Z"
PAST_MS = 1_767_225_600_000


@pytest.fixture
def topic(settings: Any) -> str:
    """A topic of this test alone, to which the simulator sends."""
    settings.TELARA_TOPIC_RAW = f"test-{uuid4()}"
    return settings.TELARA_TOPIC_RAW


def simulate(*args: str) -> str:
    out = StringIO()
    call_command("run_simulator", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def events_of(topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages_of(topic)]


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def test_it_sends_each_wearer_at_the_rate_for_the_duration(topic: str):
    said = simulate("--wearers", "3", "--rate", "2", "--duration", "60", "--start", PAST)
    events = events_of(topic)
    assert Counter(event["user_id"] for event in events) == {"user_001": 120, "user_002": 120, "user_003": 120}
    assert {event["timestamp"][:16] for event in events} == {"2026-01-01T00:00"}
    assert "360 messages sent and acknowledged" in said


def test_messages_are_keyed_by_person_and_in_order(topic: str):
    simulate("--wearers", "5", "--duration", "30", "--start", PAST)
    messages = messages_of(topic)
    assert all(message.key.decode() == json.loads(message.value)["user_id"] for message in messages)
    assert len({(message.key, message.partition) for message in messages}) == 5
    for user in {message.key for message in messages}:
        times = [json.loads(message.value)["timestamp"] for message in messages if message.key == user]
        assert times == sorted(times)


def test_the_same_seed_sends_the_same(topic: str, settings: Any):
    simulate("--wearers", "2", "--duration", "20", "--start", PAST, "--seed", "5")
    first = {message.value for message in messages_of(topic)}
    settings.TELARA_TOPIC_RAW = f"test-{uuid4()}"
    simulate("--wearers", "2", "--duration", "20", "--start", PAST, "--seed", "5")
    assert {message.value for message in messages_of(settings.TELARA_TOPIC_RAW)} == first


def test_the_present_is_sent_as_it_comes(topic: str):
    began = timezone.now()
    simulate("--wearers", "2", "--rate", "5", "--duration", "2")
    ended = timezone.now()
    row = Simulation.objects.get()
    expected = ids_of(simulation_plan(row))
    assert {event["event_id"] for event in events_of(topic)} == expected.keys()
    assert began <= row.starts_at
    assert all(at_ms <= ended.timestamp() * 1000 for _, at_ms in expected.values())


def test_the_past_is_sent_until_it_is_the_present(topic: str):
    start_ms = int(time.time() * 1000) - 300_000
    simulate("--wearers", "1", "--duration", "301", "--start", iso(start_ms))
    assert start_ms + 300_000 <= time.time() * 1000 < start_ms + 600_000  # as it came, it would have taken 301 s
    expected = ids_of(plan_of(Wish(wearers=1, duration_s=301), start_ms=start_ms))
    assert {event["event_id"] for event in events_of(topic)} == expected.keys()


def test_a_user_is_simulated_alone(topic: str):
    simulate("--user", "ana@example.org", "--duration", "5", "--start", PAST)
    assert {event["user_id"] for event in events_of(topic)} == {"ana@example.org"}


def test_an_anomaly_is_had_by_the_user_and_the_run_ends_after_it(topic: str, tmp_path: Path):
    truth = tmp_path / "truth.jsonl"
    simulate(
        "--wearers", "3", "--user", "user_002", "--anomaly", "tachycardia_at_rest", "--start", PAST,
        "--truth", str(truth),
    )  # fmt: skip
    racing = [
        event for event in events_of(topic) if event["vitals"]["heart_rate"] and event["vitals"]["heart_rate"] > 100
    ]
    (line,) = [json.loads(line) for line in truth.read_text().splitlines()]
    rates = [event["vitals"]["heart_rate"] for event in racing]
    assert {event["user_id"] for event in racing} == {"user_002"}
    assert all(event["activity"]["steps_per_minute"] == 0 for event in racing)
    assert all(2 <= event["activity"]["activity_level"] <= 5 for event in racing)
    assert line | {"values": None} == {
        "kind": "anomaly", "anomaly": "tachycardia_at_rest", "alert_type": "TACHYCARDIA_AT_REST",
        "user_id": "user_002", "start": min(event["timestamp"] for event in racing),
        "end": max(event["timestamp"] for event in racing), "readings": 60, "values": None, "complete": True,
        "needs_baseline": False, "also": ["ELEVATED_HEART_RATE"],
    }  # fmt: skip
    assert line["values"]["heart_rate"] == {"min": min(rates), "max": max(rates)}
    assert len(racing) == 60


def test_the_truth_says_what_was_cut_short_and_who_was_silent(topic: str, tmp_path: Path):
    truth = tmp_path / "truth.jsonl"
    simulate("--wearers", "2", "--anomaly", "hypoxia", "--duration", "9", "--start", PAST, "--truth", str(truth))
    assert [json.loads(line)["complete"] for line in truth.read_text().splitlines()] == [False, False]
    simulate("--user", "user_001", "--anomaly", "device_silent", "--start", PAST, "--truth", str(truth))
    (line,) = [json.loads(line) for line in truth.read_text().splitlines()]
    assert (line["start"], line["end"], line["readings"]) == (
        "2026-01-01T00:00:00.000Z", "2026-01-01T00:10:00.000Z", 0,
    )  # fmt: skip


def test_bad_data_is_sent_and_told(topic: str, tmp_path: Path):
    truth = tmp_path / "truth.jsonl"
    simulate(
        "--wearers", "9", "--duration", "100", "--start", PAST, "--bad-data", "0.2", "--truth", str(truth)
    )  # fmt: skip
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    codes = Counter(line["code"] for line in lines)
    assert len(codes) == 11
    doubles = codes["duplicate"] + codes["conflicting_duplicate"]
    messages = messages_of(topic)
    assert 890 <= len(messages) - doubles <= 900
    assert 0.15 < len(lines) / 900 < 0.25
    assert sum(message.value == b"" for message in messages) == sum(line["way"] == "an empty message" for line in lines)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--wearers", "0"], "there must be a wearer"),
        (["--rate", "0"], "a rate must be 0.001 to 50 Hz"),
        (["--rate", "1e-320"], "a rate must be 0.001 to 50 Hz"),
        (["--duration", "inf"], "a run lasts up to a hundred years"),
        (["--duration", "nan"], "a run lasts up to a hundred years"),
        (["--bad-data", "2"], "0 to 1, not 2"),
        (["--duration", "0"], "longer than nothing"),
        (["--seed", "99999999999999999999"], "a seed is at most 4,611,686,018,427,387,904 from 0"),
        (["--start", "yesterday"], "is not a time of ISO 8601"),
        (["--anomaly", "boredom"], "invalid choice: 'boredom'"),
        (["--truth", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
    ],
)
def test_what_cannot_be_done_is_said(args: list[str], said: str):
    with pytest.raises(CommandError, match=said):
        simulate(*args)


class EndsWho(StringIO):
    """Tells the process that writes to it to end."""

    def write(self, text: str) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return super().write(text)


def test_it_waits_for_a_consumer_on_the_embedded_broker_and_stops_at_a_signal(topic: str, settings: Any):
    settings.TELARA_KAFKA_EMBEDDED = True
    errors = EndsWho()
    before = signal.getsignal(signal.SIGTERM)
    args = ["--user", "user_001", "--rate", "10", "--start", PAST]
    call_command("run_simulator", *args, stdout=StringIO(), stderr=errors)
    assert signal.getsignal(signal.SIGTERM) is before
    assert "waiting for a consumer" in errors.getvalue()
    assert len(messages_of(topic)) == PAST_MESSAGES


def test_a_live_run_is_known_and_ends_when_a_person_stops_it(topic: str):
    def stop() -> None:
        until(lambda: simulations_alive(at=timezone.now()).filter(sent__gt=0).exists(), within_s=60)
        for simulation in simulations_alive(at=timezone.now()):
            simulation_stop(simulation=simulation, by=None, at=timezone.now())
        connection.close()

    stopping = threading.Thread(target=stop)
    stopping.start()
    simulate("--wearers", "2")
    stopping.join()
    row = Simulation.objects.get()
    assert (row.runner, row.state, row.reason, row.sent) == ("command", "stopped", "asked", len(events_of(topic)))


def test_a_live_run_leaves_its_people_to_an_anomaly(topic: str):
    anomaly = simulation_start(wish=Wish(user_id="user_002", anomaly="hypoxia"), by=None, at=timezone.now())
    simulate("--wearers", "2", "--rate", "5", "--duration", "5")
    run = Simulation.objects.exclude(pk=anomaly.pk).get()
    begins_ms = simulation_plan(anomaly).start_ms
    assert {event["event_id"] for event in events_of(topic)} == {
        event_id
        for event_id, (user_id, at_ms) in ids_of(simulation_plan(run)).items()
        if user_id == "user_001" or at_ms < begins_ms
    }


def test_without_a_duration_a_run_goes_on_and_with_an_anomaly_it_ends_a_calm_minute_after():
    assert plan_of(Wish(), start_ms=PAST_MS).end_ms is None
    plan = plan_of(Wish(user_id="u1", anomaly="tachycardia_at_rest"), start_ms=PAST_MS)
    assert plan.end_ms == PAST_MS + 90_000
    assert plan.user_ids == ("u1",)


def test_an_anomaly_without_a_user_is_had_by_everyone():
    plan = plan_of(Wish(wearers=3, anomaly="fever"), start_ms=PAST_MS)
    assert plan.injections[0].user_ids == {"user_001", "user_002", "user_003"}
