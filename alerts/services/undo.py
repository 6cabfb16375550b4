"""Taking back what was decided about many alerts at once."""

from datetime import datetime

from alerts.models import Alert, AlertChange
from alerts.selectors import alerts_triageable
from alerts.services.assignment import assignment_undo
from alerts.services.triage import UNDONE, Refusal, Triaged, TriageError, alert_undo
from devices.models import User


def alerts_undo(*, by: User, decided_at: datetime, at: datetime) -> Triaged:
    """Take back what `by` decided at `decided_at`, of each alert where that is still the last word and theirs to
    decide."""
    theirs = alerts_triageable(user=by).values("pk")
    decided = AlertChange.objects.filter(by=by, at=decided_at, action__in=(*UNDONE, "assign"), alert__in=theirs)
    changed: list[Alert] = []
    refused: list[Refusal] = []
    for change in decided.select_related("alert__user").order_by("alert"):
        try:
            undo = assignment_undo if change.action == "assign" else alert_undo
            changed.append(undo(alert=change.alert, by=by, at=at, revision=change.revision))
        except TriageError as error:
            refused.append(error.refusal)
    return Triaged(changed=tuple(changed), refused=tuple(refused))
