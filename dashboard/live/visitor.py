"""Who is at a socket, and whom they may see: by the session's cookie or `Authorization: Token ...`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie

from devices.hashing import secret_hash
from devices.models import User, named
from devices.tokens import token_find

Sight = frozenset[int] | Literal["everyone"]  # keys of people


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a socket came with; either may be empty."""

    session_key: str
    token: str

    @property
    def session(self) -> str:
        """The hash under which the end of the session is announced; empty without one."""
        return secret_hash(self.session_key) if self.session_key else ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in. `sees` is empty where the wearer they asked for is none of theirs."""

    username: str
    sees: Sight


def credentials_of(headers: Mapping[bytes, bytes]) -> Credentials:
    """What the headers of a handshake say."""
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    keyword, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = secret.strip() if keyword.lower() == "token" else ""
    return Credentials(cookies.get(settings.SESSION_COOKIE_NAME, ""), token)


def visitor_find(*, credentials: Credentials, only: str | None, at: datetime) -> Visitor | None:
    """Who holds these credentials at `at`, seeing all they may or only the wearer with the user_id `only`."""
    user = _by_token(credentials.token, at) if credentials.token else _by_session(credentials.session_key)
    return None if user is None else Visitor(user.username, sight_of(user, only))


def sight_of(user: User, only: str | None = None) -> Sight:
    """The keys of those whom `user` may see; narrowed to the user_id `only`, empty where that is nobody of theirs."""
    people = User.objects.visible_to(user)
    if only is not None:
        return frozenset(people.filter(named(only)).values_list("pk", flat=True))
    if user.is_active and user.has_perm("devices.view_all_wearers"):
        return "everyone"
    return frozenset(people.values_list("pk", flat=True))


def _by_token(secret: str, at: datetime) -> User | None:
    token = token_find(secret=secret, at=at)
    return token.user if token else None


def _by_session(session_key: str) -> User | None:
    if not session_key:
        return None
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    request = HttpRequest()
    request.session = store
    user = get_user(request)  # also checks that the password is still the one of the sign-in
    return user if isinstance(user, User) and user.is_active else None
