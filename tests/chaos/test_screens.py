"""What a page shows after a fault is what the database holds, whatever it missed meanwhile.

So it is after those of other files, too, where a page is open.
"""

import pytest

from tests.chaos.attended import Attended
from tests.chaos.services import away, wait

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("page"),
]  # fmt: skip


def test_a_page_while_nothing_is_wrong(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send()


def test_a_page_while_a_consumer_is_killed_and_another_comes(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        attended.consumer().process.kill()
        wait(3)
        attended.consumer()
        stage.send()
        stage.await_rest()
        stage.sweep()


@pytest.mark.parametrize("fault", ["cut", "hang"])
def test_a_page_while_redis_is_away(attended: Attended, fault: str) -> None:
    with attended.scene() as stage:
        stage.send(0.3)
        getattr(attended.redis, fault)()
        stage.send(0.5)
        wait(6)
        attended.redis.heal()
        stage.send()


def test_a_page_while_postgresql_restarts(attended: Attended) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        with away("postgres", by="kill"):
            wait(3)
        stage.send()
