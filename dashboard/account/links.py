"""Links of mails: the secret goes into the session, and so is in no address from which anything is fetched or sent."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from devices import sealing

_HELD: Final = "link:{}"  # in the session, sealed
_SEALED: Final = {"salt": "dashboard.account.links", "purpose": "link of a mail"}


def link_hold(request: HttpRequest, name: str, secret: str) -> HttpResponse:
    """Keep the secret of the link to the route `name` in the session, and lead on to the same address without it."""
    request.session[_HELD.format(name)] = sealing.seal(secret, **_SEALED)
    return _unnamed(redirect(name))


def link_held(request: HttpRequest, name: str) -> str:
    """The secret of the link that was opened last; empty where none was."""
    try:
        return sealing.unseal(request.session.get(_HELD.format(name), ""), **_SEALED)
    except sealing.UnreadableError:
        return ""


def link_over(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page that says that a link holds no more."""
    return _unnamed(render(request, template, context, status=404))


def _unnamed(answer: HttpResponse) -> HttpResponse:
    """Nothing that is fetched or opened from here learns the address."""
    answer["Referrer-Policy"] = "no-referrer"
    return answer
