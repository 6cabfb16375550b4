"""`/settings/security/`: how one signs in, and where one is signed in."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from dashboard.account.confirmed import confirmed
from dashboard.account.passkeys import hindrance
from devices.account.mail import email_of, mail_is_on, mail_undelivered
from devices.account.second_factor import codes_left, factors_of, must_have_one
from devices.account.sessions import session_end, sessions_end, sessions_of
from devices.models import User
from devices.sealing import UnreadableError


@login_required
def security(request: HttpRequest) -> HttpResponse:
    """GET /settings/security/."""
    return page(request)


def page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    """The page, with what an action has to say on it."""
    user = cast("User", request.user)
    factors = factors_of(user=user)
    must = must_have_one(user=user)
    verified, waited_for = email_of(user=user)
    context = {
        "page_title": "Security",
        "factors": factors,
        "codes_left": _codes_left(user) if factors.codes else 0,
        "must_have_one": must,
        "must_set_up": must and not factors.are_on,
        "is_last": len(factors.passkeys) + (factors.app is not None) == 1,
        "hindrance": hindrance(request),
        "sessions": sessions_of(user=user, this=request.session.session_key),
        "email": verified,
        "email_waited_for": waited_for,
        "mail_is_on": mail_is_on(),
        "undelivered": mail_undelivered(user=user),
        "tokens_count": user.api_tokens.filter(expires_at__gt=timezone.now()).count(),
    }
    return render(request, "account/security.html", context | more, status=status)


@require_POST
@confirmed
def session_over(request: HttpRequest, session_id: int) -> HttpResponse:
    """POST /settings/security/sessions/ID/end/."""
    if not session_end(user=cast("User", request.user), number=session_id):
        raise Http404("You have no such session.")
    messages.success(request, "Signed out there.")
    return redirect("security")


@require_POST
@confirmed
def others_over(request: HttpRequest) -> HttpResponse:
    """POST /settings/security/sessions/end-others/."""
    count = sessions_end(user=cast("User", request.user), but=request.session.session_key)
    others = "1 other session" if count == 1 else f"{count} other sessions"
    messages.success(request, f"Signed out of {others}." if count else "You are signed in nowhere else.")
    return redirect("security")


def _codes_left(user: User) -> int | None:
    """None where they are unreadable."""
    try:
        return len(codes_left(user=user))
    except UnreadableError:
        return None
