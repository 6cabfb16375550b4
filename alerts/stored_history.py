"""Stored readings in order of person and time, in pieces, so that memory stays the same however long the history is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
from django.db import OperationalError, connection, transaction
from psycopg2.errors import QueryCanceled

from devices.metrics import METRICS

PIECE: Final = 2 << 20  # bytes of text; about 25,000 rows of a rule or two
_HOUR: Final = 3_600_000_000

# In the order of the key, so that its index gives it; times as microseconds, which read ten times as fast as text.
_ROWS: Final = """
COPY (SELECT r.user_id, (extract(epoch FROM r.recorded_at) * 1000000)::bigint, r.event_id, r.flags{metrics}
        FROM devices_reading r
       WHERE r.user_id = ANY (%s) AND r.recorded_at >= coalesce(%s, '-infinity'::timestamptz)
         AND r.recorded_at < coalesce(%s, 'infinity'::timestamptz)
       ORDER BY r.user_id, r.recorded_at, r.event_id
       LIMIT %s)
  TO STDOUT (FORMAT csv)
"""


class TooMuchHistoryError(Exception):
    """There is more of it than was asked for at most."""


class TookTooLongError(Exception):
    """It could not be read in the time that there was."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose readings, recorded in [since, until); `people` are `user_id`s by the person's key.

    `at_most` bounds how many, `within` how long reading them may take, and what is made of them meanwhile.
    """

    people: dict[int, str]
    since: datetime | None = None
    until: datetime | None = None
    at_most: int | None = None
    within: timedelta | None = None


@dataclass(slots=True)
class Seen:
    """How much history there was, from the `first` reading on. A person-hour is an hour of the clock (UTC) in which a
    person has a reading."""

    readings: int = 0
    people: int = 0
    person_hours: int = 0
    first: datetime | None = None

    @property
    def person_days(self) -> float:
        return self.person_hours / 24


@contextmanager
def one_view() -> Iterator[None]:
    """All that is read inside is of one moment, and nothing can be written; inside a transaction, that one's view."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def read_history(scope: Scope, metrics: Sequence[str], take: Callable[[pl.DataFrame], None]) -> Seen:
    """Give `take` the readings in order of person, time and id: no piece ends within an instant of a person.

    Raises TooMuchHistoryError and TookTooLongError where the scope's bounds are met.
    """
    pieces = _Pieces(metrics, take)
    try:
        _copy(scope, metrics, pieces)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TookTooLongError from None
    pieces.finish()
    if scope.at_most is not None and pieces.seen.readings > scope.at_most:
        raise TooMuchHistoryError
    return pieces.seen


def _copy(scope: Scope, metrics: Sequence[str], pieces: "_Pieces") -> None:
    """The server waits for who reads, so that its timeout bounds both."""
    columns = "".join(f", r.{name}" for name in metrics)
    limit = None if scope.at_most is None else scope.at_most + 1
    with connection.cursor() as cursor, connection.wrap_database_errors:  # which copy_expert is not by itself
        if scope.within is not None:
            cursor.execute("SET LOCAL statement_timeout = %s", [scope.within // timedelta(milliseconds=1)])
        sql = cursor.mogrify(_ROWS.format(metrics=columns), [list(scope.people), scope.since, scope.until, limit])
        try:
            cursor.copy_expert(sql, pieces)
        except BaseException:
            connection.connection.cancel()  # what the server would still send is waited for before anything else
            raise


class _Pieces:
    """The file that COPY writes to: a line at a time."""

    def __init__(self, metrics: Sequence[str], take: Callable[[pl.DataFrame], None]) -> None:
        self.seen = Seen()
        self._schema = pl.Schema(
            {
                "user_id": pl.Int64,
                "recorded_at": pl.Int64,
                "event_id": pl.String,
                "flags": pl.Int64,
                **{name: pl.String if METRICS[name].is_text else pl.Float64 for name in metrics},
            }
        )
        self._take = take
        self._lines: list[bytes] = []
        self._size = 0
        self._kept = pl.DataFrame(schema=self._schema)
        self._last: tuple[int, int] | None = None  # person and hour

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE:
            self._cut()

    def finish(self) -> None:
        self._cut()
        self._give(self._kept)

    def _cut(self) -> None:
        """Give what has come, but for the last instant, of which more may follow."""
        if not self._lines:
            return
        text = b"".join(self._lines)
        self._lines, self._size = [], 0
        rows = pl.concat((self._kept, pl.read_csv(text, has_header=False, schema=self._schema)))
        last = rows.row(-1)
        instant = (rows["user_id"] == last[0]) & (rows["recorded_at"] == last[1])
        self._kept = rows.filter(instant)
        self._give(rows.filter(~instant))

    def _give(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        self._count(rows)
        at = pl.from_epoch("recorded_at", time_unit="us").dt.replace_time_zone("UTC")
        self._take(rows.with_columns(at, at.alias("received_at")))

    def _count(self, rows: pl.DataFrame) -> None:
        hours = rows.select("user_id", pl.col("recorded_at") // _HOUR).unique(maintain_order=True)
        before = self._last
        self._last = (hours["user_id"][-1], hours["recorded_at"][-1])
        first = datetime.fromtimestamp(rows.select(pl.min("recorded_at")).item() / 1_000_000, UTC)
        self.seen.first = first if self.seen.first is None else min(self.seen.first, first)
        self.seen.readings += rows.height
        self.seen.people += hours["user_id"].n_unique() - (before is not None and before[0] == hours["user_id"][0])
        self.seen.person_hours += hours.height - (before == hours.row(0))
