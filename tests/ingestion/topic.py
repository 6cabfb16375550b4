"""A topic as a test sees it: what lies in it, partition by partition, each in its order."""

from dataclasses import dataclass
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from django.conf import settings


@dataclass(frozen=True)
class Got:
    """A message: its partition, key, value and headers."""

    partition: int
    key: bytes | None
    value: bytes
    headers: dict[str, str]


def messages_of(topic: str) -> list[Got]:
    """Everything that the topic holds."""
    consumer = Consumer({**settings.KAFKA, "group.id": str(uuid4()), "enable.partition.eof": True})
    try:
        numbers = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        got, left = [], set(numbers)
        while left:
            message = consumer.poll(10)
            assert message is not None, "the broker does not answer"
            error = message.error()
            if error is None:
                got.append(_got(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
        return sorted(got, key=lambda each: each.partition)  # what comes first of several is chance
    finally:
        consumer.close()


def _got(message: Message) -> Got:
    partition, value = message.partition(), message.value()
    assert partition is not None
    assert value is not None or message.len() == 0
    headers = {name: (said or b"").decode() for name, said in message.headers() or []}
    return Got(partition, message.key(), value or b"", headers)
