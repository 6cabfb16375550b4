"""`/settings/`: one's own devices, keys, who sees one and who looked, exports, and the way out."""

from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dashboard.export.asked import asked_by
from dashboard.export.tables import tables
from dashboard.own.zones import ZoneField
from devices.erasures import erasure_of
from devices.metrics import CANONICAL
from devices.models import User, Verb
from devices.models.person import GLUCOSE_UNITS, TEMPERATURE_UNITS
from devices.rights.audit import audit_note, changes_between
from devices.rights.looks import looks_at, who_sees
from devices.rights.watching import teams_of

LOOKS_SHOWN: Final = 30


class Profile(forms.Form):
    """What one is called, and in which units and by which clock one reads."""

    display_name = forms.CharField(label="What others read as your name", max_length=64, required=False)
    glucose_unit = forms.ChoiceField(label="Glucose in", choices=GLUCOSE_UNITS)
    temperature_unit = forms.ChoiceField(label="Temperatures in", choices=TEMPERATURE_UNITS)
    time_zone = ZoneField(label="Time zone: times are shown by its clock, and what is usual for you is learned by it")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """GET /settings/, and POST of `display_name` and `time_zone`."""
    if request.method != "POST":
        return page(request)
    form = Profile(request.POST)
    if not form.is_valid():
        return page(request, status=400, profile=form)
    _save(cast("User", request.user), form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("settings")


def _save(user: User, wanted: dict[str, Any]) -> None:
    changes = changes_between({name: getattr(user, name) for name in wanted}, wanted)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(**wanted)
        if changes:
            audit_note(verb=Verb.PROFILE_CHANGED, person=user, changes=changes)


def page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    """The page, with what an action has to say on it: `secret` and `secret_of`, or `problem`."""
    user = cast("User", request.user)
    watchers, seers = who_sees(person=user)
    looks = list(looks_at(person=user)[: LOOKS_SHOWN + 1])
    context = {
        "page_title": "Settings",
        "profile": Profile(initial={name: getattr(user, name) for name in Profile.base_fields}),
        "devices": list(user.devices.order_by("kind", "external_id", "pk")),
        "tokens": list(user.api_tokens.filter(expires_at__gt=timezone.now()).order_by("-created_at")),
        "watchers": watchers,
        "teams": teams_of(wearer=user),
        "seers": seers,
        "looks": looks[:LOOKS_SHOWN],
        "has_more_looks": len(looks) > LOOKS_SHOWN,
        "files": list(tables(CANONICAL).values()),
        "asked": asked_by(user),
        "erasure": erasure_of(user=user),
    }
    return render(request, "settings.html", context | more, status=status)
