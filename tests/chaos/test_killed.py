"""Consumers that are killed, stopped or told to go, at each point of a batch."""

import signal
from contextlib import ExitStack
from typing import get_args

import pytest

from devices.failpoints import ConsumerPoint, OutboxPoint
from tests.chaos.acts import kill_at, stop_at, wake
from tests.chaos.invariants import assert_whole
from tests.chaos.stage import Stage
from tests.ingestion.running import Running, until

pytestmark = [pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


# What comes late comes at the end of the traffic.
POINTS = sorted((*get_args(ConsumerPoint), *get_args(OutboxPoint)), key=lambda point: point.startswith("late"))


@pytest.mark.chaos_core
def test_killed_at_every_point_one_after_another(stage: Stage) -> None:
    for number, point in enumerate(POINTS):
        stage.send(1 / (len(POINTS) - number))
        kill_at(stage, point if point.startswith(("late", "outbox")) else f"{point}:2")
    stage.finish()
    stage.send_these(stage.more(20))
    kill_at(stage, "after_commit")  # of the last batch: nothing follows that would commit its offsets
    stage.finish()
    assert_whole(stage)


@pytest.mark.chaos_core
def test_a_zombie_that_wakes_up_after_others_went_on_without_it_writes_nothing(lane: Stage) -> None:
    lane.send(0.5)
    with ExitStack() as acts:
        zombie = stop_at(lane, acts, "after_decode:3")
        kill_at(lane, "after_commit:2")
        wake(zombie)
        lane.send()
        lane.await_rest()
        assert zombie.lines("consumer.fenced")
        assert zombie.stop() == 0
    lane.sweep()
    assert_whole(lane)


@pytest.mark.chaos_core
def test_two_of_three_killed_while_partitions_move_between_them(stage: Stage) -> None:
    with stage.consumer() as one, stage.consumer() as two:
        until(lambda: is_assigned(one) and is_assigned(two), within_s=60)
        stage.send(0.5)
        with stage.consumer() as three:
            until(lambda: is_assigned(three), within_s=60, every_s=0.01)
            three.process.kill()
        two.process.kill()
        stage.send()
        stage.await_rest()
        assert one.stop() == 0
    stage.sweep()
    assert_whole(stage)


def test_one_who_lost_its_partitions_and_gets_none_again_joins_anew(stage: Stage) -> None:
    with stage.consumer(changed_by="losing") as running:
        until(lambda: is_assigned(running), within_s=60)
        stage.send(0.5)
        until(lambda: running.lines("consumer.revoked"), within_s=20)
        stage.send()
        stage.await_rest()
        assert running.lines("consumer.left_out")
        assert running.stop() == 0
    stage.sweep()
    assert_whole(stage)


def test_killed_while_partitions_move_to_it_in_a_group_of_the_classic_protocol(stage: Stage) -> None:
    classic = {"TELARA_KAFKA_GROUP_PROTOCOL": "classic"}
    everything = set(range(stage.partitions))
    with stage.consumer(**classic) as one, stage.consumer(**classic) as two:
        until(lambda: held(one) and held(two) and held(one) | held(two) == everything, within_s=60)
        stage.send(0.5)
        with stage.consumer(**classic) as three:
            until(lambda: held(one) | held(two) != everything, within_s=60, every_s=0.01)
            three.process.kill()
        stage.send()
        stage.await_rest()
        until(lambda: held(one) | held(two) == everything, within_s=30)  # also those to which nothing was sent
        assert one.stop() == 0
        assert two.stop() == 0
    stage.sweep()
    assert_whole(stage)


def held(running: Running) -> set[int]:
    """The partitions that it says it has."""
    found: set[int] = set()
    for line in running.lines():
        if line["event"] == "consumer.assigned":
            found |= set(line["partitions"])
        elif line["event"] == "consumer.revoked":
            found -= set(line["partitions"])
    return found


def is_assigned(running: Running) -> bool:
    return bool(running.lines("consumer.assigned"))


@pytest.mark.chaos_core
def test_told_to_go_in_the_middle_of_a_batch_it_finishes_that_and_the_next_one_goes_on(stage: Stage) -> None:
    stage.send()
    with ExitStack() as acts:
        told = stop_at(stage, acts, "after_store:3")
        told.process.send_signal(signal.SIGTERM)
        wake(told)
        assert told.wait(20) == 0
    assert 0 < stage.stored() < len(stage.acknowledged)
    stage.finish()
    assert_whole(stage)
