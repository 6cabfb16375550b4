"""What a page shows after a fault is what the database holds, whatever it missed meanwhile."""

from collections.abc import Iterator

import pytest

from tests.chaos.attended import Attended
from tests.chaos.screen import Screen, screen
from tests.chaos.services import away, wait
from tests.ingestion.running import until
from tests.made import make_user

pytestmark = [
    pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300),
]  # fmt: skip
CONVERGES_S = 30.0


@pytest.fixture(scope="module")
def page(attended: Attended) -> Iterator[Screen]:
    viewer = make_user("chief", "view_all_wearers")
    with screen(attended.folder, viewer, **attended.lines()) as shown:
        yield shown


def test_a_page_while_nothing_is_wrong(attended: Attended, page: Screen) -> None:
    with attended.scene() as stage:
        stage.send()
    until(lambda: page.shows(stage), within_s=CONVERGES_S)


def test_a_page_while_a_consumer_is_killed_and_another_comes(attended: Attended, page: Screen) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        attended.consumer().process.kill()
        wait(3)
        attended.consumer()
        stage.send()
        stage.await_rest()
        stage.sweep()
    until(lambda: page.shows(stage), within_s=CONVERGES_S)


@pytest.mark.parametrize("fault", ["cut", "hang"])
def test_a_page_while_redis_is_away(attended: Attended, page: Screen, fault: str) -> None:
    with attended.scene() as stage:
        stage.send(0.3)
        getattr(attended.redis, fault)()
        stage.send(0.5)
        wait(6)
        attended.redis.heal()
        stage.send()
    until(lambda: page.shows(stage), within_s=CONVERGES_S)


def test_a_page_while_postgresql_restarts(attended: Attended, page: Screen) -> None:
    with attended.scene() as stage:
        stage.send(0.5)
        with away("postgres", by="kill"):
            wait(3)
        stage.send()
    until(lambda: page.shows(stage), within_s=CONVERGES_S)
