"""POST /triage/ALERT/ACTION/: what people decide about an alert, from whichever page shows it, and
POST /triage/technical/snooze/: silence for all technical ones.

With htmx the answer is 204 and an event: `telara:triaged` {alert_id, status, text, undo} or, with 409,
`telara:refused` {alert_id, text}. Without it the answer leads back to where the form was.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from alerts.models import Alert
from alerts.models.alert import AlertClass, CloseReason, EpisodeState, Triage
from alerts.selectors import alert_get, alerts_triageable, may_triage
from alerts.services.triage import (
    NOTE_LENGTH,
    UNDONE,
    TriageError,
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_reopen,
    alert_snooze,
    alert_undo,
    alerts_snooze,
)
from devices.models import User
from devices.reader import clock_shown

Decide = Callable[[Alert, User, datetime, Mapping[str, str]], Alert]


class BadFormError(ValueError):
    """The form lacks what the action needs."""


@login_required
@require_POST
def triage(request: HttpRequest, alert_id: UUID, action: str) -> HttpResponse:
    """Form fields: `minutes` (snooze), `reason` (close), `revision` (undo), `note`; `next`: where to, without htmx."""
    user = cast("User", request.user)
    decide = ACTIONS.get(action)
    if decide is None:
        raise Http404(action)
    alert = _alert(user, alert_id)
    was = alert.triage
    try:
        alert = decide(alert, user, timezone.now(), request.GET.dict() | request.POST.dict())
    except TriageError as error:
        return _answer(request, alert, 409, "telara:refused", {"text": str(error)})
    except BadFormError as error:
        return HttpResponseBadRequest(str(error))
    except Alert.DoesNotExist:  # its person was erased meanwhile
        raise Http404(alert_id) from None
    told = {"text": _said(alert, action), "status": alert.triage, "undo": _undo(alert, Triage(was), action)}
    return _answer(request, alert, 204, "telara:triaged", told)


@login_required
@require_POST
def snooze_technical(request: HttpRequest) -> HttpResponse:
    """Silence every technical alert that fires and that nobody looks after; clinical ones stay as they are.

    Form field: `minutes`; those that may not be silenced for so long are left alone, and counted.
    """
    user, at = cast("User", request.user), timezone.now()
    try:
        until = at + minutes_of(request.POST)
    except BadFormError as error:
        return HttpResponseBadRequest(str(error))
    technical = alerts_triageable(user=user).filter(alert_class=AlertClass.TECHNICAL, triage=Triage.NEW)
    firing = technical.filter(episode=EpisodeState.FIRING).select_related("user")
    triaged = alerts_snooze(alerts=firing, by=user, at=at, until=until)
    count = len(triaged.changed)
    text = f"{count} technical alert{'' if count == 1 else 's'} snoozed until {clock_shown(until)}"
    if triaged.refused:
        text += f"; {len(triaged.refused)} may not be silenced for so long"
    if request.headers.get("HX-Request"):
        return trigger_client_event(HttpResponse(status=204), "telara:triaged", {"text": text, "undo": ""})
    messages.info(request, text)
    return HttpResponseRedirect(reverse("overview"))


def _alert(user: User, alert_id: UUID) -> Alert:
    try:
        alert = alert_get(user=user, alert_id=alert_id)
    except Alert.DoesNotExist:
        raise Http404(alert_id) from None
    if not may_triage(user=user, alert=alert):
        raise PermissionDenied("Nobody decides about their own alerts.")
    return alert


def _answer(request: HttpRequest, alert: Alert, status: int, event: str, told: Mapping[str, Any]) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return trigger_client_event(HttpResponse(status=status), event, {"alert_id": str(alert.pk), **told})
    messages.info(request, str(told["text"]))
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = reverse("overview")
    return HttpResponseRedirect(back)


def _said(alert: Alert, action: str) -> str:
    words = {
        "acknowledge": "acknowledged by you",
        "close": f"closed: {alert.get_close_reason_display().lower()}",
        "reopen": "open again",
        "comment": "note added",
        "undo": "acknowledged as before" if alert.triage == Triage.ACKNOWLEDGED else "open again",
    }
    if action == "snooze" and alert.snoozed_until:
        words["snooze"] = f"snoozed until {clock_shown(alert.snoozed_until)}"
    return f"{alert.title}, {alert.whose}: {words[action]}"


def _undo(alert: Alert, was: Triage, action: str) -> str:
    """Where a POST takes it back; empty where nothing does."""
    if was == alert.triage or action not in UNDONE or was not in (Triage.NEW, Triage.ACKNOWLEDGED):
        return ""
    return f"{reverse('triage', args=[alert.pk, 'undo'])}?revision={alert.revision}"


def note_of(form: Mapping[str, str]) -> str:
    """The note that a form brings, as it may be kept."""
    return form.get("note", "").replace("\x00", "").strip()[:NOTE_LENGTH]


def _snooze(alert: Alert, by: User, at: datetime, form: Mapping[str, str]) -> Alert:
    return alert_snooze(alert=alert, by=by, at=at, until=at + minutes_of(form), note=note_of(form))


def minutes_of(form: Mapping[str, str]) -> timedelta:
    """How long a form asks to snooze for; raises BadFormError."""
    minutes = form.get("minutes", "")
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 4 and 1 <= int(minutes) <= 24 * 60):
        raise BadFormError("minutes: a whole number from 1 to 1440")
    return timedelta(minutes=int(minutes))


def _close(alert: Alert, by: User, at: datetime, form: Mapping[str, str]) -> Alert:
    if form.get("reason") not in CloseReason.values:
        raise BadFormError(f"reason: one of {', '.join(CloseReason.values)}")
    return alert_close(alert=alert, by=by, at=at, reason=CloseReason(form["reason"]), note=note_of(form))


def _take_back(alert: Alert, by: User, at: datetime, form: Mapping[str, str]) -> Alert:
    revision = form.get("revision", "")
    if not revision.isascii() or not revision.isdigit() or len(revision) > 9:
        raise BadFormError("revision: the one that the decision gave the alert")
    return alert_undo(alert=alert, by=by, at=at, revision=int(revision))


def _comment(alert: Alert, by: User, at: datetime, form: Mapping[str, str]) -> Alert:
    if not note_of(form):
        raise BadFormError("note: a sentence")
    return alert_comment(alert=alert, by=by, at=at, note=note_of(form))


ACTIONS: Final[Mapping[str, Decide]] = MappingProxyType(
    {
        "acknowledge": lambda alert, by, at, form: alert_acknowledge(alert=alert, by=by, at=at, note=note_of(form)),
        "snooze": _snooze,
        "close": _close,
        "reopen": lambda alert, by, at, form: alert_reopen(alert=alert, by=by, at=at, note=note_of(form)),
        "comment": _comment,
        "undo": _take_back,
    }
)
