"""Stored readings as a backtest reads them: its bounds, and who waits for it."""

from datetime import timedelta
from time import sleep
from typing import Any

import polars as pl
import pytest
from django.db import connection

from alerts import stored_history
from alerts.backtest_stored import backtest_stored, present_rules
from alerts.stored_history import Scope, TookTooLongError, one_view, read_history
from devices.models import User
from tests.alerts.feeding import Feed, at, person_one
from tests.made import make_partitions, make_wearer

pytestmark = pytest.mark.django_db(transaction=True)
MANY = """
INSERT INTO devices_reading (user_id, recorded_at, event_id, received_at, flags, heart_rate)
SELECT %s, %s::timestamptz + n * interval '1 second', gen_random_uuid(), now(), 0, 80
  FROM generate_series(1, 400000) n
"""


def everyone(**scope: Any) -> Scope:
    return Scope(dict(User.objects.values_list("pk", "username")), **scope)


def test_what_is_made_of_the_readings_counts_to_the_time_it_may_take() -> None:
    person = person_one()
    make_partitions(at(0), at(400_000))
    with connection.cursor() as cursor:
        cursor.execute(MANY, [person.pk, at(0)])
    taken: list[int] = []

    def slowly(readings: pl.DataFrame) -> None:
        taken.append(readings.height)
        sleep(0.5)

    with pytest.raises(TookTooLongError), one_view():
        read_history(everyone(within=timedelta(seconds=0.3)), ["heart_rate"], slowly)
    assert sum(taken) < 400_000, "what was on its way is still taken, the rest is not read"
    with one_view():
        assert read_history(everyone(), ["heart_rate"], lambda _: None).readings == 400_000


def test_whoever_watches_is_told_how_far_it_is_and_can_end_it(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.send((0, 120), (1, 120), (2, 120), (3, 90))
    monkeypatch.setattr(stored_history, "PIECE", 1)
    told: list[tuple[int, Any]] = []
    (rule,) = present_rules()
    backtest_stored(rules=[rule], scope=everyone(), watch=lambda *where: told.append(where))
    assert told == [(person_one().pk, at(second)) for second in range(4)]

    def enough(*_: object) -> None:
        raise StopIteration

    with pytest.raises(StopIteration):
        backtest_stored(rules=[rule], scope=everyone(), watch=enough)
    assert len(backtest_stored(rules=[rule], scope=everyone()).findings) == 1


@pytest.mark.parametrize("piece", [1, stored_history.PIECE])
def test_the_first_reading_is_the_first_of_anyone(feed: Feed, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_history, "PIECE", piece)
    feed.send((700, 80), (900, 80))
    feed.send((500, 80), user=make_wearer("person_2"))
    with one_view():
        assert read_history(everyone(), ["heart_rate"], lambda _: None).first == at(500)
