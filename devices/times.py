"""Times as Telara writes them, and when something is due again."""

from datetime import UTC, datetime, timedelta, tzinfo


def rfc3339(at: datetime, zone: tzinfo = UTC) -> str:
    """`at` (aware) with the offset of `zone`, a Z where that is none: milliseconds, or microseconds where it has any.
    Raises ValueError if naive."""
    if at.tzinfo is None:
        raise ValueError("A time without zone.")
    timespec = "microseconds" if at.microsecond % 1000 else "milliseconds"
    written = at.astimezone(zone).isoformat(timespec=timespec)
    return f"{written.removesuffix('+00:00')}Z" if written.endswith("+00:00") else written


def is_due(last: datetime | None, *, every: timedelta, now: datetime) -> bool:
    """Whether `every` has passed since `last`, by a clock that may be set back: what is ahead of `now` was long ago."""
    return last is None or not timedelta() <= now - last < every
