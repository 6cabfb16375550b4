"""The audit of alerts: who, when, from, to, why."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from alerts.models import Alert, AlertChange
from alerts.models.alert import Triage
from devices.models import User, Verb
from devices.rights.audit import Noted, audit_note_all

_NOTED_ELSEWHERE: Final = (
    "mute",
    "mute_end",
    "snooze_gone",
)  # as what was done to the mute, or to the alert that was snoozed


def change_of(  # noqa: PLR0913  # the columns of an audit row, each by name
    alert: Alert, *, action: str, at: datetime, was: str = "", became: str = "", by: User | None = None, note: str = ""
) -> AlertChange:
    """The row that tells of the change which gave `alert` its present revision; `by` is None for engine and clock."""
    return AlertChange(
        alert=alert,
        revision=alert.revision,
        at=at,
        by=by,
        action=action,
        was=str(was),
        became=str(became),
        note=note,
        until=alert.snoozed_until if became == Triage.SNOOZED else None,
    )


def audit_add(changes: Iterable[AlertChange]) -> None:
    """Write `changes`; what people decided stands in the audit log too. Raises IntegrityError where a revision was
    already told of."""
    written = AlertChange.objects.bulk_create(changes, batch_size=500)
    decided = [change for change in written if change.by is not None and change.action not in _NOTED_ELSEWHERE]
    for by, at in {(change.by, change.at) for change in decided if change.by is not None}:
        theirs = (change for change in decided if (change.by, change.at) == (by, at))
        audit_note_all(verb=Verb.DECIDED, noted=map(_noted, theirs), by=by, at=at)


def _noted(change: AlertChange) -> Noted:
    field = "assignee" if change.action == "assign" else "triage"
    changed = {field: (change.was, change.became)} if change.was != change.became else {}
    return Noted(change.alert.user, f"{change.action} alert {change.alert_id}", changed)
