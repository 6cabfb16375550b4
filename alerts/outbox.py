"""The outbox: what must leave after a commit is written in the same transaction."""

from collections.abc import Iterable
from typing import Final

from django.db import connection
from django.db.transaction import TransactionManagementError

from alerts.models import Alert, OutboxEntry
from alerts.wire import alert_json

PIPELINE_KEY: Final = "#pipeline"  # no user_id can be this: they hold no #


def outbox_add(alerts: Iterable[Alert]) -> list[OutboxEntry]:
    """Write the present revision of `alerts` (rule and user selected) to the outbox; gives the entries.

    Runs in the transaction that changed them, raises TransactionManagementError outside one. An alert whose revision
    was not raised since it was last written raises IntegrityError.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("The outbox is written in the transaction that changed the alert.")
    entries = [
        OutboxEntry(
            alert_id=alert.alert_id,
            revision=alert.revision,
            key=alert.user_id_of_stream or PIPELINE_KEY,
            payload=alert_json(alert),
        )
        for alert in alerts
    ]
    return OutboxEntry.objects.bulk_create(entries, batch_size=500)
