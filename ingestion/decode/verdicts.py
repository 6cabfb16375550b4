"""What can become of a message: accepted, or rejected with a stable code and the first field at fault."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Code(StrEnum):
    """Why a message was refused, in the order in which the reasons are tried."""

    TOO_LARGE = "too_large"
    MALFORMED_JSON = "malformed_json"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_STRING = "bad_string"
    BAD_TIMESTAMP = "bad_timestamp"
    TOO_OLD = "too_old"
    FUTURE_TIMESTAMP = "future_timestamp"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_USER = "unknown_user"
    STORAGE_REFUSED = "storage_refused"
    ERASED_USER = "erased_user"  # kept without its bytes: whoever it is about was forgotten


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event as it was sent: values by flat name, sentinels still in place, absent ones missing."""

    event_id: str  # 36 characters, lower case
    recorded_at: datetime  # aware, UTC
    user_id: str
    device_sources: tuple[str, ...]
    values: dict[str, float | str]
    unknown_fields: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why an event was refused. `field` is its path (`vitals.heart_rate`), empty where it is the whole message."""

    code: Code
    field: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What depends on the installation: nothing recorded before `oldest` (aware) is taken."""

    oldest: datetime = field(default=datetime.fromisoformat("2000-01-01T00:00:00+00:00"))


def limits_of(retention_days: int, *, now: datetime) -> Limits:
    """Nothing older than the retention is taken; 0 keeps all since 2000."""
    oldest = datetime(2000, 1, 1, tzinfo=UTC)
    return Limits(oldest=max(oldest, now - timedelta(days=retention_days)) if retention_days else oldest)
