"""What leaves for Kafka, and what is forgotten, by the clock."""

from datetime import timedelta
from functools import cache
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from ingestion.models import QuarantinedMessage
from ingestion.publish import AlertPublisher, outbox_sweep

QUARANTINE_KEPT_FOR: Final = timedelta(days=14)


@cache
def _publisher() -> AlertPublisher:
    """One a worker process, made when it is first needed: after the fork."""
    return AlertPublisher(kafka=settings.KAFKA, topic=settings.TELARA_TOPIC_ALERTS)


@shared_task
def sweep_outbox() -> None:
    """Send the changes of alerts that nobody has sent: what people decided, and what a killed consumer left behind."""
    outbox_sweep(_publisher(), now=timezone.now())


@shared_task
def drop_old_quarantine() -> None:
    """Forget messages that were refused two weeks ago."""
    QuarantinedMessage.objects.filter(received_at__lt=timezone.now() - QUARANTINE_KEPT_FOR).delete()
