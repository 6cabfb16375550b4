"""Sending refused messages again: to their topics, with their keys, as the bytes that were kept."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.db import transaction

from devices.models import User, Verb
from devices.rights.audit import audit_note
from ingestion.models import QuarantinedMessage
from ingestion.page.inspector import why_not_again
from ingestion.send.producer import Outgoing, Producer

log = structlog.get_logger(__name__)
PATIENCE_S: Final = 5.0  # for the broker's acknowledgement


@dataclass(frozen=True, slots=True)
class SentAgain:
    """How many went, how many cannot, and how many the broker did not take: these may be tried again."""

    sent: int
    refused: int
    untaken: int


def messages_send_again(*, pks: Collection[int], by: User, at: datetime, producer: Producer) -> SentAgain:
    """Send those of these messages that can be sent, each once, and note on each when, by whom, and where it went.

    Under their locks: whoever sends the same ones at the same time passes them by. A process that is killed between
    the broker's answer and the note has sent them all the same; sent again, they are stored once.
    """
    with transaction.atomic():
        locked = QuarantinedMessage.objects.select_for_update(skip_locked=True, of=("self",))
        rows = [row for row in locked.filter(pk__in=pks).order_by("pk") if not why_not_again(row)]
        messages = [Outgoing(row.topic, bytes(row.key), bytes(row.payload)) for row in rows]
        landed = producer.land(messages, timeout_s=PATIENCE_S) if messages else []
        for row, place in zip(rows, landed, strict=True):
            if place is not None:
                row.sent_again_at, row.sent_again_by = at, by
                row.sent_again_partition, row.sent_again_offset = place
        sent = [row for row in rows if row.sent_again_at is not None]
        noted = ["sent_again_at", "sent_again_by", "sent_again_partition", "sent_again_offset"]
        QuarantinedMessage.objects.bulk_update(sent, noted)
        if sent:
            audit_note(verb=Verb.SENT_AGAIN, what=_numbers([row.pk for row in sent]), by=by, at=at)
    log.info("quarantine.sent_again", sent=len(sent), failed=len(rows) - len(sent), analyst=by.username)
    return SentAgain(len(sent), len(pks) - len(rows), len(rows) - len(sent))


def _numbers(pks: list[int]) -> str:
    """`3 refused messages: 4, 5, 9`."""
    return f"{len(pks)} refused message{'s' if len(pks) > 1 else ''}: {', '.join(map(str, pks))}"
