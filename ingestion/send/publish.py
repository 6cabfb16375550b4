"""What leaves for Kafka after a commit: alert changes to `biometrics-alerts`, copies of what was refused to
`biometrics-dead-letter`. A failure here fails nothing: what the outbox still holds is swept, and the quarantine is what
counts of the refused.

At least once: an entry is marked when the broker has acknowledged it, and sent again while it is not. Whoever reads the
topic takes (alert_id, revision), which headers and payload name, for one message however often it comes, and of one
alert the greatest revision: what a person decided may leave after what the engine found later.
"""

import base64
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings
from django.db import connection

from alerts.models import OutboxEntry
from devices.failpoints import reach
from devices.times import rfc3339
from ingestion.models import QuarantinedMessage
from ingestion.send.producer import is_there, quiet, report_error

log = structlog.get_logger(__name__)
KEPT_FOR: Final = timedelta(days=7)
SWEEP_AFTER: Final = timedelta(seconds=10)
SWEEP_S: Final = 3.0  # a sweep; the next one goes on from there
AT_ONCE: Final = 1_000  # entries on their way to the broker
QUEUE_KIB: Final = 16 * 1024

# Rows that another one is marking at this moment are theirs: nobody ever waits for anybody.
_MARK: Final = """
UPDATE alerts_outboxentry SET sent_at = %s WHERE id IN (
    SELECT id FROM alerts_outboxentry WHERE id = ANY(%s) AND sent_at IS NULL FOR UPDATE SKIP LOCKED)
"""
_FORGET: Final = """
DELETE FROM alerts_outboxentry WHERE id IN (
    SELECT id FROM (SELECT id, sent_at FROM alerts_outboxentry ORDER BY id LIMIT %s) AS oldest WHERE sent_at < %s)
"""


class AlertPublisher:
    """Sends outbox entries, each once while it is on its way; those the broker acknowledged are marked by `mark`.

    `flying` are the keys of those that the broker has not answered for.
    """

    def __init__(self, *, kafka: Mapping[str, str], topic: str, dead_letter_topic: str) -> None:
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._acknowledged: list[int] = []
        self.flying: set[int] = set()
        config: dict[str, Any] = {
            **kafka,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 5,
            "delivery.timeout.ms": 30_000,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            "reconnect.backoff.max.ms": 5_000,
            "error_cb": report_error,
            "logger": quiet(),
        }
        self._producer = Producer(config)

    def send(self, entries: Iterable[OutboxEntry]) -> None:
        """Hand entries to the broker without waiting; what can't be queued stays for the sweep."""
        for entry in entries:
            if entry.pk in self.flying:
                continue
            reach("outbox_before_send")
            try:
                self._produce(entry)
            except (BufferError, KafkaException) as error:
                log.warning("outbox.not_queued", error=str(error))
                return
            self.flying.add(entry.pk)
            reach("outbox_after_send")
        self._producer.poll(0)

    def send_dead_letters(self, rows: Iterable[QuarantinedMessage]) -> None:
        """Copy refused messages to the dead-letter topic, under their own keys, without waiting."""
        for row in rows:
            try:
                self._producer.produce(
                    self._dead_letter_topic,
                    key=bytes(row.key) or None,
                    value=msgspec.json.encode(dead_letter_json(row)),
                    on_delivery=_report,
                )
            except (BufferError, KafkaException) as error:
                log.warning("dead_letter.not_queued", error=str(error))
                return
        self._producer.poll(0)

    def has_room(self) -> bool:
        """Whether a sweep may add to what is on its way."""
        return len(self.flying) < AT_ONCE

    def mark(self, *, at: datetime, wait_s: float = 0.0) -> int:
        """Mark what was acknowledged, after waiting for it up to `wait_s`; how many entries that was."""
        if wait_s:
            self.flush(wait_s)
        self._producer.poll(0)
        done = len(self._acknowledged)
        if not done:
            return 0
        reach("outbox_before_mark")
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [at, self._acknowledged[:done]])
            marked: int = cursor.rowcount
        del self._acknowledged[:done]  # not before: the database may be away
        reach("outbox_after_mark")
        return marked

    def flush(self, wait_s: float) -> None:
        """Wait until the broker has answered for all that is on its way, at most so many seconds."""
        self._producer.flush(wait_s)

    def _produce(self, entry: OutboxEntry) -> None:
        self._producer.produce(
            self._topic,
            key=entry.key.encode(),
            value=msgspec.json.encode(entry.payload),
            headers={"alert_id": str(entry.alert_id).encode(), "revision": str(entry.revision).encode()},
            on_delivery=partial(self._delivered, entry.pk),
        )

    def _delivered(self, entry_id: int, error: KafkaError | None, message: Message) -> None:
        self.flying.discard(entry_id)
        if is_there(error, message):
            self._acknowledged.append(entry_id)
        else:
            log.warning("outbox.not_delivered", error=str(error))


def _report(error: KafkaError | None, message: Message) -> None:
    if not is_there(error, message):
        log.warning("dead_letter.not_delivered", error=str(error))


def dead_letter_json(row: QuarantinedMessage) -> dict[str, Any]:
    """A refused message with its reason and coordinates; its first bytes in base64, since they may be anything."""
    return {
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "reason": row.reason,
        "field": row.field,
        "received_at": rfc3339(row.received_at),
        "size": row.size,
        "payload_base64": base64.b64encode(bytes(row.payload)).decode(),
    }


def unsent(*, before: datetime, after: int = 0, most: int = AT_ONCE) -> list[OutboxEntry]:
    """Entries written before `before` that no broker acknowledged, oldest first: the revisions of an alert in order.

    `after` is the key of an entry: only those behind it.
    """
    rows = OutboxEntry.objects.filter(sent_at__isnull=True, created_at__lt=before, pk__gt=after)
    return list(rows.order_by("id")[:most])


def outbox_sweep(publisher: AlertPublisher, *, now: datetime, seconds: float = SWEEP_S) -> int:
    """Send what was left behind, and forget some of what was sent a week ago; how many were acknowledged.

    A thousand after the other for so many seconds; it stops where the broker does not take them. Two at once do no
    more harm than to send some twice.
    """
    ends, last, marked = time.monotonic() + seconds, 0, publisher.mark(at=now)
    while (left := ends - time.monotonic()) > 0:
        entries = unsent(before=now - SWEEP_AFTER, after=last) if publisher.has_room() else []
        publisher.send(entries)
        marked += publisher.mark(at=now, wait_s=left)
        if len(entries) < AT_ONCE:
            break
        last = entries[-1].pk
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [AT_ONCE, now - KEPT_FOR])
    return marked


def publisher_make() -> AlertPublisher:
    """The publisher of the settings' broker and topics."""
    return AlertPublisher(
        kafka=settings.KAFKA,
        topic=settings.TELARA_TOPIC_ALERTS,
        dead_letter_topic=settings.TELARA_TOPIC_DEAD_LETTER,
    )
