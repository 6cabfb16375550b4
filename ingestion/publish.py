"""What leaves after a commit: news to the screens, alert changes to `biometrics-alerts`. A failure here fails nothing:
screens catch up from the database, and what the outbox still holds is swept."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.db.models import QuerySet

from alerts.models import OutboxEntry

log = structlog.get_logger(__name__)
KEPT_FOR: Final = timedelta(days=7)
SWEEP_AFTER: Final = timedelta(seconds=10)
FLUSH_S: Final = 10.0


class AlertPublisher:
    """Sends outbox entries; those the broker acknowledged are marked by `mark`."""

    def __init__(self, *, kafka: Mapping[str, str], topic: str) -> None:
        self._topic = topic
        self._acknowledged: list[int] = []
        config: dict[str, Any] = {
            **kafka,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 5,
            "delivery.timeout.ms": 30_000,
        }
        self._producer = Producer(config)

    def send(self, entries: Iterable[OutboxEntry]) -> None:
        """Hand entries to the broker without waiting; what can't be queued stays for the sweep."""
        for entry in entries:
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
        self._producer.poll(0)

    def mark(self, *, at: datetime, wait_s: float = 0.0) -> int:
        """Mark what was acknowledged, after waiting for it up to `wait_s`; how many entries that was."""
        if wait_s:
            self._producer.flush(wait_s)
        self._producer.poll(0)
        done, self._acknowledged = self._acknowledged, []
        if not done:
            return 0
        return OutboxEntry.objects.filter(pk__in=done, sent_at__isnull=True).update(sent_at=at)

    def _delivered(self, entry_id: int, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._acknowledged.append(entry_id)
        else:
            log.warning("outbox.not_delivered", error=str(error))


def unsent(*, before: datetime, most: int = 1000) -> QuerySet[OutboxEntry]:
    """Entries written before `before` that no broker acknowledged, oldest first."""
    return OutboxEntry.objects.filter(sent_at__isnull=True, created_at__lt=before).order_by("id")[:most]


def outbox_sweep(publisher: AlertPublisher, *, now: datetime) -> int:
    """Send what was left behind, and forget what was sent a week ago; how many were acknowledged."""
    publisher.send(unsent(before=now - SWEEP_AFTER))
    OutboxEntry.objects.filter(sent_at__lt=now - KEPT_FOR).delete()
    return publisher.mark(at=now, wait_s=FLUSH_S)
