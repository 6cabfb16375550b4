"""Three consumers that are wrong on purpose: the matrix finds each of them out, where it should."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.db import connection

from tests.chaos.acts import kill_at, stop_at, wake
from tests.chaos.invariants import broken
from tests.chaos.stage import Stage

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.chaos_core, pytest.mark.django_db(transaction=True),
]  # fmt: skip


@pytest.fixture
def _key() -> Iterator[None]:
    """The key of the readings, made again where the consumer did without."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE devices_reading")
        cursor.execute("ALTER TABLE devices_reading ADD PRIMARY KEY (user_id, recorded_at, event_id)")


def test_one_that_notes_offsets_before_it_stores_loses_readings_when_it_is_killed(stage: Stage) -> None:
    stage.send()
    kill_at(stage, "after_store:2", changed_by="wrong.offsets_first")
    stage.finish()
    found = broken(stage)
    assert "readings missing" in found["acknowledged"]
    assert "episodes" in found


@pytest.mark.usefixtures("_key")
def test_one_that_inserts_without_a_key_stores_twice_what_was_sent_twice(stage: Stage) -> None:
    stage.send()
    with stage.consumer("--until-caught-up", changed_by="wrong.no_key") as wrong:
        assert wrong.wait(60) == 0
    assert "readings stored twice" in broken(stage)["acknowledged"]


def test_one_that_ignores_the_fence_writes_as_a_zombie(lane: Stage) -> None:
    lane.send(0.5)
    with ExitStack() as acts:
        zombie = stop_at(lane, acts, "after_decode:3", changed_by="wrong.no_fence,stopping")
        kill_at(lane, "after_commit:2")
        wake(zombie)
        lane.send()
        lane.await_rest()
    lane.sweep()
    found = broken(lane)
    assert "steps" in found
