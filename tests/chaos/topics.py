"""What happens to a topic behind a consumer's back."""

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from django.conf import settings

from tests.chaos.stage import Stage, ends, is_answered_for
from tests.ingestion.running import until


def delete_before(topic: str, offset: int) -> None:
    """What retention does, in every partition that is that long."""
    wanted = [TopicPartition(topic, number, min(offset, end)) for number, end in ends(topic).items()]
    admin = AdminClient(dict(settings.KAFKA))  # held: with it go the answers that it waits for
    for future in admin.delete_records(wanted).values():
        future.result(10)


def delete(topic: str) -> None:
    admin = AdminClient(dict(settings.KAFKA))
    admin.delete_topics([topic])[topic].result(10)
    until(lambda: topic not in admin.list_topics(timeout=10).topics, within_s=20)


def make_anew(stage: Stage) -> None:
    """The topic is deleted, with all that was acknowledged and not stored, and made again."""
    delete(stage.topic)
    admin = AdminClient(dict(settings.KAFKA))
    admin.create_topics([NewTopic(stage.topic, stage.partitions, 1)])[stage.topic].result(10)
    until(lambda: is_answered_for(stage.topic), within_s=20)  # who sends before may send again what is there


def add_partitions(stage: Stage, count: int) -> None:
    stage.partitions = count
    admin = AdminClient(dict(settings.KAFKA))
    admin.create_partitions([NewPartitions(stage.topic, count)])[stage.topic].result(10)
    until(lambda: len(admin.list_topics(stage.topic, timeout=10).topics[stage.topic].partitions) == count, within_s=20)
