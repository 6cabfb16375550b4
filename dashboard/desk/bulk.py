"""POST /triage/bulk/ACTION/: one decision about many alerts of the list: those ticked, or all that it held when
it was drawn.

Answers as `triage` does for one; `undo` is POST /triage/bulk/undo/?at=TIME, of what was decided then.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from alerts.models import Alert
from alerts.models.alert import CloseReason
from alerts.selectors import alerts_triageable, assignable
from alerts.services.assignment import alerts_assign
from alerts.services.triage import UNDONE, Triaged, alerts_acknowledge, alerts_close, alerts_snooze
from alerts.services.undo import alerts_undo
from dashboard.desk.arrivals import came_after
from dashboard.desk.query import matching, read_query
from dashboard.lists import BadQueryError
from dashboard.triage import BadFormError, minutes_of, note_of
from devices.models import User

MOST_AT_ONCE: Final = 500
Form = Mapping[str, str]
Decide = Callable[[list[Alert], User, datetime, Form], Triaged]


class UnfitError(Exception):
    """These alerts cannot be decided about together; the text says why."""


@login_required
@require_POST
def bulk(request: HttpRequest, action: str) -> HttpResponse:
    """Form fields: `alert` (ids); `all` with `query` (the list's address behind the question mark) and `as_of` (what
    came to it later is left alone, unless it is ticked); `minutes` (snooze), `reason` (close), `to` (assign: a name,
    empty for nobody), `note`; `at` (undo)."""
    user, at = cast("User", request.user), timezone.now()
    if action not in ACTIONS:
        raise Http404(action)
    decide, done = ACTIONS[action]
    try:
        chosen = [] if action == "undo" else _chosen(user, request.POST)
        triaged = decide(chosen, user, at, request.GET.dict() | request.POST.dict())
    except (BadFormError, BadQueryError) as error:
        return HttpResponseBadRequest(str(error))
    except UnfitError as error:
        return _answer(request, 409, "telara:refused", str(error))
    if not triaged.changed and not triaged.already:
        return _answer(request, 409, "telara:refused", said(triaged, done))
    can_undo = action in (*UNDONE, "assign") and triaged.changed
    undo = f"{reverse('bulk', args=['undo'])}?{urlencode({'at': at.isoformat()})}" if can_undo else ""
    return _answer(request, 204, "telara:triaged", said(triaged, done), undo)


def said(triaged: Triaged, done: str) -> str:
    """What came of it, in a sentence; the reasons of what did not fit, each once."""
    text = f"{len(triaged.changed)} {done}"
    if triaged.already:
        text += f", {len(triaged.already)} already so"
    if triaged.refused:
        reasons = list(dict.fromkeys(refusal.message for refusal in triaged.refused))
        text += f", {len(triaged.refused)} not: {' '.join(reasons[:3])}"
    return text


def _chosen(user: User, form: QueryDict) -> list[Alert]:
    """The alerts meant, of those that `user` may triage. Raises BadFormError, BadQueryError, UnfitError."""
    mine = alerts_triageable(user=user).values("pk")
    meant = Q(pk__in=[_uuid(text) for text in form.getlist("alert")[: MOST_AT_ONCE + 1]])
    if form.get("all"):
        query = read_query(QueryDict(form.get("query", "").removeprefix("?")).dict())
        rows = matching(user=user, query=query)
        meant |= Q(pk__in=rows.exclude(came_after(_moment(form, "as_of", "when the list was drawn"))).values("pk"))
    chosen = list(Alert.objects.filter(meant, pk__in=mine).select_related("user")[: MOST_AT_ONCE + 1])
    if not chosen:
        raise UnfitError("None of these is yours to decide about.")
    if len(chosen) > MOST_AT_ONCE:
        raise UnfitError(f"More than {MOST_AT_ONCE}: narrow the list first.")
    return chosen


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadFormError("alert: ids of alerts") from None


def _acknowledge(alerts: list[Alert], by: User, at: datetime, form: Form) -> Triaged:
    return alerts_acknowledge(alerts=alerts, by=by, at=at, note=note_of(form))


def _snooze(alerts: list[Alert], by: User, at: datetime, form: Form) -> Triaged:
    if len({alert.alert_class for alert in alerts}) > 1:
        raise UnfitError("Snooze clinical and technical alerts apart.")
    return alerts_snooze(alerts=alerts, by=by, at=at, until=at + minutes_of(form), note=note_of(form))


def _close(alerts: list[Alert], by: User, at: datetime, form: Form) -> Triaged:
    if form.get("reason") not in CloseReason.values:
        raise BadFormError(f"reason: one of {', '.join(CloseReason.values)}")
    return alerts_close(alerts=alerts, by=by, at=at, reason=CloseReason(form["reason"]), note=note_of(form))


def _assign(alerts: list[Alert], by: User, at: datetime, form: Form) -> Triaged:
    name = form.get("to", "")
    to = next(iter(assignable(user=by, only=name)), None) if name else None
    if name and to is None:
        raise BadFormError("to: somebody who watches these people")
    return alerts_assign(alerts=alerts, to=to, by=by, at=at, note=note_of(form))


def _undo(_: list[Alert], by: User, at: datetime, form: Form) -> Triaged:
    return alerts_undo(by=by, decided_at=_moment(form, "at", "when it was decided"), at=at)


def _moment(form: Form, name: str, what: str) -> datetime:
    try:
        at = datetime.fromisoformat(form.get(name, ""))
    except ValueError:
        raise BadFormError(f"{name}: {what}") from None
    if at.tzinfo is None:
        raise BadFormError(f"{name}: {what}, with its zone")
    return at


ACTIONS: Final[Mapping[str, tuple[Decide, str]]] = MappingProxyType(
    {
        "acknowledge": (_acknowledge, "acknowledged"),
        "snooze": (_snooze, "snoozed"),
        "close": (_close, "closed"),
        "assign": (_assign, "given away"),
        "undo": (_undo, "taken back"),
    }
)


def _answer(request: HttpRequest, status: int, event: str, text: str, undo: str = "") -> HttpResponse:
    if request.headers.get("HX-Request"):
        return trigger_client_event(HttpResponse(status=status), event, {"text": text, "undo": undo})
    messages.info(request, text)
    return HttpResponseRedirect(reverse("alerts"))
