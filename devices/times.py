"""Times as Telara writes them."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """`at` (aware) in UTC with a Z: milliseconds, or microseconds where it has any. Raises ValueError if naive."""
    if at.tzinfo is None:
        raise ValueError("A time without zone.")
    timespec = "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"
