"""The stream worker: Kafka in, readings and alerts into PostgreSQL, news to the screens."""

import gc
import os
import socket
import sys
import uuid
from argparse import ArgumentParser
from typing import Any

import structlog
from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devices.failpoints import armed
from ingestion.management.stopping import Stopping
from ingestion.send.topics import topics_missing
from ingestion.stream.consumer import DATABASE_ERRORS
from ingestion.stream.memory import memory_keep
from ingestion.stream.worker import Service, service_of
from ingestion.write.ledger import GroupConflict

log = structlog.get_logger(__name__)
LONGEST_WAIT_S = 5.0
# A batch is tens of thousands of short-lived messages: at the usual thresholds a third of the time goes into the
# collector, which finds nothing, because none of them is part of a cycle.
GC_THRESHOLD = (100_000, 20, 20)
SWITCH_S = 0.0005  # of two threads each waits for the other at every turn, by default for ten times as long


class Command(BaseCommand):
    help = "Consume biometrics-raw: store readings, detect, alert. Start as many as there are partitions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--topics", nargs="+", default=[settings.TELARA_TOPIC_RAW])
        parser.add_argument("--group", default=settings.TELARA_KAFKA_GROUP)
        parser.add_argument("--from", dest="start", choices=["earliest", "latest"], default="earliest")
        parser.add_argument("--until-caught-up", action="store_true", help="Exit 0 once everything sent is stored.")
        parser.add_argument("--engine", choices=["telara"], default="telara")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["group"]:
            raise CommandError("The group has no name: --group, or TELARA_KAFKA_GROUP.")
        try:
            armed()
        except ValueError as error:
            raise CommandError(str(error)) from None
        stopping = Stopping()
        stopping.listen()
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            service = self._start(name, options, stopping)
            if service is None:
                return
            self._run(service, stopping, until_caught_up=options["until_caught_up"])
        except GroupConflict as conflict:
            raise CommandError(str(conflict)) from None
        finally:
            stopping.end()

    def _start(self, name: str, options: dict[str, Any], stopping: Stopping) -> Service | None:
        """The service, once the broker and the database answer; None if told to stop before."""
        backoff, looked = 0.5, settings.TELARA_KAFKA_EMBEDDED  # the embedded broker makes topics on first use
        while not stopping:
            try:
                if not looked:
                    self._look_for_topics(options["topics"], until_caught_up=options["until_caught_up"])
                    looked = True
                return service_of(
                    name=name,
                    topics=tuple(options["topics"]),
                    group=options["group"],
                    start=options["start"],
                    now=timezone.now,
                    stopping=stopping.__bool__,
                )
            except KafkaException as error:
                where = settings.KAFKA["bootstrap.servers"]
                log.warning("kafka.away", bootstrap_servers=where, error=str(error), retry_in_s=backoff)
            except DATABASE_ERRORS as error:
                log.warning("database.away", error=str(error).strip().split("\n")[0], retry_in_s=backoff)
            stopping.wait(backoff)
            backoff = min(backoff * 2, LONGEST_WAIT_S)
        return None

    def _look_for_topics(self, names: list[str], *, until_caught_up: bool) -> None:
        """A topic that is missing is waited for, and said; what is to end would wait for ever: raises CommandError."""
        for name in topics_missing(kafka=settings.KAFKA, names=names):
            if until_caught_up:
                where = settings.KAFKA["bootstrap.servers"]
                raise CommandError(f"The broker at {where} has no topic {name!r}; Telara's: manage.py create_topics")
            log.warning("consumer.topic_missing", topic=name, error="waiting for it; Telara's: manage.py create_topics")

    def _run(self, service: Service, stopping: Stopping, *, until_caught_up: bool) -> None:
        log.info("consumer.started", consumer=service.name)
        sys.setswitchinterval(SWITCH_S)
        memory_keep()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        while not stopping:
            service.step()
            if until_caught_up and service.is_caught_up():
                break
        service.stop()
        log.info("consumer.stopped", consumer=service.name)
