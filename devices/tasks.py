"""What happens to readings and keys by the clock."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from devices.partitions import drop_older_than
from devices.tokens import tokens_drop_expired

log = structlog.get_logger(__name__)


@shared_task
def drop_old_readings() -> None:
    """Drop the partitions that ended before the retention; without one, none."""
    if settings.TELARA_RETENTION_DAYS:
        gone = drop_older_than(timezone.now() - timedelta(days=settings.TELARA_RETENTION_DAYS))
        if gone:
            log.info("retention.partitions_dropped", partitions=gone)


@shared_task
def drop_expired_tokens() -> None:
    """Forget people's keys that no longer hold."""
    tokens_drop_expired(at=timezone.now())
