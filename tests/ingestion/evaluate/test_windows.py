"""Stored windows against a recount of the stored readings, whatever way these came."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import DatabaseError, connection

from devices.metrics import NUMERIC
from devices.models import MetricWindow, Reading
from tests.ingestion.stream.test_pipeline import NOW, Shop, event

pytestmark = pytest.mark.django_db(transaction=True)
METRICS = ("heart_rate", "skin_temp_c")
AGGREGATES = ", ".join(
    f"count({name}), avg({name}::numeric)::float8, min({name}), max({name}), stddev_samp({name}::numeric)::float8"
    for name in METRICS
)
RECOUNT = f"""
SELECT user_id, date_trunc('minute', recorded_at) + interval '1 minute' AS ended_at, count(*), bit_or(flags),
       {AGGREGATES}
  FROM devices_reading r
 GROUP BY 1, 2
HAVING date_trunc('minute', min(recorded_at)) + interval '1 minute'
       <= (SELECT max(recorded_at) FROM devices_reading l WHERE l.user_id = r.user_id)
 ORDER BY 1, 2
"""


@pytest.fixture
def shop() -> Shop:
    return Shop()


def stored() -> list[tuple[Any, ...]]:
    columns = [f"{aggregate}_{name}" for name in METRICS for aggregate in ("count", "avg", "min", "max", "stddev")]
    return list(MetricWindow.objects.values_list("user_id", "ended_at", "count", "flags", *columns))


def recounted() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT)
        return cursor.fetchall()


def assert_counted_right() -> None:
    found, expected = stored(), recounted()
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    for row, right in zip(found, expected, strict=True):
        assert row[4:] == tuple(value if value is None else pytest.approx(value, rel=1e-12) for value in right[4:])


def spoke(random: Random, seconds: float) -> dict[str, Any]:
    vitals = {"heart_rate": random.choice([None, 0, 61, 72.5, 240]), "skin_temp_c": round(random.uniform(30, 37), 2)}
    person = f"person_{random.randrange(3)}"
    return event(person, at=NOW - timedelta(hours=3) + timedelta(seconds=seconds), vitals=vitals)


@pytest.mark.parametrize("disorder_s", [0, 90, 7200])
@pytest.mark.parametrize("size", [1, 7, 40, 400])
def test_whatever_the_order_and_the_batches_they_are_what_the_readings_give(disorder_s: int, size: int, shop: Shop):
    random = Random(f"{disorder_s} {size}")  # noqa: S311  # no secret
    sent = [spoke(random, 20 * number) for number in range(120)]
    order = sorted(range(len(sent)), key=lambda number: 20 * number + random.uniform(0, disorder_s))
    messages = [sent[number] for number in order]
    messages += random.sample(messages, 10)  # once more
    for at in range(0, len(messages), size):
        shop.write(*messages[at : at + size])
        if random.random() < 0.1:
            shop.pipeline.drop_state()  # as after a restart
        if at % (size * 8) == 0:
            shop.judge_late()
            assert_counted_right()
    shop.judge_late()
    assert_counted_right()
    assert MetricWindow.objects.count() > 10


def test_what_came_in_order_is_never_read_back(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    shop.write(event(at=NOW, vitals={"heart_rate": 60}))
    monkeypatch.setattr(shop.pipeline._evaluation._windows, "_read", None)
    for second in range(1, 200, 10):
        shop.write(event(at=NOW + timedelta(seconds=second), vitals={"heart_rate": 60 + second}))
    assert_counted_right()
    assert MetricWindow.objects.count() == 3


def test_a_batch_that_fails_leaves_the_windows_as_they_were(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    shop.write(event(at=NOW, vitals={"heart_rate": 60}))

    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError

    with monkeypatch.context() as broken:
        broken.setattr("ingestion.stream.pipeline.advance", fail)
        with pytest.raises(DatabaseError):
            shop.write(event(at=NOW + timedelta(seconds=70), vitals={"heart_rate": 90}))
    shop.next -= 1
    assert (MetricWindow.objects.count(), Reading.objects.count()) == (0, 1)
    shop.pipeline.drop_state()
    shop.write(event(at=NOW + timedelta(seconds=80), vitals={"heart_rate": 100}))
    assert_counted_right()
    assert [window.avg_heart_rate for window in MetricWindow.objects.all()] == [60]


def test_there_are_five_columns_for_each_numeric_metric():
    names = {field.attname for field in MetricWindow._meta.concrete_fields}
    expected = {f"{aggregate}_{name}" for name in NUMERIC for aggregate in ("count", "avg", "min", "max", "stddev")}
    assert expected <= names
    assert len(names) == 8 + len(expected)
