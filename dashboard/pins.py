"""Keeping a wearer in view: POST /wearers/ID/pin/ with `to` (on, off)."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from dashboard.answers import answer_done
from dashboard.wearer.views import person_of
from devices.pins import pin_set

if TYPE_CHECKING:
    from devices.models import User


@login_required
@require_POST
def pin(request: HttpRequest, user_id: str) -> HttpResponse:
    """Pinned people come before other calm ones on the overview, and into its charts."""
    viewer = cast("User", request.user)
    person = person_of(viewer, user_id)
    to = request.POST.get("to")
    if to not in ("on", "off"):
        return render(request, "400.html", {"exception": "Pinned or not: to=on, to=off."}, status=400)
    pin_set(viewer=viewer, person=person, pinned=to == "on", at=timezone.now())
    return answer_done(request, person, f"{person.shown_name} is {'pinned' if to == 'on' else 'no longer pinned'}")
