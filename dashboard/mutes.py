"""Planned activity of a wearer: POST /wearers/ID/mutes/ says that rules are to stay quiet until a time of day, and
POST /wearers/ID/mutes/N/end/ ends that early. Who may see a person may do so, and so may they themselves.

With htmx the answer is 204 and an event, as of `triage`; without it the answer leads back to the wearer's page.
"""

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from alerts.models import Mute
from alerts.services.mutes import MuteError, mute_add, mute_end
from dashboard.answers import answer_done, answer_refused
from dashboard.templatetags.telara import in_zone
from dashboard.wearer.views import person_of

if TYPE_CHECKING:
    from devices.models import User

_MINUTE: Final = timedelta(minutes=1)


@login_required
@require_POST
def mutes(request: HttpRequest, user_id: str) -> HttpResponse:
    """Form fields: `rules` (ids), `until` and, where it does not begin now, `from` (HH:MM, by the wearer's clock; the
    next such times, of which the minute that the clock shows is one), `why`."""
    by, at = cast("User", request.user), timezone.now()
    wearer = person_of(by, user_id)
    form, zone = request.POST, ZoneInfo(wearer.time_zone)
    try:
        starts_at = _next(form.get("from", ""), zone, after=at - _MINUTE) or at
        ends_at = _next(form.get("until", ""), zone, after=starts_at)
        if ends_at is None:
            raise MuteError("until", "Say until when, as 18:00.")
        why = form.get("why", "").replace("\x00", "").strip()
        mute = mute_add(
            wearer=wearer, rules=form.getlist("rules"), starts_at=starts_at, ends_at=ends_at, why=why, by=by, at=at
        )
    except MuteError as error:
        return answer_refused(request, wearer, str(error))
    count = len(mute.rules)
    begins = "" if mute.starts_at <= at else f"from {in_zone(mute.starts_at, wearer.time_zone)} "
    ends = in_zone(mute.ends_at, wearer.time_zone)
    told = f"{wearer.shown_name}: {count} rule{'' if count == 1 else 's'} quiet {begins}until {ends}"
    return answer_done(request, wearer, told)


@login_required
@require_POST
def mute_over(request: HttpRequest, user_id: str, mute_id: int) -> HttpResponse:
    """End it now."""
    by = cast("User", request.user)
    wearer = person_of(by, user_id)
    mute = Mute.objects.filter(pk=mute_id, user=wearer).first()
    if mute is None:
        raise Http404("There is no such planned activity.")
    try:
        mute_end(mute=mute, by=by, at=timezone.now())
    except MuteError as error:
        return answer_refused(request, wearer, str(error))
    return answer_done(request, wearer, f"{wearer.shown_name}: watched as usual again")


def _next(text: str, zone: ZoneInfo, *, after: datetime) -> datetime | None:
    """The next time that a clock in `zone` shows `text` (HH:MM); None for no text. Raises MuteError."""
    if not text:
        return None
    try:
        shown = time.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise MuteError("until", "Times are written as 18:00.") from None
    today = after.astimezone(zone).date()
    days = (datetime.combine(today + timedelta(days=each), shown, tzinfo=zone) for each in (0, 1, 2))
    return next(moment.astimezone(UTC) for moment in days if moment.astimezone(UTC) > after)
