"""Topics: made with their partitions where the broker makes any, or brought into being by asking for them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as KafkaProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

TIMEOUT_S: Final = 10.0
# The broker's time of receipt, not the sender's clock, is what readings are judged by.
RAW_CONFIG: Final = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker has it; `made` says whether we have just made it."""

    name: str
    partitions: int
    made: bool = False


def topics_create(
    *, kafka: Mapping[str, str], raw: str, others: Sequence[str], partitions: int, replication: int
) -> list[Topic]:
    """Make those that are missing and leave the others as they are. Raises KafkaException."""
    names = (raw, *others)
    wanted = [NewTopic(name, partitions, replication, config=dict(RAW_CONFIG) if name == raw else {}) for name in names]
    made = set()
    admin = AdminClient(dict(kafka))  # held: without it the answers never come
    for name, future in admin.create_topics(wanted, operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S).items():
        try:
            future.result()
            made.add(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return [Topic(name, partitions_of(kafka, name), made=name in made) for name in names]


def topics_touch(*, kafka: Mapping[str, str], names: Sequence[str]) -> list[Topic]:
    """Bring topics into being on a broker that makes them on first use, as the embedded one does."""
    return [Topic(name, partitions_of(kafka, name)) for name in names]


def topics_missing(*, kafka: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Those that the broker does not have; asking brings none into being. Raises KafkaException."""
    there = AdminClient(dict(kafka)).list_topics(timeout=TIMEOUT_S).topics
    return [name for name in names if name not in there]


def partitions_of(kafka: Mapping[str, str], topic: str) -> int:
    """How many it has, once each has a leader. Raises KafkaException when that is not so within 10 s."""
    client = KafkaProducer(dict(kafka))
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found = client.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        if found.error is None and found.partitions and all(p.leader >= 0 for p in found.partitions.values()):
            return len(found.partitions)
        if time.monotonic() > deadline:
            raise KafkaException(found.error or KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
        time.sleep(0.1)
