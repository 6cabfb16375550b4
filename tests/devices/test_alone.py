"""Of several that start at once one works."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from django.db import connection

from devices import tasks
from devices.alone import alone

pytestmark = pytest.mark.django_db(transaction=True)
LOCK = 0x7E1A_0FFF


@contextmanager
def held_elsewhere(lock: int) -> Iterator[None]:
    """By another session, for the block."""
    held, over = Event(), Event()

    def hold() -> None:
        with alone(lock) as ours:
            assert ours
            held.set()
            over.wait(20)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(10)
        try:
            yield
        finally:
            over.set()
        holding.result()


def test_a_second_one_is_told_and_the_next_may() -> None:
    with held_elsewhere(LOCK), alone(LOCK) as ours:
        assert not ours
    with alone(LOCK) as ours:
        assert ours
    with held_elsewhere(LOCK):
        pass


@pytest.mark.parametrize(
    ("task", "lock", "work"),
    [
        (tasks.make_baselines, tasks.MAKING_BASELINES, "baselines_make"),
        (tasks.drop_old_readings, tasks.DROPPING, "baselines_drop"),
    ],
)
def test_long_work_of_the_night_is_done_by_one_run(
    task: Callable[[], None], lock: int, work: str, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TELARA_RETENTION_DAYS = 30
    runs: list[str] = []
    monkeypatch.setattr(tasks, work, lambda **_: runs.append(work) or 0)
    with held_elsewhere(lock):
        task()
    assert runs == []
    task()
    assert runs == [work]
