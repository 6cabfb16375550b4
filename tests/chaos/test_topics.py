"""What is done to a topic behind a consumer's back: deleted, made anew, widened, read by others, badly keyed."""

import pytest

from ingestion.models import Mishap, OffsetGap
from tests.chaos.attended import Attended
from tests.chaos.invariants import assert_whole, broken
from tests.chaos.services import wait
from tests.chaos.stage import Stage
from tests.chaos.test_killed import is_assigned
from tests.chaos.topics import add_partitions, delete_before, make_anew
from tests.ingestion.running import until

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300),
]  # fmt: skip


def gaps(stage: Stage) -> list[str]:
    """The reasons of its gaps, each of which is on its way to an alert."""
    assert Mishap.objects.filter(event="offset_gap", text__contains=stage.topic).exists()
    return sorted(OffsetGap.objects.filter(topic=stage.topic).values_list("reason", flat=True))


def test_offsets_deleted_by_retention_while_nobody_consumed(lane: Stage) -> None:
    lane.send(0.3)
    lane.finish()
    lane.send(0.3)
    delete_before(lane.topic, 1000)
    lane.send()
    lane.finish()
    assert gaps(lane) == ["retention"]
    assert_whole(lane)


def test_offsets_deleted_while_the_database_was_away(attended: Attended) -> None:
    with attended.scene(settles_s=30) as stage:
        stage.send(0.3)
        stage.await_rest()
        attended.database.cut()
        stage.send(0.5)
        wait(3)
        delete_before(stage.topic, 100_000)
        stage.send()
        wait(3)
        attended.database.heal()


def test_a_second_group_is_refused_and_the_first_goes_on(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        stage.await_rest()
        other = Stage(stage.folder, topic=stage.topic)
        with other.consumer("--until-caught-up") as second:
            assert second.process.wait(60) == 1
            assert "is stored by" in second.output.read_text()
        stage.send()


def test_a_person_on_two_partitions_of_one_consumer(attended: Attended) -> None:
    with attended.scene() as stage:
        for partition in (0, 1, 0, 1):
            stage.send(0.3, partition=partition)
            stage.await_rest()
        stage.send()


def test_a_person_on_partitions_of_two_consumers_is_stored_once_and_told_of(stage: Stage) -> None:
    """Each consumer judges what it was sent: episodes and windows of such a person are why somebody is told."""
    with stage.consumer() as one, stage.consumer() as two:
        until(lambda: is_assigned(one) and is_assigned(two), within_s=60)
        for turn in range(8):
            stage.send(0.2, partition=turn % 4)
            stage.await_rest()
        stage.send()
        stage.await_rest()
        assert (one.stop(), two.stop()) == (0, 0)
    stage.finish()
    assert Mishap.objects.filter(event="split_person", text__contains=stage.tag).exists()
    assert not broken(stage).keys() & {"acknowledged", "offsets", "steps", "transactions"}


def test_partitions_added_while_a_consumer_runs(attended: Attended) -> None:
    with attended.scene(settles_s=30) as stage:
        stage.send(0.5)
        stage.await_rest()
        add_partitions(stage, 5)
        stage.send()


def test_a_topic_made_anew_while_nobody_consumed(lane: Stage) -> None:
    lane.send(0.3)
    lane.finish()
    make_anew(lane)
    lane.send()  # more than the ledger has counted: by offsets alone nothing is missing
    lane.finish()
    assert gaps(lane) == ["topic_anew"]
    assert_whole(lane)


def test_a_topic_made_anew_under_a_consumer(attended: Attended) -> None:
    with attended.scene(settles_s=30) as stage:
        stage.send(0.3)
        stage.await_rest()
        make_anew(stage)
        stage.send()
