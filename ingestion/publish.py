"""What leaves for Kafka after a commit: alert changes to `biometrics-alerts`, copies of what was refused to
`biometrics-dead-letter`. A failure here fails nothing: what the outbox still holds is swept, and the quarantine is what
counts of the refused.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings
from django.db.models import QuerySet

from alerts.models import OutboxEntry
from devices.failpoints import reach
from devices.times import rfc3339
from ingestion.models import QuarantinedMessage
from ingestion.producer import quiet, report_error

log = structlog.get_logger(__name__)
KEPT_FOR: Final = timedelta(days=7)
SWEEP_AFTER: Final = timedelta(seconds=10)
FLUSH_S: Final = 10.0


class AlertPublisher:
    """Sends outbox entries; those the broker acknowledged are marked by `mark`."""

    def __init__(self, *, kafka: Mapping[str, str], topic: str, dead_letter_topic: str) -> None:
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._acknowledged: list[int] = []
        config: dict[str, Any] = {
            **kafka,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 5,
            "delivery.timeout.ms": 30_000,
            "reconnect.backoff.max.ms": 5_000,
            "error_cb": report_error,
            "logger": quiet(),
        }
        self._producer = Producer(config)

    def send(self, entries: Iterable[OutboxEntry]) -> None:
        """Hand entries to the broker without waiting; what can't be queued stays for the sweep."""
        for entry in entries:
            reach("outbox_before_send")
            try:
                self._producer.produce(
                    self._topic,
                    key=entry.key.encode(),
                    value=msgspec.json.encode(entry.payload),
                    on_delivery=partial(self._delivered, entry.pk),
                )
            except (BufferError, KafkaException) as error:
                log.warning("outbox.not_queued", error=str(error))
                return
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

    def mark(self, *, at: datetime, wait_s: float = 0.0) -> int:
        """Mark what was acknowledged, after waiting for it up to `wait_s`; how many entries that was."""
        if wait_s:
            self._producer.flush(wait_s)
        self._producer.poll(0)
        done, self._acknowledged = self._acknowledged, []
        if not done:
            return 0
        reach("outbox_before_mark")
        marked = OutboxEntry.objects.filter(pk__in=done, sent_at__isnull=True).update(sent_at=at)
        reach("outbox_after_mark")
        return marked

    def _delivered(self, entry_id: int, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._acknowledged.append(entry_id)
        else:
            log.warning("outbox.not_delivered", error=str(error))


def _report(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
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


def unsent(*, before: datetime, most: int = 1000) -> QuerySet[OutboxEntry]:
    """Entries written before `before` that no broker acknowledged, oldest first."""
    return OutboxEntry.objects.filter(sent_at__isnull=True, created_at__lt=before).order_by("id")[:most]


def outbox_sweep(publisher: AlertPublisher, *, now: datetime) -> int:
    """Send what was left behind, and forget what was sent a week ago; how many were acknowledged."""
    publisher.send(unsent(before=now - SWEEP_AFTER))
    OutboxEntry.objects.filter(sent_at__lt=now - KEPT_FOR).delete()
    return publisher.mark(at=now, wait_s=FLUSH_S)


def publisher_make() -> AlertPublisher:
    """The publisher of the settings' broker and topics."""
    return AlertPublisher(
        kafka=settings.KAFKA,
        topic=settings.TELARA_TOPIC_ALERTS,
        dead_letter_topic=settings.TELARA_TOPIC_DEAD_LETTER,
    )
