"""`/settings/delete/`: once more the second factor of who has one, else the password; then the own user_id by hand; a
day in which it can be taken back."""

from datetime import datetime, timedelta
from typing import Final, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dashboard.account.proof import Proof, factor_proof, password_proof, proof_page
from devices.account.second_factor import has_second_factor
from devices.erasures import erasure_ask, erasure_of, erasure_undo
from devices.models import User

PROVEN: Final = "erasure_proven_until"  # in the session: until when it counts as shown that it is they
PROVEN_FOR: Final = timedelta(minutes=10)
PROOFS: Final = {"code", "credential", "password"}
REFUSED: Final = Proof(status=400)
NOTHING: Final = Proof()


@login_required
@sensitive_post_parameters("code", "credential", "password")
def delete(request: HttpRequest) -> HttpResponse:
    """GET /settings/delete/, and POST of `code`, `credential` or `password`, then of `user_id`."""
    user = cast("User", request.user)
    if user.is_superuser and request.method == "POST":
        raise PermissionDenied("An account with every right is not deleted here.")
    if request.method == "POST" and PROOFS & request.POST.keys():
        return _prove(request, user)
    if request.method == "POST":
        return _ask(request, user)
    return _page(request)


@login_required
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """POST /settings/delete/undo/."""
    if erasure_undo(user=cast("User", request.user)):
        messages.success(request, "Nothing will be deleted.")
    return redirect("settings")


def _prove(request: HttpRequest, user: User) -> HttpResponse:
    password = request.POST.get("password", "")
    proof = factor_proof(request, user) if has_second_factor(user=user) else password_proof(request, user, password)
    if not proof.is_right:
        return _page(request, proof=proof)
    request.session[PROVEN] = (timezone.now() + PROVEN_FOR).isoformat()
    return redirect("settings-delete")


def _ask(request: HttpRequest, user: User) -> HttpResponse:
    if not _is_proven(request):
        return _page(request, proof=REFUSED, wrong="Show first that it is you.")
    if request.POST.get("user_id", "").strip() != user.username:
        return _page(request, proof=REFUSED, wrong=f"Type {user.username}, to the letter.")
    erasure_ask(user=user, at=timezone.now(), grace=settings.TELARA_ERASURE_GRACE)
    del request.session[PROVEN]
    messages.success(request, "Asked for. Until it begins you can take it back.")
    return redirect("settings")


def _is_proven(request: HttpRequest) -> bool:
    until = request.session.get(PROVEN)
    return until is not None and timezone.now() < datetime.fromisoformat(until)


def _page(request: HttpRequest, *, proof: Proof = NOTHING, wrong: str = "") -> HttpResponse:
    user = cast("User", request.user)
    context = {
        "page_title": "Delete everything",
        "erasure": erasure_of(user=user),
        "is_proven": _is_proven(request),
        "wrong": wrong,  # about something else than the proof
        "grace_hours": settings.TELARA_ERASURE_GRACE.total_seconds() / 3600,
    }
    return proof_page(request, "settings_delete.html", user, proof, **context)
