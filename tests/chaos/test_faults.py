"""Faults of the database, of Redis and of what is sent, while a consumer goes on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from ingestion.models import Mishap
from tests.chaos.attended import Attended
from tests.chaos.traffic import Message, event_of, sound
from tests.chaos.wire import Loss
from tests.ingestion.running import assert_calm, until
from tests.ingestion.test_bad_input import BAD

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.chaos_core, pytest.mark.django_db(transaction=True),
]  # fmt: skip
AWAY_S = 6
STORM = 400
MARKED = 123.456
SLEEPER = f"""
CREATE SEQUENCE chaos_slept;
CREATE FUNCTION chaos_sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('chaos_slept') = 1 THEN PERFORM pg_sleep(60); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chaos_sleep BEFORE INSERT ON devices_reading FOR EACH ROW WHEN (NEW.heart_rate = {MARKED})
    EXECUTE FUNCTION chaos_sleep();
"""
AWAKE = "DROP TRIGGER chaos_sleep ON devices_reading; DROP FUNCTION chaos_sleep; DROP SEQUENCE chaos_slept"
REFUSES = f"ALTER TABLE devices_reading ADD CONSTRAINT chaos_refuses CHECK (heart_rate <> {MARKED}) NOT VALID"
ACCEPTS = "ALTER TABLE devices_reading DROP CONSTRAINT chaos_refuses"


@pytest.mark.parametrize("loss", ["commit", "answer"])
def test_a_commit_of_which_nobody_knows_whether_it_worked(attended: Attended, loss: Loss) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        before = attended.database.lost
        attended.database.lose(loss)
        stage.send()
        stage.await_rest()
        stage.sweep()  # who does not know that it was committed sends nothing of it
    assert attended.database.lost == before + 1


@pytest.mark.parametrize(
    ("is_repeated", "inside"), [(True, "INSERT INTO devices_reading"), (False, "COPY devices_reading")]
)
def test_a_session_ended_in_the_middle_of_storing(attended: Attended, is_repeated: bool, inside: str) -> None:
    with attended.scene(is_repeated=is_repeated) as stage, altered(SLEEPER, AWAKE):
        stage.send(0.5)
        stage.await_rest()
        marked = event_of(f"{stage.tag}-marked", MARKED, datetime.now(UTC))
        stage.send_these([sound(marked)])
        stage.send()
        until(lambda: end_who_sleeps(inside), within_s=30)
        stage.await_rest()


@pytest.mark.parametrize("fault", ["cut", "hang"])
def test_the_database_away(attended: Attended, fault: str) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        getattr(attended.database, fault)()
        stage.send()
        assert_calm(attended.consumer(), AWAY_S)
        attended.database.heal()


@pytest.mark.parametrize("fault", ["cut", "hang"])
def test_redis_away(attended: Attended, fault: str) -> None:
    with attended.scene() as stage:
        getattr(attended.redis, fault)()
        stage.send(0.5)
        until(lambda: attended.said("live.publish_failed"), within_s=20)
        stage.await_rest()
        attended.redis.heal()
        stage.send()


def test_a_row_that_only_postgresql_refuses(attended: Attended) -> None:
    with attended.scene() as stage, altered(REFUSES, ACCEPTS):
        stage.send(0.5)
        marked = event_of(f"{stage.tag}-marked", MARKED, datetime.now(UTC))
        stage.send_these([unstorable(marked)])
        stage.send()
        stage.await_rest()


def test_messages_like_no_other_and_a_storm_of_them(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        stage.send_these([Message(stage.tag, raw, reason=reason) for raw, reason in BAD.values()])
        stage.send_these([Message(stage.tag, b"no", reason="malformed_json")] * STORM)
        stage.send()
    assert attended.said("consumer.reject_storm")
    assert Mishap.objects.filter(event="reject_storm").exists()


def unstorable(event: dict[str, Any]) -> Message:
    """A sound event that the database will refuse."""
    return Message(event["user_id"], json.dumps(event).encode(), reason="storage_refused")


@contextmanager
def altered(there: str, back: str) -> Iterator[None]:
    """The tables of readings otherwise, for the block."""
    with connection.cursor() as cursor:
        cursor.execute(there)
        try:
            yield
        finally:
            cursor.execute(back)


def end_who_sleeps(inside: str) -> bool:
    """End the session that sleeps in a statement that begins so; whether there was one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT query, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
        found = cursor.fetchall()
    assert all(query.startswith(inside) for query, _ in found), found
    return bool(found)
