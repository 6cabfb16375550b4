"""Producers as the settings want them: the shell around `ingestion.send.producer`."""

from collections.abc import Callable, Mapping
from threading import Lock
from types import MappingProxyType
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from ingestion.send.headroom import MAX_MESSAGES, Headroom
from ingestion.send.producer import BOUNDED, Producer
from ingestion.send.topics import partitions_of
from ingestion.write.ledger import next_offsets

log = structlog.get_logger(__name__)
LOOK_TIMEOUT_S = 5.0
_lock = Lock()
_made: list[Producer] = []


def producer_make(
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_wait: Callable[[], None] | None = None,
    limits: Mapping[str, Any] = MappingProxyType({}),
    most: int = MAX_MESSAGES,
) -> Producer:
    """A producer on the broker of the settings; on the embedded one it keeps within `most` messages of the ledger."""
    headroom = _headroom(settings.TELARA_TOPIC_RAW, most) if settings.TELARA_KAFKA_EMBEDDED else None
    if on_wait is None:
        return Producer(settings.KAFKA, headroom=headroom, stopping=stopping, limits=limits)
    return Producer(settings.KAFKA, headroom=headroom, stopping=stopping, on_wait=on_wait, limits=limits)


def web_producer() -> Producer:
    """The one producer of a web process, made when it is first needed: after any fork. Raises KafkaException."""
    with _lock:
        if not _made:
            _made.append(producer_make(limits=BOUNDED))
        return _made[0]


def _headroom(topic: str, most: int) -> Headroom:
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

    return Headroom(topic, partitions=partitions, ends=ends, stored=lambda: _stored(topic), most=most)


def _stored(topic: str) -> dict[int, int]:
    """Of the ledger; nothing while the database is away, so that senders wait."""
    try:
        offsets = next_offsets(cluster_id=settings.TELARA_KAFKA_CLUSTER_ID, topics={topic})
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("database.away", error=str(error).strip().split("\n")[0])
        return {}
    return {position.partition: offset for position, offset in offsets.items()}
