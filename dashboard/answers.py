"""What an action on a wearer's page answers: with htmx a status and an event, else the way back to the page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_htmx.http import trigger_client_event

from devices.models import User


def answer_done(request: HttpRequest, wearer: User, text: str) -> HttpResponse:
    """It is done: 204 and the event `telara:triaged`."""
    return _answer(request, wearer, 204, "telara:triaged", text)


def answer_refused(request: HttpRequest, wearer: User, text: str) -> HttpResponse:
    """It could not be done: 409 and the event `telara:refused`."""
    return _answer(request, wearer, 409, "telara:refused", text)


def _answer(request: HttpRequest, wearer: User, status: int, event: str, text: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return trigger_client_event(HttpResponse(status=status), event, {"text": text, "undo": ""})
    messages.info(request, text)
    return HttpResponseRedirect(reverse("wearer", args=[wearer.username]))
