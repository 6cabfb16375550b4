"""Readings into PostgreSQL: each identity once, the first content wins, nothing that is no number gets in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.db import DataError, IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.models import Reading
from devices.partitions import Partitions
from ingestion.write.store import Stored, store, store_while
from tests.ingestion.rows import NOON, event_id, frame, row
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def partitions() -> Partitions:
    make_installation()
    made = Partitions(span="month")
    made.ensure([NOON])
    return made


@pytest.fixture(autouse=True, params=[True, False], ids=["copied first", "staged first"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways give the same, whichever is tried first."""
    monkeypatch.setattr(_Way, "is_likely_new", request.param)


class _Way:
    is_likely_new = True


def stored(*rows: dict[str, Any]) -> Stored:
    with transaction.atomic(durable=True):
        return store_while(frame(*rows), lambda *_: None, is_likely_new=_Way.is_likely_new)[0]


def test_new_rows_are_given_back_in_order_of_arrival():
    found = stored(row(2), row(1), row(3))
    assert found.new["event_id"].to_list() == [event_id(2), event_id(1), event_id(3)]
    assert (found.duplicates, found.conflicting) == (0, 0)
    assert Reading.objects.count() == 3


def test_a_row_sent_twice_in_a_batch_is_stored_once_with_its_first_content():
    found = stored(row(1, heart_rate=60.0), row(1, heart_rate=61.0), row(1, heart_rate=60.0))
    assert (found.new.height, found.duplicates, found.conflicting) == (1, 2, 1)
    assert Reading.objects.get().heart_rate == 60.0


def test_a_row_sent_again_later_changes_nothing_and_is_counted():
    stored(row(1, heart_rate=60.0), row(2))
    found = stored(row(1, heart_rate=60.0), row(2, posture="seated"), row(3))
    assert found.new["event_id"].to_list() == [event_id(3)]
    assert (found.duplicates, found.conflicting) == (2, 1)
    assert Reading.objects.get(event_id=event_id(2)).posture is None


def test_the_same_id_at_another_time_or_of_another_person_is_another_reading():
    found = stored(row(1), row(1, recorded_at=NOON), row(1, user_id=2))
    assert found.new.height == 3


def test_a_batch_of_nothing_but_duplicates_stores_nothing():
    stored(row(1))
    assert stored(row(1)).new.height == 0


def test_times_are_kept_to_the_microsecond_wherever_they_lie():
    times = [
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2016, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    Partitions(span="month").ensure(times)
    stored(*(row(number, recorded_at=at) for number, at in enumerate(times)))
    assert list(Reading.objects.values_list("recorded_at", flat=True)) == times
    found = stored(*(row(number, recorded_at=at) for number, at in enumerate(times)))
    assert (found.new.height, found.duplicates, found.conflicting) == (0, 4, 0)


@settings(max_examples=25)
@given(st.lists(st.floats(1, 350), min_size=1, max_size=40))
def test_numbers_are_stored_exactly(values: list[float]):
    Reading.objects.all().delete()
    stored(*(row(number, heart_rate=value) for number, value in enumerate(values)))
    assert list(Reading.objects.values_list("heart_rate", flat=True)) == values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 0.0, 351.0])
def test_what_is_no_heart_rate_cannot_be_stored(value: float):
    with pytest.raises(IntegrityError):
        stored(row(1), row(2, heart_rate=value))
    assert Reading.objects.count() == 0


def test_a_row_without_a_partition_is_an_error_and_no_loss():
    with pytest.raises((IntegrityError, DataError)):
        stored(row(1, recorded_at=NOON + timedelta(days=3650)))


def test_a_repeated_batch_within_one_transaction_is_known_by_its_writer():
    with transaction.atomic(durable=True):
        store(frame(row(1)))
        transaction.set_rollback(True)
    assert stored(row(1)).new.height == 1


def test_an_empty_batch_is_nothing():
    assert stored().new.height == 0
    assert isinstance(stored().new, pl.DataFrame)
