"""Stretches of time that late readings touched and nobody has judged anew yet: one a person, in the database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
from django.db import connection

from alerts.stored_rows import piece_ends
from ingestion.models import LateStretch
from ingestion.stream.batch import Position

AT_ONCE: Final = 4  # people a transaction

_NOTE = """
INSERT INTO ingestion_latestretch AS l (user_id, cluster_id, topic, partition, since, until)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[])
    ON CONFLICT (user_id) DO UPDATE SET cluster_id = excluded.cluster_id, topic = excluded.topic,
       partition = excluded.partition, since = least(l.since, excluded.since), until = greatest(l.until, excluded.until)
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last late reading."""

    since: datetime
    until: datetime


def parts_of(spans: Mapping[int, Span]) -> Iterator[dict[int, Span]]:
    """These stretches cut into parts of which each person's readings may be held at once."""
    left = dict(spans)
    while left:
        ends = piece_ends({user_id: span.since for user_id, span in left.items()})
        ends = {user_id: at for user_id, at in ends.items() if at <= left[user_id].until}
        yield {user_id: Span(span.since, ends.get(user_id, span.until)) for user_id, span in left.items()}
        left = {user_id: Span(at, left[user_id].until) for user_id, at in ends.items()}


@dataclass(frozen=True, slots=True)
class Stretches:
    """Notes what a batch's late readings touch. `positions` says by which partition the readings of each `user_id` of
    the stream came; it is asked where there are late ones."""

    cluster_id: str
    positions: Callable[[], Mapping[str, Position]]

    def note(self, late: pl.DataFrame) -> dict[int, datetime]:
        """Remember the stretches of these readings, and say when each begins; inside the transaction that stored
        them."""
        spans = late.group_by("user_id").agg(
            pl.first("username"), pl.min("recorded_at").alias("since"), pl.max("recorded_at").alias("until")
        )
        people = spans.sort("user_id")
        positions = self.positions()
        places = [positions[name] for name in people["username"]]
        with connection.cursor() as cursor:
            cursor.execute(
                _NOTE,
                [
                    people["user_id"].to_list(),
                    [self.cluster_id] * len(places),
                    [place.topic for place in places],
                    [place.partition for place in places],
                    people["since"].to_list(),
                    people["until"].to_list(),
                ],
            )
        return dict(people.select("user_id", "since").iter_rows())


def stretches_take(*, cluster_id: str, positions: Iterable[Position], most: int = AT_ONCE) -> dict[int, Span]:
    """Take some stretches of people of these partitions off the list, the oldest first; inside the transaction that
    judges them. Those of another cluster are anybody's: it may be gone, as the embedded broker's is with each start."""
    ours = list(positions)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ingestion_latestretch WHERE user_id IN ("
            " SELECT user_id FROM ingestion_latestretch WHERE cluster_id <> %s"
            "     OR (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))"
            "  ORDER BY since LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING user_id, since, until",
            [cluster_id, [place.topic for place in ours], [place.partition for place in ours], most],
        )
        return {user_id: Span(since, until) for user_id, since, until in cursor.fetchall()}


def stretches_wait(*, topics: Iterable[str]) -> bool:
    """Whether some late readings of these topics are not judged yet."""
    return LateStretch.objects.filter(topic__in=list(topics)).exists()
