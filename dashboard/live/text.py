"""Frames as text."""

from typing import Any

import msgspec


def text_of(data: dict[str, Any]) -> str:
    """Compact JSON."""
    return msgspec.json.encode(data).decode()
