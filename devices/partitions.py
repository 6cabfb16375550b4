"""The partitions of the readings: months from the month of installation on, years before it, no default one.

A setting makes the newer ones weeks or days; where it was changed, new partitions fill what the others leave. A missing
partition is made beside the table and then attached, in a transaction of its own under an advisory lock, because
ATTACH lets readers and writers go on and CREATE .. PARTITION OF does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2.errors import LockNotAvailable

from devices.failpoints import reach

log = structlog.get_logger(__name__)


TABLE = "devices_reading"
LOCK = 0x7E1A_0001  # advisory lock of partition making
LOCK_WAIT_MS = 1000
AHEAD_DAYS = 7
Span = Literal["month", "week", "day"]


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition over [start, end), both UTC midnights."""

    name: str
    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


def partition_of(at: datetime, *, installed_at: datetime, span: Span) -> Partition:
    """The partition that holds the instant `at` (aware)."""
    at, installed = at.astimezone(UTC), _month(installed_at.astimezone(UTC))
    if at >= installed:
        return _recent(at, installed, span)
    start = datetime(at.year, 1, 1, tzinfo=UTC)
    return Partition(f"{TABLE}_y{at.year}", start, min(datetime(at.year + 1, 1, 1, tzinfo=UTC), installed))


def _recent(at: datetime, installed: datetime, span: Span) -> Partition:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "day":
        return Partition(f"{TABLE}_d{at:%Y%m%d}", midnight, midnight + timedelta(days=1))
    if span == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return Partition(f"{TABLE}_w{monday:%Y%m%d}", max(monday, installed), monday + timedelta(days=7))
    start = _month(at)
    return Partition(f"{TABLE}_m{at:%Y%m}", start, _month(start + timedelta(days=31)))


def _month(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class Partitions:
    """Makes partitions that are missing, and remembers which are there."""

    def __init__(self, *, span: Span) -> None:
        self._span = span
        self._installed_at: datetime | None = None
        self._known: list[Partition] = []

    def ensure(self, times: Iterable[datetime]) -> list[str]:
        """Make the partitions that `times` (aware) need; the names of those that were missing.

        Runs in a transaction of its own: raises TransactionManagementError inside one.
        """
        made = []
        for at in sorted(set(times)):
            if not any(partition.holds(at) for partition in self._known):
                partition, is_new = _make(self._wanted(at), at)
                self._known.append(partition)
                made += [partition.name] if is_new else []
        return made

    def forget(self) -> None:
        """Look again at what is there: retention may have dropped some."""
        self._known.clear()

    def _wanted(self, at: datetime) -> Partition:
        if self._installed_at is None:
            self._installed_at = installed_at()
        return partition_of(at, installed_at=self._installed_at, span=self._span)


def installed_at() -> datetime:
    """When Telara was installed here; raises Installation.DoesNotExist before the migrations ran."""
    from devices.models import Installation

    return Installation.objects.get(pk=1).installed_at


def _make(wanted: Partition, at: datetime) -> tuple[Partition, bool]:
    """The partition that holds `at`, and whether it is new: `wanted`, as far as others leave room for it."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        attached = _attached(cursor)
        if (there := next((each for each in attached if each.holds(at)), None)) is not None:
            return there, False
        partition = _fitted(wanted, at, attached)
        cursor.execute(f'CREATE TABLE "{partition.name}" (LIKE {TABLE} INCLUDING ALL)')
        cursor.execute(
            f'ALTER TABLE {TABLE} ATTACH PARTITION "{partition.name}" FOR VALUES FROM (%s) TO (%s)',
            [partition.start, partition.end],
        )
        return partition, True


def _fitted(wanted: Partition, at: datetime, attached: list[Partition]) -> Partition:
    """The part of `wanted` around `at` that no other partition has; none of them holds `at`."""
    start = max([wanted.start, *(each.end for each in attached if each.end <= at)])
    end = min([wanted.end, *(each.start for each in attached if each.start > at)])
    if (start, end) == (wanted.start, wanted.end):
        return wanted
    return Partition(f"{wanted.name}_from_{start:%Y%m%d}", start, end)


def _attached(cursor: CursorWrapper) -> list[Partition]:
    cursor.execute(
        "SELECT c.relname, substring(bounds from $$FROM \\('([^']+)'\\)$$)::timestamptz,"
        " substring(bounds from $$TO \\('([^']+)'\\)$$)::timestamptz"
        " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) AS bounds"
        " WHERE i.inhparent = %s::regclass",
        [TABLE],
    )
    return [Partition(*row) for row in cursor.fetchall()]


def any_older_than(limit: datetime) -> bool:
    """Whether `drop_older_than` would drop something."""
    with connection.cursor() as cursor:
        return any(each.end <= limit for each in _attached(cursor))


def make_ahead(at: datetime, *, span: Span) -> list[str]:
    """Make those of the week after `at`, so that no batch has to; the names of the new ones."""
    return Partitions(span=span).ensure([at + timedelta(days=n) for n in range(AHEAD_DAYS + 1)])


def drop_older_than(limit: datetime) -> list[str]:
    """Drop every partition that ends at or before `limit` (aware, UTC); the names of those that went.

    Dropping one takes a lock for which everybody who reads or writes readings waits, so that it is not waited for: one
    that is busy stays until the next time.
    """
    with connection.cursor() as cursor:
        old = sorted(each.name for each in _attached(cursor) if each.end <= limit)
    gone = [name for name in old if _drop(name)]
    reach("retention_after_commit")
    return gone


def _drop(name: str) -> bool:
    try:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
            cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
            reach("retention_before_commit")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.warning("retention.partition_busy", partitions=[name])
        return False
    return True
