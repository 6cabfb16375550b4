"""What must be read again, but not in a copy of the database, is kept encrypted: by a key made from SECRET_KEY."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


class UnreadableError(Exception):
    """It was sealed under a SECRET_KEY that is not there any more."""


def seal(text: str, *, salt: str, purpose: str) -> str:
    """`text`, encrypted and authenticated, for a column; each salt and purpose has a key of its own."""
    return _box(salt, purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, salt: str, purpose: str) -> str:
    """What was sealed, under this SECRET_KEY or one of SECRET_KEY_FALLBACKS. Raises UnreadableError."""
    try:
        return _box(salt, purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise UnreadableError(f"SECRET_KEY has changed since the {purpose} was made.") from None


def _box(salt: str, purpose: str) -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([_fernet(key, salt, purpose) for key in keys])


def _fernet(key: str | bytes, salt: str, purpose: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(salted_hmac(salt, purpose, key, algorithm="sha256").digest()))
