"""What a page compares with the `alerts_revision` of statuses, to know whether it missed a push (see revision.js)."""

from datetime import datetime
from typing import Any, Final

from django.db.models import Sum, TextField, Window
from django.db.models.functions import Cast

from alerts.models import Alert
from dashboard.live.figures import changed_alerts
from devices.models import User
from devices.times import rfc3339

KNOWN_MOST: Final = 1000


def revision_of(*, user: User, at: datetime) -> dict[str, Any]:
    """`sum`, as statuses say it at `at` of what `user` may see, `known`: the revisions it is made of by id, of the
    alerts that changed last, and when the last of them did (`changed_at`; null without any)."""
    alerts = Alert.objects.visible_to(user).filter(changed_alerts(at)).annotate(sum_=Window(Sum("revision")))
    rows = alerts.annotate(text=Cast("alert_id", TextField())).order_by("-changed_at")
    newest = list(rows.values_list("text", "revision", "changed_at", "sum_")[:KNOWN_MOST])  # those that go on changing
    return {
        "sum": newest[0][3] if newest else 0,
        "known": {alert_id: revision for alert_id, revision, _, _ in newest},
        "changed_at": rfc3339(newest[0][2]) if newest else None,
    }
