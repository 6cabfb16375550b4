"""Readings that nobody reads: a mishap for each minute in which no consumer lives, noted by the background worker."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from devices.background import Alone, tick_write
from ingestion.mishaps import mishap_note
from ingestion.models import PartitionLedger

EACH: Final = timedelta(minutes=1)


def company_look(*, at: datetime) -> None:
    """Note the tick of the background worker, and a mishap where another minute has gone without a consumer.

    An installation in which none has ever read anything is not disturbed.
    """
    with transaction.atomic():
        alone = tick_write(at=at)
        if _another_minute(alone) and PartitionLedger.objects.filter(next_offset__isnull=False).exists():
            mishap_note(event="no_consumer", at=at, text=_said(alone.now // EACH))


def _another_minute(alone: Alone) -> bool:
    return alone.now // EACH > alone.before // EACH


def _said(minutes: int) -> str:
    long = "a minute" if minutes == 1 else f"{minutes:,} minutes"
    return f"No stream worker has run for {long}: what comes in waits in Kafka, and nothing is judged."
