"""Times as Telara writes them, and when something is due again."""

from datetime import UTC, datetime, timedelta


def rfc3339(at: datetime) -> str:
    """`at` (aware) in UTC with a Z: milliseconds, or microseconds where it has any. Raises ValueError if naive."""
    if at.tzinfo is None:
        raise ValueError("A time without zone.")
    timespec = "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def is_due(last: datetime | None, *, every: timedelta, now: datetime) -> bool:
    """Whether `every` has passed since `last`, by a clock that may be set back: what is ahead of `now` was long ago."""
    return last is None or not timedelta() <= now - last < every
