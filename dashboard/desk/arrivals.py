"""When an alert came to the list: what came since somebody read it is decided about by nobody, and waits in a bar."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from alerts.models import Alert
from alerts.models.alert import Triage

_UNDER_WAY: Final = timedelta(seconds=10)  # so long what was written may be committed, and seen, later


def drawn_as_of(*, now: datetime) -> datetime:
    """All that came until then is in a list that is read from `now` on; some of what came later is, too."""
    return now - _UNDER_WAY


def came_at(alert: Alert) -> datetime:
    """When it opened, was opened again by somebody, or its snooze or mute was over, whichever was last."""
    opened_again = alert.triaged_at if alert.triage == Triage.NEW else None
    return max(at for at in (alert.created_at, alert.renewed_at, opened_again) if at is not None)


def came_after(at: datetime) -> Q:
    """The alerts whose `came_at` is later."""
    return Q(created_at__gt=at) | Q(renewed_at__gt=at) | Q(triage=Triage.NEW, triaged_at__gt=at)
