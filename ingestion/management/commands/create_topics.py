"""`manage.py create_topics`: the topics of Telara, with their partitions."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ingestion.management.explained import explained
from ingestion.send.topics import Topic, topics_create, topics_touch


class Command(BaseCommand):
    help = "Make the topics that are missing (the embedded broker makes its own, with four partitions)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        with explained():
            topics = self._topics((settings.TELARA_TOPIC_ALERTS, settings.TELARA_TOPIC_DEAD_LETTER))
        for topic in topics:
            state = "made" if topic.made else "there"
            self.stdout.write(f"{topic.name}: {topic.partitions} partitions, {state}")

    def _topics(self, others: tuple[str, ...]) -> list[Topic]:
        if settings.TELARA_KAFKA_EMBEDDED:
            return topics_touch(kafka=settings.KAFKA, names=(settings.TELARA_TOPIC_RAW, *others))
        return topics_create(
            kafka=settings.KAFKA,
            raw=settings.TELARA_TOPIC_RAW,
            others=others,
            partitions=settings.TELARA_KAFKA_PARTITIONS,
            replication=settings.TELARA_KAFKA_REPLICATION,
        )
