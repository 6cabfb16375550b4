"""What browser and server tell each other to make a passkey and to show one (WebAuthn); checked by fido2."""

import json
import re
import struct
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.mfa.webauthn.internal import auth
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from devices.account.second_factor import Factors
from devices.models import User

LONGEST: Final = 16_384  # characters of an answer; those of browsers have some hundred
BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")  # "public-key" too
# What is raised by bytes that no browser sends.
NOT_ONE: Final = (
    ValidationError, ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, OverflowError,
    struct.error, NotImplementedError,
)  # fmt: skip


def hindrance(request: HttpRequest) -> str:
    """Why no passkey can be made or shown at the address by which the site is reached here; empty where one can."""
    host = urlsplit(f"//{request.get_host()}")
    try:
        address = ip_address(host.hostname or "")
    except ValueError:
        return ""
    if not address.is_loopback:
        return "Passkeys need a name in the address of the site, and not numbers: ask whoever runs this Telara for one."
    named = f"http://localhost:{host.port}/" if host.port else "http://localhost/"
    return f"Passkeys need a name in the address: open {named} in place of {request.get_host()}, and log in there."


def options_to_make(user: User) -> dict[str, Any]:
    """What `navigator.credentials.create` is asked; the challenge stays in the session."""
    return dict(auth.begin_registration(user, passwordless=False))


def options_to_show(user: User, factors: Factors) -> dict[str, Any] | None:
    """What `navigator.credentials.get` is asked; None for who has no passkey."""
    return dict(auth.begin_authentication(user)) if factors.passkeys else None


def passkey_made(answer: str) -> dict[str, Any] | None:
    """The credential that the browser made for the challenge of this session, or None: what is needed later of it."""
    credential = _read(answer)
    if credential is None:
        return None
    try:
        auth.complete_registration(credential)
        inner = {name: _plain(credential["response"][name]) for name in ("clientDataJSON", "attestationObject")}
        return {name: _plain(credential[name]) for name in ("id", "rawId", "type")} | {"response": inner}
    except NOT_ONE:
        return None


def passkey_shown(user: User, answer: str) -> Any | None:
    """The passkey of `user` that signed the challenge of this session, or None."""
    credential = _read(answer)
    if credential is None:
        return None
    try:
        return auth.complete_authentication(user, credential)
    except NOT_ONE:
        return None


def _read(answer: str) -> dict[str, Any] | None:
    try:
        found = json.loads(answer[:LONGEST])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _plain(text: str) -> str:
    """It is kept in a column that does not take every text. Raises ValueError for one that is no base64url."""
    if not BASE64URL.fullmatch(text):
        raise ValueError
    return text
