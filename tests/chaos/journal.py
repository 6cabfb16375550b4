"""Every step of the ledger, written down by a trigger: what a state at rest no longer shows."""

from dataclasses import dataclass

from django.db import connection

_INSTALL = """
CREATE TABLE IF NOT EXISTS chaos_journal (
    id bigserial, topic text, partition int, epoch bigint, before bigint, after bigint, at timestamptz DEFAULT now(),
    xact xid8 DEFAULT pg_current_xact_id());
CREATE OR REPLACE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_journal (topic, partition, epoch, before, after)
    VALUES (NEW.topic, NEW.partition, NEW.epoch, OLD.next_offset, NEW.next_offset);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_note AFTER UPDATE ON ingestion_partitionledger FOR EACH ROW
    WHEN (OLD.next_offset IS DISTINCT FROM NEW.next_offset) EXECUTE FUNCTION chaos_note();
"""
_REMOVE = """
DROP TRIGGER IF EXISTS chaos_note ON ingestion_partitionledger;
DROP FUNCTION IF EXISTS chaos_note;
DROP TABLE IF EXISTS chaos_journal;
"""


@dataclass(frozen=True, slots=True)
class Noted:
    """One committed step of a partition's ledger; `before` is None for its first."""

    partition: int
    epoch: int
    before: int | None
    after: int


def install() -> None:
    _execute(_INSTALL)


def remove() -> None:
    _execute(_REMOVE)


def steps(topic: str) -> list[Noted]:
    """The steps of a topic's partitions, in order of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT partition, epoch, before, after FROM chaos_journal WHERE topic = %s ORDER BY partition, id", [topic]
        )
        return [Noted(*row) for row in cursor.fetchall()]


def commits(topic: str) -> list[list[Noted]]:
    """The steps of a topic's partitions by transaction, in an order in which these may have come one after another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xact::text, partition, epoch, before, after FROM chaos_journal WHERE topic = %s ORDER BY id",
            [topic],
        )
        found: dict[str, list[Noted]] = {}
        for xact, *noted in cursor.fetchall():
            found.setdefault(xact, []).append(Noted(*noted))
        return list(found.values())


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
