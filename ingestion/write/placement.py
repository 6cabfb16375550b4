"""By which partition each person's readings come, and who has moved to another one.

Every message of a person must come by one partition: order, and the consumer's memory, go by it. Small batches are all
looked at, of large ones one every few seconds, so that it costs next to nothing while there is much to do; who has
moved stays where they are now, and is seen with the next look.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl
from django.db import connection, transaction

from devices.times import is_due
from ingestion.mishaps import mishap_note
from ingestion.stream.batch import Batch, Position

SMALL: Final = 1_000  # messages of a batch
LOOK_EVERY: Final = timedelta(seconds=5)
SETTLE_EVERY: Final = timedelta(seconds=1)
# Of a person who comes by the partitions of two consumers in turn, each learns from the other's row.
REMEMBERED_FOR: Final = timedelta(minutes=5)
TOLD_EVERY: Final = timedelta(minutes=1)
NAMED: Final = 5  # people, in what is said of many

_KNOWN: Final = """
SELECT p.topic, p.user_id, p.partition FROM ingestion_placement p
JOIN unnest(%s::text[], %s::text[]) AS w (topic, user_id) USING (topic, user_id) WHERE p.cluster_id = %s
"""
_PLACE: Final = """
INSERT INTO ingestion_placement (cluster_id, topic, user_id, partition)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::int[])
ON CONFLICT (cluster_id, topic, user_id) DO UPDATE SET partition = excluded.partition
"""
Who = tuple[str, str]  # topic, and user_id of the stream


@dataclass(slots=True)
class Placement:
    """What one consumer knows of where people are. `look` asks no database, `settle` does."""

    cluster_id: str
    _known: dict[Who, int] = field(default_factory=dict)
    _waiting: dict[Who, list[int]] = field(default_factory=dict)
    _told: dict[Who, datetime] = field(default_factory=dict)
    _looked_at: datetime | None = None
    _settled_at: datetime | None = None
    _forgot_at: datetime | None = None

    def look(self, batch: Batch, readings: pl.DataFrame, *, now: datetime) -> None:
        """See by which partitions the people of a batch came; of `readings` it takes `username` and `message`."""
        if len(batch) > SMALL and not is_due(self._looked_at, every=LOOK_EVERY, now=now):
            return
        self._looked_at = now
        self._forget(now)
        ends = readings.group_by("username", maintain_order=True).agg(
            pl.first("message").alias("first"), pl.last("message").alias("last")
        )
        for name, first, last in ends.iter_rows():
            self._came(name, batch.origins[first].position)
            if last != first:
                self._came(name, batch.origins[last].position)

    def _came(self, name: str, position: Position) -> None:
        who, partition = (position.topic, name), position.partition
        waiting = self._waiting.get(who)
        if (waiting[-1] if waiting else self._known.get(who)) != partition:
            self._waiting.setdefault(who, []).append(partition)

    def settle(self, *, now: datetime) -> None:
        """Remember who is new, and note who has moved; raises database errors, and then does it again."""
        if not self._waiting or not is_due(self._settled_at, every=SETTLE_EVERY, now=now):
            return
        self._settled_at = now
        with transaction.atomic():
            known = self._known | self._stored(who for who in self._waiting if who not in self._known)
            moved = {who: move for who, seen in self._waiting.items() if (move := _move(known.get(who), seen))}
            news = {who: move for who, move in moved.items() if who not in self._told}
            self._place({who: seen[-1] for who, seen in self._waiting.items() if who not in known or who in news})
            if news:
                mishap_note(event="split_person", at=now, text=_said(news), count=len(news))
        self._known = known | {who: seen[-1] for who, seen in self._waiting.items()}
        self._told |= dict.fromkeys(news, now)
        self._waiting.clear()

    def _forget(self, now: datetime) -> None:
        if is_due(self._forgot_at, every=REMEMBERED_FOR, now=now):
            self._forgot_at = now
            self._known.clear()
        self._told = {who: at for who, at in self._told.items() if not is_due(at, every=TOLD_EVERY, now=now)}

    def _stored(self, people: Iterable[Who]) -> dict[Who, int]:
        wanted = list(people)
        if not wanted:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(_KNOWN, [[topic for topic, _ in wanted], [name for _, name in wanted], self.cluster_id])
            return {(topic, name): partition for topic, name, partition in cursor.fetchall()}

    def _place(self, placed: dict[Who, int]) -> None:
        """In order, so that two consumers cannot wait for each other in a circle."""
        if not placed:
            return
        people = sorted(placed)
        with connection.cursor() as cursor:
            topics, names = [topic for topic, _ in people], [name for _, name in people]
            cursor.execute(_PLACE, [self.cluster_id, topics, names, [placed[who] for who in people]])


def _move(known: int | None, seen: list[int]) -> tuple[int, int] | None:
    """From which partition to which; None where it is one and the same. `seen` are those of the readings, in order."""
    before = seen[0] if known is None else known
    after = next((partition for partition in reversed(seen) if partition != before), None)
    return None if after is None else (before, after)


def _said(moved: dict[Who, tuple[int, int]]) -> str:
    """`user_001 came by partition 3 of biometrics-raw, before by 0.`"""
    if len(moved) == 1:
        (((topic, name), (before, now)),) = moved.items()
        return f"{name} came by partition {now} of {topic}, before by {before}."
    named = ", ".join(f"{name} ({before}, now {now})" for (_, name), (before, now) in sorted(moved.items())[:NAMED])
    among = " among them" if len(moved) > NAMED else ""
    return f"{len(moved):,} people came by another partition than before: {named}{among}."
