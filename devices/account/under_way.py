"""A sign-in under way: the password was right, and the second factor is asked for. Its session says whose it is, and
which password that was, so that it ends with them."""

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from devices.models import User

UNDER_WAY: Final = "sign_in_under_way"  # in the session


def under_way_note(request: HttpRequest, user: User) -> None:
    """`user` has just given their password."""
    request.session[UNDER_WAY] = {"person": str(user.pk), "password": user.get_session_auth_hash()}


def under_way_drop(request: HttpRequest) -> None:
    """They are in, or begin anew."""
    request.session.pop(UNDER_WAY, None)


def is_under_way(request: HttpRequest, user: User) -> bool:
    """Whether `user`, as they are now, still has the password that was given."""
    given = request.session.get(UNDER_WAY, {}).get("password", "")
    return constant_time_compare(given, user.get_session_auth_hash())


def under_way_of(session: Mapping[str, Any]) -> str | None:
    """The key, as text, of the person whose sign-in is under way in that session."""
    person: str | None = session.get(UNDER_WAY, {}).get("person")
    return person
