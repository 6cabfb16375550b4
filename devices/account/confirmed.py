"""Whoever signs in, or shows once more who they are, counts as themselves for ten minutes: for what outlives a session,
or takes data along."""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

CONFIRMED: Final = "confirmed_until"  # in the session
CONFIRMED_FOR: Final = timedelta(minutes=10)
ONCE_MORE: Final = "Nothing was changed yet: press the button once more."


def confirm_note(request: HttpRequest) -> None:
    """It is they, as of now."""
    request.session[CONFIRMED] = (timezone.now() + CONFIRMED_FOR).isoformat()


def is_confirmed(request: HttpRequest) -> bool:
    until = request.session.get(CONFIRMED)
    return until is not None and timezone.now() < datetime.fromisoformat(until)


def confirm_first(request: HttpRequest, *, then: str, say: str = ONCE_MORE) -> HttpResponse:
    """Ask whether it is they, and lead to the address `then`, of ours, where `say` is read."""
    if say:
        messages.warning(request, say)
    return redirect(f"{reverse('security-confirm')}?{urlencode({'next': then})}")
