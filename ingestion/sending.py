"""Producers as the settings want them: the shell around `ingestion.producer`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from ingestion.headroom import Headroom
from ingestion.ledger import next_offsets
from ingestion.producer import Producer
from ingestion.topics import partitions_of

log = structlog.get_logger(__name__)
LOOK_TIMEOUT_S = 5.0


def producer_make(
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_wait: Callable[[], None] | None = None,
    limits: Mapping[str, Any] = MappingProxyType({}),
) -> Producer:
    """A producer on the broker of the settings; on the embedded one it keeps within reach of the ledger."""
    headroom = _headroom(settings.TELARA_TOPIC_RAW) if settings.TELARA_KAFKA_EMBEDDED else None
    if on_wait is None:
        return Producer(settings.KAFKA, headroom=headroom, stopping=stopping, limits=limits)
    return Producer(settings.KAFKA, headroom=headroom, stopping=stopping, on_wait=on_wait, limits=limits)


def _headroom(topic: str) -> Headroom:
    """Watches the embedded broker through a consumer that joins no group."""
    watcher = Consumer({**settings.KAFKA, "group.id": "telara-headroom", "enable.auto.commit": False})
    partitions = partitions_of(settings.KAFKA, topic)
    last: dict[int, int] = {}

    def ends() -> dict[int, int]:
        try:
            for number in range(partitions):
                last[number] = watcher.get_watermark_offsets(TopicPartition(topic, number), LOOK_TIMEOUT_S)[1]
        except KafkaException as error:
            log.warning("kafka.error", error=str(error))
        return last

    return Headroom(topic, partitions=partitions, ends=ends, stored=lambda: _stored(topic))


def _stored(topic: str) -> dict[int, int]:
    """Of the ledger; nothing while the database is away, so that senders wait."""
    try:
        offsets = next_offsets(cluster_id=settings.TELARA_KAFKA_CLUSTER_ID, topics={topic})
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("database.away", error=str(error).strip().split("\n")[0])
        return {}
    return {position.partition: offset for position, offset in offsets.items()}
