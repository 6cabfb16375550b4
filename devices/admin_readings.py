"""The admin's page of readings: of one person, over a span of time, by page, never counted.

A page of its own, because Django's admin cannot list a model whose key is made of several columns.
"""

from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from rest_framework.exceptions import ValidationError as ApiValidationError

from devices.admin_base import signed_in
from devices.metrics import METRICS
from devices.models import Look, Reading, User
from devices.paging import after, cursor_decoded, cursor_of
from devices.rights.looks import look_note
from devices.selectors import flag_names, readings_of, wearer_get

ROWS: Final = 100
KEYSET: Final = ("-recorded_at", "-event_id")


def _moment(name: str) -> AdminSplitDateTime:
    """A date and a time, each with a name of its own: the label names but the first."""
    widget = AdminSplitDateTime()
    for part, each in zip(("date", "time"), widget.widgets, strict=True):
        each.attrs["aria-label"] = f"{name}, {part}"
    return widget


class ReadingsForm(forms.Form):
    """Whose readings, and from when to when, by the clock of who asks."""

    person = forms.CharField(max_length=64, help_text="A user id.")
    since = forms.SplitDateTimeField(required=False, widget=_moment("Since"))
    until = forms.SplitDateTimeField(required=False, widget=_moment("Until"))


def readings(request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
    """Newest first; `context` is the admin site's. Raises PermissionDenied without the right to view readings."""
    user = signed_in(request)
    if not user.has_perm("devices.view_reading"):
        raise PermissionDenied
    form = ReadingsForm(request.GET or None)
    shown = {"form": form, "title": "Readings", "metrics": METRICS.values(), "rows": None, "opts": Reading._meta}
    if form.is_bound and form.is_valid():
        shown |= _page(request, form, user)
    return TemplateResponse(request, "admin/devices/readings.html", {**context, **shown})


def _page(request: HttpRequest, form: ReadingsForm, user: User) -> dict[str, Any]:
    wanted = form.cleaned_data
    try:
        wearer = wearer_get(user=user, user_id=wanted["person"])
        look_note(viewer=user, person_id=wearer.pk, way=Look.Way.PAGE, at=timezone.now())
        found = readings_of(wearer=wearer, since=wanted["since"], until=wanted["until"])
        if cursor := request.GET.get("cursor"):
            found = after(found, KEYSET, cursor_decoded(cursor, len(KEYSET)))
    except User.DoesNotExist:
        form.add_error("person", "There is no such person, or you may not see them.")
        return {}
    except ApiValidationError:
        form.add_error(None, "That page is not one of this list.")
        return {}
    rows = list(found.order_by(*KEYSET)[: ROWS + 1])
    shown = [(row, flag_names(row.flags), [getattr(row, name) for name in METRICS]) for row in rows[:ROWS]]
    query = request.GET.copy()
    if len(rows) > ROWS:
        query["cursor"] = cursor_of(rows[ROWS - 1], KEYSET)
    return {"rows": shown, "older": query.urlencode() if len(rows) > ROWS else ""}
