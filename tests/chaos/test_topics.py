"""What is done to a topic behind a consumer's back: deleted, made anew, widened, read by others, badly keyed."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from ingestion.models import Mishap, OffsetGap
from tests.chaos.acts import is_stopped, wake
from tests.chaos.attended import Attended
from tests.chaos.invariants import assert_whole, broken
from tests.chaos.services import wait
from tests.chaos.stage import Stage
from tests.chaos.test_killed import is_assigned
from tests.chaos.topics import add_partitions, delete_before, make_anew
from tests.ingestion.running import Running, until

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("page"),
]  # fmt: skip


@pytest.fixture
def split(tmp_path: Path) -> Stage:
    """A stage of two partitions, of which any holds readings of anybody."""
    return Stage(tmp_path, partitions=2, is_split=True)


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
            assert second.wait(60) == 1
            assert "is stored by" in second.output.read_text()
        stage.send()


def test_a_person_on_two_partitions_of_one_consumer(attended: Attended) -> None:
    with attended.scene() as stage:
        for partition in (0, 1, 0, 1):
            stage.send(0.3, partition=partition)
            stage.await_rest()
        stage.send()


def play_split(stage: Stage, *, changed_by: str = "") -> list[str]:
    """Everybody's readings come by the partitions of two consumers: in turn, and then of both at once. What those said
    who did not live through it."""
    with stage.consumer(changed_by=changed_by) as one, stage.consumer(changed_by=changed_by) as two:
        until(lambda: is_assigned(one) and is_assigned(two), within_s=60)
        for turn in range(6):
            stage.send(0.1, partition=turn % 2)
            stage.await_rest()
        stage.send(is_scattered=True)
        stage.await_rest()
        died = [each.output.read_text() for each in (one, two) if each.stop() != 0]
    stage.finish()
    return died


def test_a_person_on_partitions_of_two_consumers_is_judged_as_on_one_and_told_of(split: Stage) -> None:
    assert play_split(split) == []
    assert Mishap.objects.filter(event="split_person", text__contains=split.tag).exists()
    assert_whole(split)


def test_consumers_that_do_not_look_who_writes_for_a_person_are_found_out(split: Stage) -> None:
    """By what they leave, or by PostgreSQL, where both of them have an alert of one episode fire."""
    died = play_split(split, changed_by="wrong.no_writer")
    assert all("alert_one_firing" in each for each in died)
    assert died or "windows" in broken(split)


def test_one_that_stands_still_with_people_of_another_holds_that_up_until_its_partition_moves(split: Stage) -> None:
    with ExitStack() as acts, split.consumer() as sound:
        until(lambda: is_assigned(sound), within_s=60)
        still: Running = acts.enter_context(split.consumer(failpoint="before_commit:3", changed_by="stopping"))
        until(lambda: is_assigned(still), within_s=60)
        split.send(0.5, is_scattered=True)
        until(lambda: is_stopped(still), within_s=60)
        split.send(is_scattered=True)
        split.await_rest()
        assert any("lock timeout" in line["error"] for line in sound.lines("database.away"))
        wake(still)
        until(lambda: still.lines("database.away") or still.lines("consumer.fenced"), within_s=20)
        assert (still.stop(), sound.stop()) == (0, 0)
    split.finish()
    assert_whole(split)


def test_partitions_added_while_two_consumers_run(tmp_path: Path) -> None:
    stage = Stage(tmp_path, partitions=2, is_repeated=False, is_split=True)
    with stage.consumer() as one, stage.consumer() as two:
        until(lambda: is_assigned(one) and is_assigned(two), within_s=60)
        stage.send(0.4)
        add_partitions(stage, 5)
        for turn in range(6):
            stage.send(0.25, is_scattered=turn % 2 == 1)  # not every producer knows of the new partitions at once
            wait(1)
        stage.send()
        stage.await_rest()
        assert (one.stop(), two.stop()) == (0, 0)
    stage.finish()
    assert_whole(stage)


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
