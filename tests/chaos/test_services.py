"""Services that stop, die, hang, are restarted or run out of disk, while a consumer goes on."""

import pytest

from tests.chaos.attended import Attended
from tests.chaos.services import away, filled, hanging, small_disk, wait
from tests.chaos.stage import SMALL
from tests.ingestion.running import assert_calm, consumer, until

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("page"),
]  # fmt: skip

PATIENCE_S = 45.0  # for what was on its way to the broker


@pytest.mark.parametrize("by", ["stop", "kill"])
def test_the_broker_restarted(attended: Attended, by: str) -> None:
    with attended.scene(settles_s=PATIENCE_S) as stage:
        stage.send(0.5)
        with away("kafka", by=by):
            pass
        stage.send()


def test_the_broker_away_for_a_minute(attended: Attended) -> None:
    with attended.scene(settles_s=PATIENCE_S) as stage:
        stage.send(0.5)
        with away("kafka", by="kill"):
            assert_calm(attended.consumer(), 60)
        stage.send()
        stage.await_rest()
        stage.sweep()  # after half a minute a consumer leaves its alerts to the worker


def test_the_broker_hanging(attended: Attended) -> None:
    with attended.scene(settles_s=PATIENCE_S) as stage:
        stage.send(0.5)
        with hanging("kafka"):
            assert_calm(attended.consumer(), 20)
        stage.send()


@pytest.mark.parametrize("by", ["stop", "kill"])
def test_postgresql_restarted(attended: Attended, by: str) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        with away("postgres", by=by):
            stage.send(0.5)
        stage.send()


def test_postgresql_away_for_a_minute(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        with away("postgres", by="stop"):
            stage.send()
            assert_calm(attended.consumer(), 60)


def test_postgresql_hanging_with_all_of_its_sessions(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        stage.await_rest()
        stage.send(0.5)
        with hanging("postgres"):
            stage.send(0.5)
            assert_calm(attended.consumer(), 20)
        stage.send()


def test_redis_killed_and_started_empty(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        with away("redis", by="kill"):
            stage.send(0.5)
            stage.await_rest()
        stage.send()


def test_partitions_that_move_while_the_database_is_away_for_who_has_them(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        stage.await_rest()
        attended.database.cut()
        stage.send(0.3)
        wanted = ("--topics", *attended.topics, "--group", attended.group)
        with consumer(stage.folder, *wanted, **SMALL) as other:
            until(lambda: other.lines("consumer.assigned"), within_s=60)
            stage.send(0.5)
            attended.database.heal()
            stage.send(0.5)
            stage.await_rest()
            assert other.stop() == 0
        stage.send()


def test_a_disk_that_is_full(attended: Attended) -> None:
    with attended.scene() as stage, small_disk(mib=48) as disk:
        stage.send(0.3)
        stage.await_rest()
        with filled(disk):
            stage.send()
            until(lambda: any("No space left" in line["error"] for line in attended.said("database.away")), within_s=60)
            wait(5)
        stage.await_rest()


def test_everything_restarted_at_once(attended: Attended) -> None:
    with attended.scene(settles_s=PATIENCE_S) as stage:
        stage.send(0.5)
        with away("redis", by="kill"), away("postgres", by="kill"), away("kafka", by="kill"):
            wait(5)
        stage.send()
