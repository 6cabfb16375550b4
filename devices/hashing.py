"""Secrets are kept as hashes."""

import hashlib
import secrets


def new_secret() -> str:
    """43 characters of 256 random bits."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """SHA-256, hexadecimal: the secrets are random and long, so that no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
