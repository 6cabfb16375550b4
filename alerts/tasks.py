"""What happens to alerts and summaries by the clock. Each may run twice, or late: what is due is decided by rows."""

from celery import shared_task
from django.utils import timezone

from alerts.notify.deliver import deliveries_forget, deliveries_send
from alerts.notify.incidents import AT_ONCE as ALERTS_AT_ONCE
from alerts.notify.incidents import incidents_update
from alerts.notify.notices import AT_ONCE as NOTICES_AT_ONCE
from alerts.notify.notices import notices_decide
from alerts.services.mutes import mutes_end
from alerts.services.rules import episodes_end_with_rules
from alerts.services.triage import snoozes_end
from alerts.summaries import HOURS_AT_ONCE, summaries_make

ROUNDS = 20  # bounded work a run; the next run goes on


@shared_task
def end_snoozes() -> None:
    """Give alerts whose snooze is over the triage they had before it, and take note of mutes that are over."""
    snoozes_end(at=timezone.now())
    mutes_end(at=timezone.now())


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


@shared_task
def tell() -> None:
    """Put incidents together, decide whom to tell of what, and send it."""
    try:
        for _ in range(ROUNDS):
            if incidents_update(at=timezone.now()) < ALERTS_AT_ONCE:
                break
        for _ in range(ROUNDS):
            if notices_decide(at=timezone.now()) < NOTICES_AT_ONCE:
                break
    finally:  # what is decided leaves, whatever becomes of the rest
        deliveries_send(at=timezone.now())


@shared_task
def forget_deliveries() -> None:
    """Forget the messages of a month ago."""
    deliveries_forget(at=timezone.now())
