"""When scheduled tasks have their turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telara.beat import Scheduler
from telara.celery import app

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    now = NOON


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(app, "now", lambda: made.now)
    return made


@contextmanager
def beating(folder: Path, sent: list[str]) -> Iterator[Scheduler]:
    """A scheduler that notes what it would send."""
    scheduler = Scheduler(app=app, schedule_filename=str(folder / "beat"))
    scheduler.apply_entry = lambda entry, producer=None: sent.append(entry.name)
    try:
        yield scheduler
    finally:
        scheduler.close()


def passes(scheduler: Scheduler, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now += timedelta(seconds=1)
        while scheduler.tick() == 0:
            pass


def test_a_clock_that_is_set_back_holds_nobody_up(clock: Clock, tmp_path: Path) -> None:
    sent: list[str] = []
    with beating(tmp_path, sent) as scheduler:
        passes(scheduler, clock, 10)
        assert sent.count("notifications") == 5
        sent.clear()
        clock.now -= timedelta(hours=1)
        passes(scheduler, clock, 10)
        assert sent.count("notifications") == 4
        assert sent.count("outbox") >= 1
