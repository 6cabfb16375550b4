"""Times inside the engine are whole microseconds since 1970 UTC; outside they are aware datetimes."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def length(of: timedelta) -> int:
    """A duration in microseconds."""
    return of // _MICROSECOND


def duration(of: timedelta) -> str:
    """As rule files write it: `90s`, `10m`."""
    seconds = int(of.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
