"""Clocks that jump, and zombies that wake up wherever they stood."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import pytest

from devices.failpoints import ConsumerPoint
from tests.chaos.acts import is_stopped, kill_at, stop_at, wake
from tests.chaos.invariants import assert_whole
from tests.chaos.services import wait
from tests.chaos.stage import Stage
from tests.ingestion.running import database_url, until

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True),
]  # fmt: skip
POINTS = [point for point in get_args(ConsumerPoint) if not point.startswith("late")]


def set_to(clock: Path, seconds: int) -> None:
    """At once: a file that is being written is empty for a moment."""
    clock.with_suffix(".new").write_text(str(seconds))
    clock.with_suffix(".new").rename(clock)


def test_a_clock_that_jumps_an_hour_ahead_and_minutes_back(stage: Stage, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    set_to(clock, 0)
    with stage.consumer(changed_by="clock", CHAOS_CLOCK=str(clock)) as running:
        for seconds in (0, 3600, -180, 0):
            set_to(clock, seconds)
            stage.send(0.3)
            stage.await_rest()
            wait(8)  # for what is done by the clock between batches
        stage.send()
        stage.await_rest()
        assert running.stop() == 0
    assert_whole(stage)


def test_a_clock_ten_minutes_behind_refuses_what_is_of_now_and_takes_it_when_it_is_sent_again(
    stage: Stage, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    set_to(clock, 0)
    with stage.consumer(changed_by="clock", CHAOS_CLOCK=str(clock)) as running:
        stage.send(0.3)
        stage.await_rest()
        set_to(clock, -600)
        wait(1)  # what is being polled has been judged by the right clock
        fresh = stage.more(60)
        stage.send_these([replace(each, identity=None, reason="future_timestamp") for each in fresh])
        stage.send_these(stage.long_ago(60))
        stage.await_rest()
        assert not running.lines("database.away")
        set_to(clock, 0)
        wait(1)
        stage.send_these(fresh)
        stage.send()
        stage.await_rest()
        assert running.stop() == 0
    assert_whole(stage)


def test_a_zombie_that_stands_still_beside_its_batches_holds_the_next_one_up_for_a_while_only(lane: Stage) -> None:
    url = f"{database_url()}?options={quote('-c idle_in_transaction_session_timeout=5s')}"  # else it takes minutes
    lane.send(0.5)
    with ExitStack() as acts:
        zombie = acts.enter_context(lane.consumer(changed_by="stopping_aside", DATABASE_URL=url))
        until(lambda: is_stopped(zombie), within_s=60)
        sound = acts.enter_context(lane.consumer())
        lane.send()
        lane.await_rest(within_s=150)
        wake(zombie)
        assert (sound.stop(), zombie.stop()) == (0, 0)
    lane.finish()
    assert_whole(lane)


@pytest.mark.parametrize("point", POINTS)
def test_a_zombie_that_wakes_up_where_it_was_stopped(lane: Stage, point: str) -> None:
    lane.send(0.5)
    with ExitStack() as acts:
        zombie = stop_at(lane, acts, f"{point}:3")
        kill_at(lane, "after_commit:2")
        wake(zombie)
        lane.send()
        lane.await_rest()
        assert zombie.stop() == 0
    lane.sweep()
    assert_whole(lane)
