"""Who writes for a person: the worker that last stored or judged their readings, and alone remembers them rightly.

A worker remembers people between batches. That is right as long as nobody else writes for them, which a table tells: a
row a person, with the key of a worker. Each transaction of a worker that goes by its memory holds a lock in the
worker's name, shared, and only then looks whether all that it is about are still its own. Who takes people over holds
the locks of those who wrote for them, exclusively: their transactions are over then, what they did is there to be
read, and whatever they begin waits, and finds those people taken.

All these locks are taken at the beginning of a transaction and in one order, so that nobody waits in a circle. They
end with the transaction or with the connection: who was killed holds nobody up.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from secrets import randbits
from typing import Final, TypeVar

from django.db import connection, transaction

LOCKS: Final = 0x7E1A_0005  # class of advisory locks
_MOST: Final = 1024  # locks; two workers may come to share one, and then only wait a little more
PATIENCE_MS: Final = 5000  # then whoever waits goes back to Kafka, which may know that the other is gone

_PATIENTLY: Final = "SET LOCAL lock_timeout = {patience};"
_AS_BEFORE: Final = "SET LOCAL lock_timeout TO DEFAULT"
_LOCK: Final = f"{_PATIENTLY} SELECT {{lock}}(%s, number) FROM unnest(%s::int[]) AS number; {_AS_BEFORE}"
_OTHERS: Final = """
SELECT p.id, w.writer FROM unnest(%s::bigint[]) AS p (id) LEFT JOIN ingestion_personwriter w ON w.user_id = p.id
 WHERE w.writer IS DISTINCT FROM %s
"""
_TAKE: Final = "UPDATE ingestion_personwriter SET writer = %s WHERE user_id = ANY (%s)"
_BEGIN: Final = f"""
{_PATIENTLY} INSERT INTO ingestion_personwriter (user_id, writer)
SELECT id, %s FROM devices_user WHERE id = ANY (%s) ORDER BY id FOR KEY SHARE ON CONFLICT DO NOTHING
"""  # in order, so that two of us never wait for each other in a circle; none of who was deleted meanwhile
T = TypeVar("T")


class _OthersWriteError(Exception):
    """People cannot be taken over yet: the locks of their writers must be held from the beginning."""

    def __init__(self, writers: Iterable[int]) -> None:
        self.writers = frozenset(writers)


class Writer:
    """One worker, by its key. All but `transact` is for inside a transaction; `take` for inside one of `transact`."""

    def __init__(self) -> None:
        self.key = randbits(62)
        self._held_off: frozenset[int] = frozenset()

    def transact(self, work: Callable[[], T]) -> T:
        """Do `work` in a transaction in which nobody takes people over from us. Where it takes some over itself, it may
        be undone and done once more. Raises OperationalError where somebody keeps us waiting for long."""
        held_off: frozenset[int] = frozenset()
        while True:
            try:
                with transaction.atomic(durable=True):
                    self._lock(held_off)
                    self._held_off = held_off
                    return work()
            except _OthersWriteError as others:
                held_off |= others.writers

    def others(self, people: Collection[int]) -> dict[int, int | None]:
        """Those of these people who are not ours, and who writes for each (None: nobody yet)."""
        if not people:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(_OTHERS, [list(people), self.key])
            return dict(cursor.fetchall())

    def take(self, others: Mapping[int, int | None]) -> set[int]:
        """Write for people who were not ours just now, from here on; those for whom somebody else did, who are to be
        forgotten."""
        taken = {user_id for user_id, writer in others.items() if writer is not None}
        self._must_hold_off(others.values())
        if taken:
            with connection.cursor() as cursor:
                cursor.execute(_TAKE, [self.key, list(taken)])
        self._begin(others.keys() - taken)
        return taken

    def _begin(self, new: Collection[int]) -> None:
        if not new:
            return
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN.format(patience=PATIENCE_MS), [self.key, list(new)])
            is_short = cursor.rowcount < len(new)
            cursor.execute(_AS_BEFORE)
        if is_short:  # somebody was faster, or they are gone
            self._must_hold_off(self.others(new).values())

    def not_ours(self, people: Collection[int]) -> set[int]:
        """Those of these people for whom we do not write. The others stay ours until this transaction, which need not
        be one of `transact`, is over."""
        if not people:
            return set()
        self._lock(frozenset())
        return set(self.others(people))

    def _must_hold_off(self, writers: Iterable[int | None]) -> None:
        missing = {writer for writer in writers if writer is not None} - self._held_off
        if missing:
            raise _OthersWriteError(missing)

    def _lock(self, held_off: frozenset[int]) -> None:
        """Shared, where there is nobody to hold off."""
        numbers = sorted({key % _MOST for key in (self.key, *held_off)})
        lock = "pg_advisory_xact_lock" if held_off else "pg_advisory_xact_lock_shared"
        with connection.cursor() as cursor:
            cursor.execute(_LOCK.format(patience=PATIENCE_MS, lock=lock), [LOCKS, numbers])
