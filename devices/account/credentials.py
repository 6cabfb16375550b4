"""Who calls, by the headers of a request or a handshake before anything else of it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie

from devices.account.second_factor import lacks_second_factor
from devices.hashing import secret_hash
from devices.models import User
from devices.tokens import device_find, token_find


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller came with; either may be empty."""

    session_key: str
    token: str

    @property
    def session(self) -> str:
        """The hash under which the end of the session is announced; empty without one."""
        return secret_hash(self.session_key) if self.session_key else ""


def credentials_of(headers: Mapping[bytes, bytes]) -> Credentials:
    """What the session's cookie and `Authorization: Token ...` say."""
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    keyword, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = secret.strip() if keyword.lower() == "token" else ""
    return Credentials(cookies.get(settings.SESSION_COOKIE_NAME, ""), token)


def person_find(*, credentials: Credentials, at: datetime) -> User | None:
    """The person who holds these credentials at `at`; a token goes before a session. Nobody, while they lack the second
    factor that they must have."""
    if credentials.token:
        token = token_find(secret=credentials.token, at=at)
        person = token.user if token else None
    else:
        person = _by_session(credentials.session_key)
    return None if person is None or lacks_second_factor(user=person) else person


def sender_find(*, credentials: Credentials, at: datetime) -> User | None:
    """The person who may send readings with these credentials: their own, or those of a device of theirs."""
    person = person_find(credentials=credentials, at=at)
    if person is None and credentials.token and (device := device_find(secret=credentials.token)):
        return device.user
    return person


def _by_session(session_key: str) -> User | None:
    if not session_key:
        return None
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    request = HttpRequest()
    request.session = store
    user = get_user(request)  # also checks that the password is still the one of the sign-in
    return user if isinstance(user, User) and user.is_active else None
