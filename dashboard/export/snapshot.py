"""One moment of the database, for as long as somebody reads it.

A transaction (REPEATABLE READ, read only) on a connection of its own, whose cursor stays in the database: a page is
fetched when the one before has been sent, so that memory stays the same. Who stops reading loses it after IDLE_S, and
everybody after LONGEST_S: old rows can be cleaned up again. Few are open at once, over all processes.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.db import Error, connections
from django.db.models import QuerySet

from devices.models import User

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

log = structlog.get_logger(__name__)
PAGE: Final = 2_000  # rows a fetch: a MiB or two of text
IDLE_S: Final = 60.0
LONGEST_S: Final = 3_600
MOST: Final = 6
MOST_OF_ONE: Final = 2
_ALL, _OF_ONE = 0x7E1A_0020, 0x7E1A_0021  # advisory locks: a place among all, and among those of one person
Row = Sequence[Any]


class BusyError(Exception):
    """Too many are being read; the text says whose."""


class LostError(Exception):
    """It was open for too long; what was read of it is not all."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is read: of each row, in order, what `made` makes of it."""

    query: QuerySet[Any]
    made: Callable[[Row], Row] = tuple


class Snapshot:
    """An open one; whoever opened it closes it. May go from thread to thread, and is used by one at a time."""

    def __init__(self, *, viewer: User) -> None:
        """Raises BusyError where MOST are open already, or MOST_OF_ONE of `viewer`."""
        self._connection: BaseDatabaseWrapper = connections.create_connection("default")
        self._connection.inc_thread_sharing()
        self._ends = time.monotonic() + LONGEST_S
        try:
            self._take_place(viewer)
            self._begin()
        except BaseException:
            self.close()
            raise

    def pages(self, rows: Rows) -> Iterator[list[Row]]:
        """The rows as they were when it was opened, PAGE at a time. Raises LostError."""
        compiler = rows.query.query.get_compiler(connection=self._connection)
        try:
            found = iter(compiler.results_iter(tuple_expected=True, chunked_fetch=True, chunk_size=PAGE))
            while page := [rows.made(row) for row in islice(found, PAGE)]:
                yield page
                if time.monotonic() > self._ends:
                    raise LostError("It took too long.")
        except Error as error:
            log.warning("export.cut_off", reason=type(error).__name__)
            raise LostError("Nobody read on for too long, or the database went away.") from error

    def close(self) -> None:
        """The transaction and its connection are over; may be called twice."""
        self._connection.close()

    def _take_place(self, viewer: User) -> None:
        if not self._locked(_OF_ONE, (viewer.pk % 2**30 * MOST_OF_ONE + number for number in range(MOST_OF_ONE))):
            raise BusyError(f"{MOST_OF_ONE} exports of yours are being sent. Wait until one of them is done.")
        if not self._locked(_ALL, range(MOST)):
            raise BusyError(f"{MOST} exports are being sent, which is all at a time. Try again in a minute.")

    def _locked(self, kind: int, places: Iterable[int]) -> bool:
        """Whether one of these places was free; it is this connection's until that closes."""
        with self._connection.cursor() as cursor:
            for place in places:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [kind, place])
                if cursor.fetchone()[0]:
                    return True
        return False

    def _begin(self) -> None:
        self._connection.set_autocommit(False)
        with self._connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {int(1000 * IDLE_S)}")
            cursor.execute("SELECT 1")  # the moment that is read is this one


class Pieces:
    """Pieces that are made of a snapshot, which is closed after the last one, after a failure, and when nobody wants
    more of them, were it not a single one. Who closes it while another thread makes a piece waits for that piece."""

    def __init__(self, snapshot: Snapshot, pieces: Iterator[bytes]) -> None:
        self._snapshot, self._pieces = snapshot, pieces
        self._used = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._used:
            if self._closed:
                raise StopIteration
            try:
                return next(self._pieces)
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Django calls it when the answer is over."""
        with self._used:
            self._close()

    def _close(self) -> None:
        self._closed = True
        self._snapshot.close()
