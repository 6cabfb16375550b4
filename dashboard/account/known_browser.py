"""Whether somebody has signed in with this browser before: a cookie says so, and nothing else can be told honestly.

It holds a keyed hash for each of the last few people who signed in there, so that nobody makes one up. Of a browser
that forgot its cookies its person is told once more, and of each once the password is another one: whoever knew the
one before may have signed in with theirs.
"""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from devices.account.browsers import browser_of
from devices.account.mail_news import news_note
from devices.models import User, Verb

COOKIE: Final = "telara_known"
KEPT_FOR: Final = timedelta(days=400)  # browsers keep none for longer
MOST: Final = 8  # people of one browser


def browser_note(request: HttpRequest, answer: HttpResponse, user: User) -> None:
    """`user` has just come in: they are told by mail where this browser is new, and it is known from now on."""
    if not browser_keep(request, answer, user):
        news_note(user=user, verb=Verb.SIGNED_IN, what=browser_of(request.headers.get("User-Agent", "")))


def browser_keep(request: HttpRequest, answer: HttpResponse, user: User) -> bool:
    """This browser is known from now on, until the password of `user` is another one; whether it was before."""
    person = f"{user.pk} {user.password}"
    mine = salted_hmac("dashboard.account.known_browser", person, algorithm="sha256").hexdigest()[:32]
    known = request.COOKIES.get(COOKIE, "").split(".")[:MOST]
    others = [each for each in known if each and each != mine and each.isalnum() and each.isascii() and len(each) == 32]
    answer.set_cookie(
        COOKIE,
        ".".join([mine, *others][:MOST]),
        max_age=KEPT_FOR,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        path=settings.SESSION_COOKIE_PATH,
    )
    return any(constant_time_compare(mine, each) for each in known)
