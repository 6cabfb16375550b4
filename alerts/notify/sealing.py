"""Where a channel leads is kept encrypted: a copy of the database tells it to nobody."""

from typing import Final

from devices import sealing
from devices.sealing import UnreadableError

__all__ = ["UnreadableError", "seal", "unseal"]
_SALT: Final = "alerts.notify.sealing"


def seal(text: str) -> str:
    """`text`, encrypted and authenticated, for a column."""
    return sealing.seal(text, salt=_SALT, purpose="channel")


def unseal(sealed: str) -> str:
    """What was sealed. Raises UnreadableError."""
    return sealing.unseal(sealed, salt=_SALT, purpose="channel")
