"""What happens to alerts and summaries by the clock. Each may run twice, or late: what is due is decided by rows."""

from celery import shared_task
from django.utils import timezone

from alerts.services.rules import episodes_end_with_rules
from alerts.services.triage import snoozes_end
from alerts.summaries import HOURS_AT_ONCE, summaries_make

ROUNDS = 20  # bounded work a run; the next run goes on


@shared_task
def end_snoozes() -> None:
    """Give alerts whose snooze is over the triage they had before it."""
    snoozes_end(at=timezone.now())


@shared_task
def end_episodes_with_rules() -> None:
    """End what fires under rules that were changed or disabled."""
    episodes_end_with_rules(at=timezone.now())


@shared_task
def make_summaries() -> None:
    """Sum up the hours that are over or that changed, and their days."""
    for _ in range(ROUNDS):
        if summaries_make(at=timezone.now()) < HOURS_AT_ONCE:
            return
