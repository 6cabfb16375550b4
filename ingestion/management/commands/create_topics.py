"""`manage.py create_topics`: the topics of Telara, with their partitions."""

from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingestion.topics import topics_create, topics_touch


class Command(BaseCommand):
    help = "Make the topics that are missing (the embedded broker makes its own, with four partitions)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        others = (settings.TELARA_TOPIC_ALERTS, settings.TELARA_TOPIC_DEAD_LETTER)
        try:
            if settings.TELARA_KAFKA_EMBEDDED:
                topics = topics_touch(kafka=settings.KAFKA, names=(settings.TELARA_TOPIC_RAW, *others))
            else:
                topics = topics_create(
                    kafka=settings.KAFKA,
                    raw=settings.TELARA_TOPIC_RAW,
                    others=others,
                    partitions=settings.TELARA_KAFKA_PARTITIONS,
                    replication=settings.TELARA_KAFKA_REPLICATION,
                )
        except KafkaException as error:
            raise CommandError(f"The broker at {settings.KAFKA['bootstrap.servers']}: {error.args[0].str()}") from error
        for topic in topics:
            state = "made" if topic.made else "there"
            self.stdout.write(f"{topic.name}: {topic.partitions} partitions, {state}")
