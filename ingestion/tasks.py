"""What leaves for Kafka, and what is forgotten, by the clock."""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from alerts.models import OutboxEntry
from devices.live import rights_changed
from ingestion.absence import absences_step
from ingestion.company import company_look
from ingestion.erasure import erasures_step
from ingestion.mishaps import mishaps_step
from ingestion.models import PipelineMinute, QuarantinedMessage
from ingestion.send.producer import Producer
from ingestion.send.publish import AlertPublisher, outbox_sweep, publisher_make
from ingestion.send.sending import producer_make
from ingestion.send.simulations import simulations_due, simulations_step

QUARANTINE_KEPT_FOR: Final = timedelta(days=14)
MINUTES_KEPT_FOR: Final = timedelta(days=7)
ROOM_PATIENCE_S: Final = 2.0
SENT_WITHIN_S: Final = 2.0  # what the broker has not taken by then, the sweep sends


@cache
def _publisher() -> AlertPublisher:
    """One a worker process, made when it is first needed: after the fork."""
    return publisher_make()


class _Patience:
    """How long simulations wait for room at the broker: until `ends`, of the monotonic clock."""

    ends = 0.0

    def is_over(self) -> bool:
        return time.monotonic() > self.ends


_patience = _Patience()


@cache
def _producer() -> Producer:
    """One a worker process, made when it is first needed: after the fork."""
    return producer_make(stopping=_patience.is_over)


@shared_task
def step_simulations() -> None:
    """Send what simulated people have measured since the last second."""
    if simulations_due(at=timezone.now()):
        _patience.ends = time.monotonic() + ROOM_PATIENCE_S
        simulations_step(producer=_producer(), topic=settings.TELARA_TOPIC_RAW, now=timezone.now())


@shared_task
def watch_absences() -> None:
    """Open and end the alerts of people of whom nothing is heard."""
    step = absences_step(topic=settings.TELARA_TOPIC_RAW, freshness=settings.TELARA_FRESHNESS, at=timezone.now())
    _send(step.outbox)


@shared_task
def watch_pipeline() -> None:
    """Open, continue and end the alerts of what befalls the pipeline, and note that this worker works."""
    at = timezone.now()
    company_look(at=at)
    _send(mishaps_step(at=at))


def _send(entries: Sequence[OutboxEntry]) -> None:
    if entries:
        _publisher().send(entries)
        _publisher().mark(at=timezone.now(), wait_s=SENT_WITHIN_S)


@shared_task
def sweep_outbox() -> None:
    """Send the changes of alerts that nobody has sent: what people decided, and what a killed consumer left behind."""
    outbox_sweep(_publisher(), now=timezone.now())


@shared_task
def carry_out_erasures() -> None:
    """Delete what is kept of people who asked for it, as far as that goes in a few seconds."""
    try:
        changed = erasures_step(now=timezone.now())
    except ExceptionGroup:
        rights_changed()  # of those that did go on
        raise
    if changed:
        rights_changed()


@shared_task
def drop_old_quarantine() -> None:
    """Forget messages that were refused two weeks ago, and what consumers did in the minutes of the week before."""
    QuarantinedMessage.objects.filter(received_at__lt=timezone.now() - QUARANTINE_KEPT_FOR).delete()
    PipelineMinute.objects.filter(minute__lt=timezone.now() - MINUTES_KEPT_FOR).delete()
