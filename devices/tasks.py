"""What happens to readings and keys by the clock."""

from datetime import timedelta
from typing import cast

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from devices.baselines import baselines_drop, baselines_make
from devices.partitions import Span, any_older_than, drop_older_than, make_ahead
from devices.retention import windows_drop
from devices.tokens import tokens_drop_expired

log = structlog.get_logger(__name__)


@shared_task
def drop_old_readings() -> None:
    """Drop the partitions, the windows and the baselines that ended before the retention; without one, none.

    Partitions go last: a run that is killed before finds them again, and what goes with them.
    """
    if settings.TELARA_RETENTION_DAYS:
        limit = timezone.now() - timedelta(days=settings.TELARA_RETENTION_DAYS)
        baselines_drop(before=limit)
        if any_older_than(limit):
            windows_drop(before=limit)
            log.info("retention.partitions_dropped", partitions=drop_older_than(limit))


@shared_task
def make_partitions_ahead() -> None:
    """Make next week's partitions of readings."""
    made = make_ahead(timezone.now(), span=cast("Span", settings.TELARA_PARTITION_BY))
    if made:
        log.info("partitions.made", partitions=made)


@shared_task
def drop_expired_tokens() -> None:
    """Forget people's keys that no longer hold."""
    tokens_drop_expired(at=timezone.now())


@shared_task
def make_baselines() -> None:
    """Make tonight's baselines: of the 28 days before this hour, valid from midnight on. Made already, they stay."""
    people = baselines_make(as_of=timezone.now().replace(minute=0, second=0, microsecond=0))
    if people:
        log.info("baselines.made", people_count=people)
