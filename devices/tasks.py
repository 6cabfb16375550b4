"""What happens to readings and keys by the clock."""

from datetime import timedelta
from typing import Final, cast

import structlog
from celery import shared_task
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from devices.account.mail_out import mails_forget, mails_send
from devices.account.sessions import sessions_forget
from devices.alone import alone
from devices.baselines import baselines_drop, baselines_make
from devices.models import Look
from devices.partitions import Span, any_older_than, drop_older_than, make_ahead
from devices.retention import windows_drop
from devices.rights.audit import audit_drop
from devices.rights.invitations import invitations_forget
from devices.tokens import tokens_drop_expired

log = structlog.get_logger(__name__)
DROPPING: Final = 0x7E1A_0007  # advisory locks
MAKING_BASELINES: Final = 0x7E1A_0008
LOOKS_KEPT_FOR: Final = timedelta(days=365)


@shared_task
def drop_old_readings() -> None:
    """Drop the partitions, the windows and the baselines that ended before the retention; without one, none.

    Partitions go last: a run that is killed before finds them again, and what goes with them. A run that takes longer
    than an hour keeps the next one out.
    """
    with alone(DROPPING) as ours:
        if ours and settings.TELARA_RETENTION_DAYS:
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
    """Forget people's keys that no longer hold, and what was noted about who was to come by a link that does not."""
    tokens_drop_expired(at=timezone.now())
    invitations_forget(at=timezone.now())


@shared_task
def drop_old_looks() -> None:
    """Forget who looked at whose data more than a year ago."""
    Look.objects.filter(at__lt=timezone.now() - LOOKS_KEPT_FOR).delete()


@shared_task
def drop_old_audit() -> None:
    """Forget what stands in the audit log for longer than it is kept; without a limit nothing."""
    if settings.TELARA_AUDIT_DAYS:
        dropped = audit_drop(before=timezone.now() - timedelta(days=settings.TELARA_AUDIT_DAYS))
        if dropped:
            log.info("audit.dropped", rows=dropped)


@shared_task
def make_baselines() -> None:
    """Make tonight's baselines: of the 28 days before this hour, valid from midnight on. Made already, they stay.

    While one run is at it, the next leaves the people to it, and a place of the worker's to those who tell of alarms.
    """
    with alone(MAKING_BASELINES) as ours:
        if ours and (people := baselines_make(as_of=timezone.now().replace(minute=0, second=0, microsecond=0))):
            log.info("baselines.made", people_count=people)


@shared_task
def send_mails() -> None:
    """Send the mails about accounts that are due."""
    mails_send(at=timezone.now())


@shared_task
def forget_mails() -> None:
    """Forget the mails of a month ago."""
    mails_forget(at=timezone.now())


@shared_task
def forget_sessions() -> None:
    """Forget sessions that are over."""
    call_command("clearsessions")
    sessions_forget()
