"""Stretches of late readings that wait, and who takes them."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestion.evaluate.late import Span, stretches_take, stretches_wait
from ingestion.models import LateStretch
from ingestion.stream.batch import Position

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def waits(user_id: int, *, cluster: str = "ours", partition: int = 0) -> None:
    LateStretch.objects.create(
        user_id=user_id, cluster_id=cluster, topic="t", partition=partition,
        since=NOON + timedelta(seconds=user_id), until=NOON + timedelta(minutes=1),
    )  # fmt: skip


def test_a_consumer_takes_those_of_its_partitions_the_oldest_first() -> None:
    for user_id in (3, 2, 1):
        waits(user_id)
    waits(4, partition=1)
    taken = stretches_take(cluster_id="ours", positions=[Position("t", 0)], most=2)
    assert taken == {
        1: Span(NOON + timedelta(seconds=1), NOON + timedelta(minutes=1)),
        2: Span(NOON + timedelta(seconds=2), NOON + timedelta(minutes=1)),
    }
    assert set(LateStretch.objects.values_list("user_id", flat=True)) == {3, 4}


def test_what_was_left_of_a_cluster_that_is_gone_is_waited_for_and_judged() -> None:
    waits(1, cluster="of the last start", partition=3)
    assert stretches_wait(topics=["t"])
    assert list(stretches_take(cluster_id="ours", positions=[Position("t", 0)])) == [1]
    assert not stretches_wait(topics=["t"])
