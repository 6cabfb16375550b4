"""Partitions: made when they are needed, side by side without a gap, dropped whole."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from devices import partitions as of_readings
from devices.models import Installation
from devices.partitions import TABLE, Partitions, Span, drop_older_than, make_ahead, partition_of
from tests.made import readings_locked

INSTALLED = datetime(2026, 3, 10, 15, tzinfo=UTC)
SPANS = ("month", "week", "day")
times = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(times, st.sampled_from(SPANS))
def test_every_instant_lies_in_its_partition_and_so_do_the_ends(at: datetime, span: str):
    found = partition_of(at, installed_at=INSTALLED, span=span)
    assert found.start <= at < found.end
    assert partition_of(found.start, installed_at=INSTALLED, span=span) == found
    assert partition_of(found.end - timedelta(microseconds=1), installed_at=INSTALLED, span=span) == found
    assert partition_of(found.end, installed_at=INSTALLED, span=span).start == found.end


@pytest.mark.parametrize(
    ("at", "span", "name"),
    [
        (datetime(2016, 5, 1, tzinfo=UTC), "month", "y2016"),
        (datetime(2026, 2, 28, tzinfo=UTC), "day", "y2026"),
        (datetime(2026, 3, 1, tzinfo=UTC), "month", "m202603"),
        (datetime(2026, 12, 31, tzinfo=UTC), "month", "m202612"),
        (datetime(2026, 3, 1, tzinfo=UTC), "week", "w20260223"),
        (datetime(2026, 3, 12, tzinfo=UTC), "week", "w20260309"),
        (datetime(2026, 3, 12, tzinfo=UTC), "day", "d20260312"),
    ],
)
def test_partitions_are_years_before_the_month_of_installation_and_named_by_their_start(
    at: datetime, span: str, name: str
):
    assert partition_of(at, installed_at=INSTALLED, span=span).name == f"{TABLE}_{name}"


@pytest.fixture
def _installed(transactional_db: None) -> Iterator[None]:
    """Installed in March 2026, with no partition at all, and none left behind."""
    Installation.objects.update_or_create(pk=1, defaults={"installed_at": INSTALLED})
    drop_older_than(datetime(2300, 1, 1, tzinfo=UTC))
    yield
    drop_older_than(datetime(2300, 1, 1, tzinfo=UTC))
    Installation.objects.update_or_create(pk=1, defaults={"installed_at": timezone.now()})


def attached() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        return sorted(name for (name,) in cursor.fetchall())


@pytest.mark.usefixtures("_installed")
def test_what_is_missing_is_made_once():
    partitions = Partitions(span="month")
    wanted = [datetime(2016, 4, 12, tzinfo=UTC), INSTALLED, INSTALLED + timedelta(days=31), INSTALLED]
    assert partitions.ensure(wanted) == [f"{TABLE}_y2016", f"{TABLE}_m202603", f"{TABLE}_m202604"]
    assert partitions.ensure(wanted) == []
    assert Partitions(span="month").ensure(wanted) == []
    assert attached() == [f"{TABLE}_m202603", f"{TABLE}_m202604", f"{TABLE}_y2016"]


@pytest.mark.usefixtures("_installed")
def test_a_partition_has_the_one_index_and_the_checks_of_the_table():
    Partitions(span="month").ensure([INSTALLED])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [f"{TABLE}_m202603"])
        assert cursor.fetchone()[0] == 1
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [f"{TABLE}_m202603"]
        )
        assert cursor.fetchone()[0] == 2


@pytest.mark.usefixtures("_installed")
def test_a_dropped_partition_is_made_again_after_forgetting():
    partitions = Partitions(span="month")
    partitions.ensure([INSTALLED])
    drop_older_than(datetime(2026, 4, 1, tzinfo=UTC))
    partitions.forget()
    assert partitions.ensure([INSTALLED]) == [f"{TABLE}_m202603"]


@pytest.mark.usefixtures("_installed")
def test_only_whole_partitions_that_are_over_are_dropped():
    Partitions(span="week").ensure([INSTALLED + timedelta(days=7 * week) for week in range(3)])
    assert attached() == [f"{TABLE}_w20260309", f"{TABLE}_w20260316", f"{TABLE}_w20260323"]
    assert drop_older_than(datetime(2026, 3, 22, tzinfo=UTC)) == [f"{TABLE}_w20260309"]
    assert drop_older_than(datetime(2026, 3, 23, tzinfo=UTC)) == [f"{TABLE}_w20260316"]


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("later", SPANS)
@pytest.mark.parametrize("first", SPANS)
def test_the_span_may_be_changed_while_partitions_stand(first: str, later: str):
    days = [INSTALLED + timedelta(days=day) for day in range(40)]
    Partitions(span=first).ensure(days[5:12])
    partitions = Partitions(span=later)
    partitions.ensure(days)
    with connection.cursor() as cursor:
        for day in days:
            cursor.execute(
                "INSERT INTO devices_reading (user_id, recorded_at, received_at, event_id)"
                " VALUES (1, %s, %s, gen_random_uuid())",
                [day, day],
            )


@pytest.mark.usefixtures("_installed")
def test_two_consumers_that_miss_the_same_partition_make_it_once():
    made: list[str] = []

    def ensure() -> None:
        made.extend(Partitions(span="day").ensure([INSTALLED + timedelta(days=day) for day in range(5)]))
        connections.close_all()

    threads = [threading.Thread(target=ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(set(made)) == 5


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("at", "span", "names"),
    [
        (datetime(2026, 3, 20, tzinfo=UTC), "month", ["m202603"]),
        (datetime(2026, 3, 26, tzinfo=UTC), "month", ["m202603", "m202604"]),
        (datetime(2026, 3, 20, tzinfo=UTC), "week", ["w20260316", "w20260323"]),
        (datetime(2026, 3, 31, 23, tzinfo=UTC), "day", ["d20260331", *(f"d2026040{day}" for day in range(1, 8))]),
    ],
)
def test_those_of_the_week_to_come_are_made_ahead(at: datetime, span: Span, names: list[str]):
    assert make_ahead(at, span=span) == [f"{TABLE}_{name}" for name in names]
    assert make_ahead(at, span=span) == []


@pytest.mark.usefixtures("_installed")
def test_one_that_somebody_reads_stays_until_the_next_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(of_readings, "LOCK_WAIT_MS", 50)
    Partitions(span="month").ensure([datetime(2016, 4, 12, tzinfo=UTC), datetime(2026, 3, 12, tzinfo=UTC)])
    limit = datetime(2026, 1, 1, tzinfo=UTC)
    with readings_locked("ACCESS SHARE"):
        assert drop_older_than(limit) == []
    assert drop_older_than(limit) == [f"{TABLE}_y2016"]
    assert attached() == [f"{TABLE}_m202603"]
