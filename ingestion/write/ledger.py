"""The ledger: how far each partition is stored, who may store on, and the fence that holds all others off.

Claiming a partition raises its epoch; a batch commits only while the epoch is still the claimer's and the offset is
the expected one. A stopped owner that sits in a COPY is ended by its backend's pid, if that is still the same backend.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from ingestion.mishaps import mishap_note
from ingestion.models import OffsetGap, PartitionLedger, QuarantinedMessage
from ingestion.stream.batch import Position

LOCK_TIMEOUT_MS: Final = 2000
CLAIM_TRIES: Final = 5
log = structlog.get_logger(__name__)


class Fenced(Exception):  # noqa: N818  # a state of affairs, and the field's word for it
    """Another consumer has taken a partition of the batch, or stored on it: nothing may be written."""


class GroupConflict(Exception):  # noqa: N818  # as above
    """A consumer of another group owns the partition and is alive."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who stores: `name` is unique to the process, `cluster_id` names the broker whose offsets these are."""

    name: str
    group: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claimer holds: its epoch, and the next offset to store (None where nothing was ever stored)."""

    epoch: int
    next_offset: int | None


def claim(positions: Iterable[Position], *, owner: Owner) -> dict[Position, Claim]:
    """Make `owner` the one who stores these partitions; raises GroupConflict, or OperationalError after 5 tries."""
    ordered = sorted(positions)
    for attempt in range(CLAIM_TRIES):
        try:
            return _claim(ordered, owner)
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", None) != "55P03" or attempt == CLAIM_TRIES - 1:
                raise
            _end_owners(ordered, owner)
    raise AssertionError("unreachable")


def _claim(ordered: list[Position], owner: Owner) -> dict[Position, Claim]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        for position in ordered:
            _refuse_other_group(cursor, position, owner)
        return {position: _take(cursor, position, owner) for position in ordered}


def _refuse_other_group(cursor: CursorWrapper, position: Position, owner: Owner) -> None:
    cursor.execute(
        'SELECT "group", owner FROM ingestion_partitionledger l JOIN pg_stat_activity a'
        " ON a.pid = l.backend_pid AND a.backend_start = l.backend_start"
        ' WHERE cluster_id = %s AND topic = %s AND partition = %s AND "group" <> %s AND a.pid <> pg_backend_pid()',
        [owner.cluster_id, *position, owner.group],
    )
    if (row := cursor.fetchone()) is not None:
        raise GroupConflict(
            f"{position.topic}[{position.partition}] is stored by {row[1]} of group {row[0]!r}, which is alive. "
            f"One group only may store a topic: stop it, or start this one with --group {row[0]}."
        )


def _take(cursor: CursorWrapper, position: Position, owner: Owner) -> Claim:
    cursor.execute(
        'INSERT INTO ingestion_partitionledger AS l (cluster_id, topic, partition, next_offset, epoch, owner, "group",'
        " backend_pid, backend_start, updated_at)"
        " SELECT %s, %s, %s, NULL, 1, %s, %s, pid, backend_start, now() FROM pg_stat_activity"
        " WHERE pid = pg_backend_pid()"
        " ON CONFLICT (cluster_id, topic, partition) DO UPDATE SET epoch = l.epoch + 1, owner = excluded.owner,"
        ' "group" = excluded."group", backend_pid = excluded.backend_pid, backend_start = excluded.backend_start,'
        " updated_at = now() RETURNING epoch, next_offset",
        [owner.cluster_id, *position, owner.name, owner.group],
    )
    epoch, next_offset = cursor.fetchone()
    return Claim(epoch, next_offset)


def _end_owners(ordered: list[Position], owner: Owner) -> None:
    """End the backends that hold the rows, if each is still the one that the ledger names."""
    with connection.cursor() as cursor:
        for position in ordered:
            cursor.execute(
                "SELECT pg_terminate_backend(a.pid), a.pid FROM ingestion_partitionledger l JOIN pg_stat_activity a"
                " ON a.pid = l.backend_pid AND a.backend_start = l.backend_start"
                " WHERE cluster_id = %s AND topic = %s AND partition = %s AND a.pid <> pg_backend_pid()",
                [owner.cluster_id, *position],
            )
            for _, pid in cursor.fetchall():
                log.warning("ledger.owner_ended", topic=position.topic, partition=position.partition, backend=pid)
    time.sleep(0.1)


def begin(position: Position, offset: int, *, epoch: int, owner: Owner) -> None:
    """Write where a partition that was never stored begins; raises Fenced where it is not ours any more."""
    rows = PartitionLedger.objects.filter(
        cluster_id=owner.cluster_id, topic=position.topic, partition=position.partition, epoch=epoch
    )
    if not rows.update(next_offset=offset):
        raise Fenced(f"{position.topic}[{position.partition}]")


def fence(first: Mapping[Position, int], claims: Mapping[Position, Claim], *, owner: Owner) -> None:
    """Lock the ledger rows of a batch, in order; raises Fenced unless every one is still ours and where we left it."""
    wanted = sorted(first)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT topic, partition, epoch, next_offset FROM ingestion_partitionledger"
            " WHERE cluster_id = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))"
            " ORDER BY topic, partition FOR UPDATE",
            [owner.cluster_id, [p.topic for p in wanted], [p.partition for p in wanted]],
        )
        held = {Position(topic, partition): (epoch, offset) for topic, partition, epoch, offset in cursor.fetchall()}
    for position in wanted:
        epoch, offset = held.get(position, (None, None))
        known = claims.get(position)
        if known is None or epoch != known.epoch or offset != first[position]:
            raise Fenced(f"{position.topic}[{position.partition}]: epoch {epoch}, next offset {offset}")


def advance(after: Mapping[Position, int], *, owner: Owner) -> None:
    """Write how far the batch stored; after `fence`, in the same transaction."""
    ordered = sorted(after)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ingestion_partitionledger l SET next_offset = v.next, updated_at = now(),"
            " backend_pid = a.pid, backend_start = a.backend_start"
            " FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS v (topic, partition, next),"
            " (SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid())) AS a"
            " WHERE l.cluster_id = %s AND l.topic = v.topic AND l.partition = v.partition",
            [[p.topic for p in ordered], [p.partition for p in ordered], [after[p] for p in ordered], owner.cluster_id],
        )


def next_offsets(*, cluster_id: str, topics: Iterable[str]) -> dict[Position, int]:
    """How far each partition of `topics` is stored; partitions that were never stored are missing."""
    rows = PartitionLedger.objects.filter(cluster_id=cluster_id, topic__in=list(topics))
    return {Position(row.topic, row.partition): row.next_offset for row in rows if row.next_offset is not None}


def made_anew(positions: Iterable[Position], *, ids: Mapping[str, str], owner: Owner) -> set[Position]:
    """Those that were stored of a topic with another id than the broker knows it by now. Where none is noted yet, it
    is noted; where one changed, `record_gap` does that."""
    rows = PartitionLedger.objects.filter(cluster_id=owner.cluster_id, topic__in=ids, owner=owner.name)
    wanted, anew = set(positions), set()
    for row in rows:
        position = Position(row.topic, row.partition)
        if position in wanted and row.topic_id not in ("", ids[row.topic]) and row.next_offset is not None:
            anew.add(position)
    for topic, topic_id in ids.items():
        rows.filter(Q(topic_id="") | Q(next_offset=None), topic=topic).update(topic_id=topic_id)
    return anew


def record_gap(position: Position, *, expected: int, found: int, topic_id: str | None, owner: Owner) -> None:
    """Remember that [expected, found) was never seen, and go on from `found`.

    `topic_id` is that of a topic made anew, empty where it is not known: what is in quarantine of the old one no longer
    stands at coordinates of this broker's. It is None where records of the same topic were deleted.
    """
    now = timezone.now()
    is_anew = topic_id is not None
    reason = "topic_anew" if is_anew else "retention"
    of_partition = {"cluster_id": owner.cluster_id, "topic": position.topic, "partition": position.partition}
    with transaction.atomic():
        _, is_new = OffsetGap.objects.get_or_create(
            **of_partition, expected=expected, found=found, defaults={"reason": reason, "noticed_at": now}
        )
        if is_new:
            mishap_note(event="offset_gap", at=now, text=_lost(position, expected, found, reason))
        changed: dict[str, Any] = {"topic_id": topic_id} if is_anew else {}
        PartitionLedger.objects.filter(**of_partition, owner=owner.name).update(next_offset=found, **changed)
        if is_anew:
            former = f"{owner.cluster_id[:40]} until {now:%Y-%m-%dT%H:%M:%S}"
            QuarantinedMessage.objects.filter(**of_partition).update(cluster_id=former)


def _lost(position: Position, expected: int, found: int, reason: str) -> str:
    where = f"{position.topic}[{position.partition}]"
    if reason == "topic_anew":
        return f"{where} was made anew: it was read up to {expected:,}, and begins at {found:,} again."
    return f"{found - expected:,} messages of {where} were gone before they were read, from {expected:,} on."
