"""Who comes by which partition: a person on a second one is told, once, and what costs time is not done."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import Mishap
from ingestion.models import Placement as PlacementRow
from ingestion.stream.batch import Batch, Origin, Position
from ingestion.write.placement import REMEMBERED_FOR, SMALL, Placement

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Consumer:
    """What a consumer does after each batch, at seconds after noon."""

    placement: Placement = field(default_factory=lambda: Placement("c"))

    def take(self, second: float, *came: tuple[str, int]) -> None:
        """A batch of these people's messages, each by its partition."""
        now = NOON + timedelta(seconds=second)
        origins: Any = [Origin(Position("raw", partition), 0, b"") for _, partition in came]
        batch = Batch([b""] * len(came), origins, pl.Series("received_at", [now] * len(came)), {})
        senders = pl.DataFrame({"username": [name for name, _ in came], "message": range(len(came))})
        self.placement.look(batch, senders, now=now)
        self.placement.settle(now=now)


def told() -> list[tuple[str, int]]:
    return list(Mishap.objects.order_by("pk").values_list("text", "count"))


def test_whoever_stays_is_written_once_and_asked_for_once() -> None:
    consumer = Consumer()
    consumer.take(0, ("ann", 0), ("bob", 1), ("ann", 0))
    with CaptureQueriesContext(connection) as queries:
        for second in range(1, 60):
            consumer.take(second, ("ann", 0), ("bob", 1))
    assert not queries.captured_queries
    assert not told()
    assert sorted(PlacementRow.objects.values_list("user_id", "partition")) == [("ann", 0), ("bob", 1)]


def test_whoever_comes_by_another_one_is_told_once() -> None:
    consumer = Consumer()
    consumer.take(0, ("ann", 0), ("bob", 1))
    consumer.take(5, ("ann", 3))
    consumer.take(10, ("ann", 3))
    assert told() == [("ann came by partition 3 of raw, before by 0.", 1)]
    assert PlacementRow.objects.get(user_id="ann").partition == 3


def test_two_partitions_in_one_batch_are_seen_of_somebody_new() -> None:
    Consumer().take(0, ("ann", 0), ("bob", 1), ("ann", 2))
    assert told() == [("ann came by partition 2 of raw, before by 0.", 1)]


def test_whoever_alternates_is_told_again_but_not_with_every_batch() -> None:
    consumer = Consumer()
    for second in range(0, 150, 2):
        consumer.take(second, ("ann", 0 if second % 4 else 3))
    assert 2 <= len(told()) <= 3


def test_a_consumer_that_takes_over_knows_where_people_were() -> None:
    Consumer().take(0, ("ann", 0), ("bob", 1))
    Consumer().take(60, ("ann", 0), ("bob", 2))
    assert told() == [("bob came by partition 2 of raw, before by 1.", 1)]


def test_two_consumers_that_have_one_person_both_keep_learning_of_it() -> None:
    one, two = Consumer(), Consumer()
    later = REMEMBERED_FOR.total_seconds() + 1
    for second in (0, later, 2 * later):
        one.take(second, ("ann", 0))
        two.take(second + 1, ("ann", 3))
    assert len(told()) >= 4


def test_many_who_move_at_once_are_one_sentence() -> None:
    people = [(f"user_{number:03}", 0) for number in range(300)]
    consumer = Consumer()
    consumer.take(0, *people)
    consumer.take(5, *((name, 5) for name, _ in people))
    ((text, count),) = told()
    assert count == 300
    assert text.startswith("300 people came by another partition than before: user_000 (0, now 5), user_001 (0, now 5)")


def test_another_cluster_has_other_partitions() -> None:
    Consumer().take(0, ("ann", 0))
    Consumer(Placement("another")).take(60, ("ann", 5))
    assert not told()


def test_of_large_batches_one_is_looked_at_every_few_seconds() -> None:
    consumer, many = Consumer(), [("ann", 0)] * (SMALL + 1)
    consumer.take(0, *many)
    consumer.take(1, *many, ("bob", 1))
    assert not PlacementRow.objects.filter(user_id="bob").exists()
    consumer.take(6, *many, ("bob", 1))
    assert PlacementRow.objects.filter(user_id="bob").exists()


def test_what_could_not_be_written_is_written_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer()
    monkeypatch.setattr("ingestion.write.placement.mishap_note", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        consumer.take(0, ("ann", 0), ("ann", 1))
    monkeypatch.undo()
    consumer.take(2, ("bob", 0))
    assert [text for text, _ in told()] == ["ann came by partition 1 of raw, before by 0."]
