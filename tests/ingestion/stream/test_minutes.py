"""What a consumer did in each minute, as rows for the pipeline's page."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import PipelineMinute
from ingestion.stream.batch import Position
from ingestion.stream.status import Status
from tests.ingestion.stream.test_pipeline import NOW, ZERO, Shop, event

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)


def fed(status: Status, shop: Shop, *messages: object, at=NOW) -> None:
    """Write a batch and count it, as the worker does."""
    outcome = shop.write(*messages, now=at)

    class Polled:
        received_at = outcome.accepted["received_at"]

        def __len__(self) -> int:
            return len(messages)

    status.count(Polled(), outcome, now=at)


def test_each_minute_is_a_row_that_says_what_became_of_the_messages() -> None:
    shop, status = Shop(), Status(consumer="c1", started_at=NOW)
    again = event(vitals={"heart_rate": 70}, at=NOW - 3 * SECOND)
    fed(status, shop, again, event(at=NOW - SECOND), again, b"{", json.dumps(event() | {"user_id": 7}).encode())
    status.report(positions={ZERO: 5}, lags={ZERO: 2}, now=NOW)
    row = PipelineMinute.objects.get()
    assert (row.minute, row.consumer, row.stored, row.duplicates, row.quarantined) == (NOW, "c1", 2, 1, 2)
    assert row.reasons == {"malformed_json": 1, "wrong_type": 1}
    assert (row.batches, row.partitions) == (1, [["t", 0, 5, 2]])
    assert (row.travel_p50_s, row.travel_worst_s) == (3.0, 3.0)
    assert row.stored_worst_s == 0.0
    assert row.memory_bytes is not None
    assert row.memory_bytes > 10_000_000


def test_the_row_of_a_minute_is_rewritten_every_ten_seconds_and_kept_when_it_is_over() -> None:
    shop, status = Shop(), Status(consumer="c1", started_at=NOW)
    for seconds in range(0, 70, 2):
        at = NOW + seconds * SECOND
        fed(status, shop, event(at=at), at=at)
        status.report(positions={ZERO: 1}, lags={ZERO: 0}, now=at)
    assert list(PipelineMinute.objects.order_by("minute").values_list("stored", flat=True)) == [30, 1]
    status.leave(lag=0, now=NOW + 70 * SECOND)
    assert list(PipelineMinute.objects.order_by("minute").values_list("stored", flat=True)) == [30, 5]


def test_late_readings_are_counted_among_the_stored() -> None:
    shop, status = Shop(), Status(consumer="c1", started_at=NOW)
    fed(status, shop, event(at=NOW))
    fed(status, shop, event(at=NOW - timedelta(hours=1)), event(at=NOW))
    status.leave(lag=0, now=NOW)
    row = PipelineMinute.objects.get()
    assert (row.stored, row.late) == (3, 1)


def test_a_consumer_that_starts_anew_has_a_row_of_its_own() -> None:
    shop = Shop()
    for started in (NOW, NOW + SECOND):
        status = Status(consumer="c1", started_at=started)
        fed(status, shop, event())
        status.leave(lag=0, now=NOW + SECOND)
    assert [row.stored for row in PipelineMinute.objects.all()] == [1, 1]


def test_between_its_rows_counting_asks_the_database_nothing() -> None:
    shop, status = Shop(), Status(consumer="c1", started_at=NOW)
    outcome = shop.write(event())
    with CaptureQueriesContext(connection) as asked:
        for _ in range(100):
            status.minutes.count(outcome, delay_s=0.1, now=NOW)
    assert len(asked) == 0
    status.report(positions={Position("t", 0): 1}, lags={}, now=NOW)
    assert PipelineMinute.objects.get().stored == 100
