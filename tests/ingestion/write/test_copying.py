"""Work goes on while rows are copied: whoever asks the database waits, and what was assumed wrongly is undone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from alerts.stored_rows import rows_within
from devices.models import Reading, User
from devices.partitions import Partitions
from ingestion.write import copying
from ingestion.write.copying import Later
from ingestion.write.store import Stored, store_while
from tests.ingestion.rows import NOON, frame, row
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)
MANY = [row(number) for number in range(2_000)]


@pytest.fixture(autouse=True, params=[0, 2**30], ids=["another thread", "this thread"])
def ready(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make_installation()
    Partitions(span="month").ensure([NOON])
    monkeypatch.setattr(copying, "SMALL", request.param)
    yield
    assert not connection.execute_wrappers


def stored_while(work: Any, *rows: dict[str, Any]) -> tuple[Stored, Any]:
    with transaction.atomic(durable=True):
        return store_while(frame(*rows), work)


def test_whoever_asks_the_database_sees_the_rows() -> None:
    _, seen = stored_while(lambda *_: Reading.objects.count(), *MANY)
    assert seen == len(MANY)


def test_whoever_reads_back_by_a_copy_of_their_own_sees_the_rows() -> None:
    def work(*_: Any) -> int:
        return rows_within([1], [NOON - timedelta(days=1)], [NOON + timedelta(days=1)]).height

    _, seen = stored_while(work, *MANY)
    assert seen == Reading.objects.count() == len(MANY)


def test_what_is_left_for_later_comes_before_anything_that_is_asked() -> None:
    order: list[str] = []

    def work(new: pl.DataFrame, later: Later) -> None:
        later(lambda: order.append(f"left with {Reading.objects.count()} rows"))
        order.append("thought")
        User.objects.count()
        order.append("asked")
        later(lambda: order.append("left too late to wait"))

    stored_while(work, *MANY)
    assert order == ["thought", f"left with {len(MANY)} rows", "asked", "left too late to wait"]


def test_what_is_left_is_done_where_nothing_is_asked() -> None:
    done: list[int] = []
    stored_while(lambda _, later: later(lambda: done.append(Reading.objects.count())), *MANY)
    assert done == [len(MANY)]


def test_work_that_assumed_a_repeated_row_to_be_new_is_undone_and_done_again() -> None:
    stored_while(lambda *_: None, *MANY[:5])
    tried: list[int] = []

    def work(new: pl.DataFrame, _: Later) -> int:
        tried.append(new.height)
        User.objects.create_user(f"seen_with_{new.height}", password=None)
        return new.height

    stored, found = stored_while(work, *MANY)
    assert (tried, found) == ([len(MANY), len(MANY) - 5], len(MANY) - 5)
    assert (stored.duplicates, Reading.objects.count()) == (5, len(MANY))
    assert list(User.objects.values_list("username", flat=True)) == [f"seen_with_{len(MANY) - 5}"]


def test_work_that_fails_over_a_repeated_row_is_done_again_without_it() -> None:
    stored_while(lambda *_: None, *MANY[:5])

    def work(new: pl.DataFrame, _: Later) -> int:
        if new.height == len(MANY):
            raise ValueError("a row twice")
        return new.height

    assert stored_while(work, *MANY)[1] == len(MANY) - 5


def test_work_that_fails_by_itself_leaves_nothing() -> None:
    def work(*_: Any) -> None:
        raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        stored_while(work, *MANY)
    assert Reading.objects.count() == 0


def test_a_row_that_postgres_refuses_is_told_as_django_tells_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_reading ADD CONSTRAINT narrow CHECK (heart_rate < 300)")
    try:
        with pytest.raises(IntegrityError, match="narrow"):
            stored_while(lambda *_: User.objects.count(), *MANY, row(9_999, heart_rate=301.0))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE devices_reading DROP CONSTRAINT narrow")
    assert Reading.objects.count() == 0


def test_a_backend_that_is_ended_meanwhile_is_a_database_that_is_away() -> None:
    def work(*_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises((OperationalError, InterfaceError)):
        stored_while(work, *MANY)
    connection.close()
    assert Reading.objects.count() == 0
