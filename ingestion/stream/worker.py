"""The consumer put together: the worker, and what must happen around its batches."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

import structlog
from confluent_kafka import KafkaException
from django.conf import settings

from alerts.detection import Detected, Detection
from devices import live
from devices.failpoints import reach
from devices.partitions import Partitions, Span
from devices.times import is_due
from ingestion.decode.verdicts import limits_of
from ingestion.evaluate.evaluation import Evaluation
from ingestion.mishaps import mishap_note
from ingestion.send.publish import AlertPublisher, publisher_make
from ingestion.send.topics import topics_touch
from ingestion.stream.batch import Batch
from ingestion.stream.caughtup import CaughtUp
from ingestion.stream.consumer import DATABASE_ERRORS, Step, Worker
from ingestion.stream.listening import Listening, listened
from ingestion.stream.live import Newest
from ingestion.stream.pipeline import Outcome, Pipeline
from ingestion.stream.rejects import Rejects
from ingestion.stream.status import Status
from ingestion.stream.transport import Subscription, cluster_id
from ingestion.write.ledger import Owner
from ingestion.write.placement import Placement
from ingestion.write.writers import Writer

log = structlog.get_logger(__name__)
SWEEP_EVERY: Final = timedelta(seconds=5)
TIDY_EVERY: Final = timedelta(minutes=1)
STORM_PAUSE_S: Final = 1.0
EMBEDDED_PATIENCE: Final = timedelta(seconds=5)


@dataclass(slots=True)
class Service:
    """A worker, its status, and what leaves after its commits."""

    name: str
    worker: Worker
    status: Status
    newest: Newest
    publisher: AlertPublisher
    detection: Detection
    caught_up: CaughtUp
    listening: Listening
    placement: Placement
    now: Callable[[], datetime]
    swept_at: datetime
    tidied_at: datetime
    rejects: Rejects = field(default_factory=Rejects)
    storms: list[str] = field(default_factory=list)  # to be noted

    def step(self) -> None:
        """One step of the worker, and what follows from it."""
        step = self.worker.step()
        self._after(step)
        if self.storms:
            self.worker.rest(STORM_PAUSE_S)
        try:
            self._housekeeping()
        except DATABASE_ERRORS as error:
            log.warning("database.away", error=str(error).strip().split("\n")[0])
            time.sleep(0.5)

    def is_caught_up(self) -> bool:
        """Whether all that was sent to our topics is stored, by us or by others of the group."""
        try:
            return self.caught_up.check(now=self.now())
        except (*DATABASE_ERRORS, KafkaException) as error:
            log.warning("consumer.end_unknown", error=str(error).strip().split("\n")[0])
            return False

    def stop(self) -> None:
        """Finish the batch, leave the group, send what is left."""
        lag = self.worker.lag()
        self._after(self.worker.stop())
        try:
            self._announce(self.detection.flush(at=self.now()))
            self._note_mishaps(self.now())
            self.publisher.mark(at=self.now(), wait_s=5.0)
            self.status.leave(lag=lag, now=self.now())
        except DATABASE_ERRORS as error:  # whoever comes next makes up for it
            log.warning("database.away", error=str(error).strip().split("\n")[0])

    def _after(self, step: Step) -> None:
        for batch, outcome in step.outcomes:
            self.status.count(batch, outcome, now=self.now())
            self._publish(outcome)
            self.placement.look(batch, outcome.accepted, now=self.now())
            self._count_rejects(batch, outcome)
        for detected in step.aside:
            self._announce(detected)

    def _publish(self, outcome: Outcome) -> None:
        self.newest.add(outcome.stored)
        self._announce(outcome.detected)
        self.publisher.send_dead_letters(outcome.quarantined)
        reach("after_publish")

    def _announce(self, detected: Detected) -> None:
        vitals, news = self.newest.take(now=self.now(), is_behind=self.worker.is_behind), detected.news
        if vitals or news:
            live.announce(vitals=vitals, alerts=news)
        self.publisher.send(detected.outbox)

    def _housekeeping(self) -> None:
        now = self.now()
        self._note_mishaps(now)
        self._announce(self.detection.flush_due(at=now))
        if is_due(self.swept_at, every=SWEEP_EVERY, now=now) and self.listening.is_level(now=now):
            self.swept_at = now
            if all(listened(topic, at=now) for topic in self.caught_up.topics):  # others' people are swept, too
                self._announce(self.detection.sweep(at=now))
            for detected in self.worker.pass_time():
                self._announce(detected)
        if is_due(self.tidied_at, every=TIDY_EVERY, now=now):
            self.tidied_at = now
            self.worker.tidy()
        self.publisher.mark(at=now)
        self.listening.step(self.worker.positions(), now=now)
        self.status.report(positions=self.worker.positions(), lags=self.worker.lags(), now=now)

    def _count_rejects(self, batch: Batch, outcome: Outcome) -> None:
        said = self.rejects.count(len(batch), (row.reason for row in outcome.quarantined))
        if said:
            log.error("consumer.reject_storm", reason=said)
            self.storms.append(said)

    def _note_mishaps(self, now: datetime) -> None:
        """What is noted can be told by the worker; a storm at most every ten seconds."""
        if self.storms and self.rejects.is_due(now):
            mishap_note(event="reject_storm", at=now, text=self.storms[-1])
            self.rejects.told_at = now
        self.storms.clear()
        self.placement.settle(now=now)


def service_of(  # noqa: PLR0913  # its parts, each by name
    *, name: str, topics: tuple[str, ...], group: str, start: str, now: Callable[[], datetime],
    stopping: Callable[[], bool],
) -> Service:  # fmt: skip
    """The service as the settings describe it; raises KafkaException while the broker does not answer."""
    if settings.TELARA_KAFKA_EMBEDDED:  # it makes topics on first use, and assigns nothing of one that came later
        topics_touch(kafka=settings.KAFKA, names=topics)
    owner = Owner(name, group, cluster_id(settings.KAFKA, given=settings.TELARA_KAFKA_CLUSTER_ID))
    writer = Writer()
    detection = Detection(freshness=settings.TELARA_FRESHNESS, not_ours=writer.not_ours)
    detection.read_rules(at=now())
    pipeline = Pipeline(
        owner=owner,
        writer=writer,
        evaluation=Evaluation(detection=detection, freshness=settings.TELARA_FRESHNESS),
        partitions=Partitions(span=cast("Span", settings.TELARA_PARTITION_BY)),
        provision=settings.TELARA_UNKNOWN_USERS == "provision",
    )
    worker = Worker(
        subscription=_subscription(topics, group),
        owner=owner,
        pipeline=pipeline,
        start=start,
        limits=lambda: limits_of(settings.TELARA_RETENTION_DAYS, now=now()),
        now=now,
        stopping=stopping,
    )
    return Service(
        name=name,
        worker=worker,
        status=Status(consumer=name, started_at=now()),
        newest=Newest(),
        publisher=publisher_make(),
        detection=detection,
        caught_up=_caught_up(topics, owner),
        listening=Listening(settings.KAFKA, owner),
        placement=Placement(owner.cluster_id),
        now=now,
        swept_at=now(),
        tidied_at=now(),
    )


def _caught_up(topics: tuple[str, ...], owner: Owner) -> CaughtUp:
    return CaughtUp(
        topics=topics,
        kafka=settings.KAFKA,
        cluster_id=owner.cluster_id,
        patience=EMBEDDED_PATIENCE if settings.TELARA_KAFKA_EMBEDDED else timedelta(0),
    )


def _subscription(topics: tuple[str, ...], group: str) -> Subscription:
    return Subscription(
        topics=topics,
        group=group,
        protocol=settings.TELARA_KAFKA_GROUP_PROTOCOL,
        kafka=settings.KAFKA,
        messages=settings.TELARA_BATCH_MESSAGES,
        age=settings.TELARA_BATCH_AGE,
        has_topic_ids=not settings.TELARA_KAFKA_EMBEDDED,
    )
