"""What befalls the pipeline itself: noted where it is seen, and made into alerts by one task.

A mishap is a row until the task has taken it, in one transaction with the alert that it opened or continued.
"""

from datetime import datetime
from typing import Final, cast

from django.db import connection, transaction

from alerts.engine.rule import PipelineEvent
from alerts.mishaps import Befallen, mishaps_write
from alerts.models import OutboxEntry
from alerts.notify.failures import failures_take
from alerts.rule_versions import pipeline_rules
from devices.failpoints import reach
from ingestion.models import Mishap

LOCK: Final = 0x7E1A_0004  # advisory lock: beat may fire twice, the second one leaves
AT_ONCE: Final = 1_000
LONGEST_TEXT: Final = 500


def mishap_note(*, event: PipelineEvent, at: datetime, text: str, count: int = 1) -> None:
    """Write down what befell the pipeline; `text` is a sentence, `count` how often it happened at once."""
    Mishap.objects.create(event=event, at=at, text=text[:LONGEST_TEXT], count=count)


def mishaps_step(*, at: datetime) -> list[OutboxEntry]:
    """Make alerts of what was noted and of messages that failed, and end those that are over.

    What nobody asks for is forgotten. In one transaction; nothing where somebody else is at it.
    """
    with transaction.atomic():
        if not _is_mine():
            return []
        rows = list(Mishap.objects.select_for_update(skip_locked=True).order_by("at", "pk")[:AT_ONCE])
        befallen = [Befallen(cast("PipelineEvent", row.event), row.at, row.count, row.text) for row in rows]
        befallen += failures_take(at=at)
        outbox = mishaps_write(pipeline_rules(at), befallen, at=at)
        Mishap.objects.filter(pk__in=[row.pk for row in rows]).delete()
        reach("mishap_before_commit")
    reach("mishap_after_commit")
    return outbox


def _is_mine() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])
