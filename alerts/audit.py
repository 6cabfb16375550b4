"""The audit of alerts: who, when, from, to, why."""

from collections.abc import Iterable
from datetime import datetime

from alerts.models import Alert, AlertChange
from devices.models import User


def change_of(  # noqa: PLR0913  # the columns of an audit row, each by name
    alert: Alert, *, action: str, at: datetime, was: str = "", became: str = "", by: User | None = None, note: str = ""
) -> AlertChange:
    """The row that tells of the change which gave `alert` its present revision; `by` is None for engine and clock."""
    return AlertChange(
        alert_id=alert.alert_id,
        revision=alert.revision,
        at=at,
        by=by,
        action=action,
        was=str(was),
        became=str(became),
        note=note,
    )


def audit_add(changes: Iterable[AlertChange]) -> None:
    """Write `changes`. Raises IntegrityError where a revision was already told of."""
    AlertChange.objects.bulk_create(changes, batch_size=500)
