"""GET /alerts/known/: what stands now, for a page that tells by a tone of what is new.

A page shows some alerts, or none; what it tells of may not hang on that. It reads this once it is connected, and again
whenever it was away.
"""

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.db.models import Case, IntegerField, Q, Value, When
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from alerts.models import Alert
from alerts.models.alert import EpisodeState, Severity, Triage
from dashboard.live.revision import revision_of

if TYPE_CHECKING:
    from devices.models import User

MOST: Final = 500
SOUNDING: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)  # the others have no tone, and are not known
_RANK: Final = Case(
    *(When(severity=severity, then=Value(place)) for place, severity in enumerate(SOUNDING)),
    output_field=IntegerField(),
)
_FIELDS: Final = {
    "alert_id": "alert_id",
    "revision": "revision",
    "alert_type": "alert_type",
    "user_id": "user__username",
    "severity": "severity",
    "class": "alert_class",
    "episode": "episode",
    "status": "triage",
    "quiet": "quiet",
}


@never_cache
@login_required
@require_GET
def known(request: HttpRequest) -> JsonResponse:
    """`alerts`: fields of the contract's alert, worst first, the newest of each severity first; `complete`: whether
    these are all; `revision`: that of all alerts as of then, or of a moment before."""
    user = cast("User", request.user)
    revision = revision_of(user=user, at=timezone.now())
    alerts = Alert.objects.visible_to(user).open()
    standing = alerts.filter(Q(episode=EpisodeState.FIRING) | Q(triage=Triage.SNOOZED), severity__in=SOUNDING)
    rows = standing.order_by(_RANK, "-created_at").values_list(*_FIELDS.values())[: MOST + 1]
    found: list[dict[str, Any]] = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
    return JsonResponse({"alerts": found[:MOST], "complete": len(found) <= MOST, "revision": revision})
