"""Whether the background worker works: it notes the time every few seconds, and how long it has seen no consumer.

Without it nobody is told of an alert, no snooze ends and no silence is noticed; without a consumer nothing is judged.
Each is seen by the other's absence: the worker raises an alert where no consumer lives, pages, `/health` and `/metrics`
say where the worker does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from devices.models import BackgroundTick, PipelineStatus

LATE_AFTER: Final = timedelta(seconds=30)  # it ticks every 5 s: six turns missed
CONSUMER_GONE: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Alone:
    """For how long no consumer had been seen, at this tick and at the one before; zero where one is seen."""

    before: timedelta
    now: timedelta


def tick_write(*, at: datetime) -> Alone:
    """Note that the background worker works. What went on while it was away, itself, is not counted."""
    with transaction.atomic():
        tick, _ = BackgroundTick.objects.select_for_update().get_or_create(pk=1, defaults={"at": at})
        before, is_back = tick.at, abs(at - tick.at) > LATE_AFTER  # or the clock was set back
        if PipelineStatus.objects.filter(updated_at__gt=at - CONSUMER_GONE, updated_at__lt=at + CONSUMER_GONE).exists():
            tick.alone_since = None
        elif tick.alone_since is None or is_back:
            tick.alone_since = before = at
        tick.at = at if is_back else max(at, before)
        tick.save()
    if tick.alone_since is None:
        return Alone(timedelta(), timedelta())
    return Alone(before - tick.alone_since, tick.at - tick.alone_since)


def ticked_at() -> datetime | None:
    """When the background worker last worked; None where it never did."""
    return BackgroundTick.objects.values_list("at", flat=True).first()
