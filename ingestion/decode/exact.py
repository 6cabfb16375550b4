"""The exact way to judge one message: every rule of the event contract, spelled out.

The fast columnar way (`columns`) accepts only what is plainly good and leaves all else to this module, so that both
have one verdict.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from devices.metrics import METRICS, Metric
from devices.models.person import USER_ID_PATTERN
from ingestion.decode.verdicts import Accepted, Code, Limits, Rejected

MAX_BYTES: Final = 64 * 1024
MAX_STRING: Final = 64
MAX_SOURCES: Final = 16
YEAR_LIKE_0: Final = 4  # a leap year, which datetime has
MAX_AHEAD: Final = timedelta(minutes=5)
REQUIRED: Final = ("event_id", "timestamp", "user_id")
GROUPS: Final = ("vitals", "activity", "sleep", "environment")
KNOWN: Final = {*REQUIRED, "device_sources", *GROUPS}
BY_GROUP: Final = {g: {m.field: m for m in METRICS.values() if m.group == g} for g in GROUPS}

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_USER_ID = re.compile(USER_ID_PATTERN.rstrip("$") + r"\Z")
# Control characters, and surrogates, which no UTF-8 can hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


def judge(payload: bytes, *, received_at: datetime, limits: Limits) -> Accepted | Rejected:
    """The verdict on one message that the broker received at `received_at` (aware)."""
    if len(payload) > MAX_BYTES:
        return Rejected(Code.TOO_LARGE)
    try:
        event = parse_json(payload)
    except ValueError:
        return Rejected(Code.MALFORMED_JSON)
    return judge_event(event, received_at=received_at, limits=limits)


def parse_json(payload: bytes) -> Any:
    """UTF-8 JSON, all numbers as floats; NaN and infinities are let through, to be refused as values.

    Raises ValueError for anything else, nesting too deep to read included.
    """
    try:
        return json.loads(payload.decode("utf-8"), parse_int=float)
    except RecursionError:
        raise ValueError("nested too deep") from None


def judge_event(event: Any, *, received_at: datetime, limits: Limits) -> Accepted | Rejected:
    """The verdict on one parsed event (`parse_json`)."""
    if not isinstance(event, dict):
        return Rejected(Code.WRONG_TYPE)
    fault = _missing(event) or _mistyped(event) or _bad_string(event)
    if fault:
        return fault
    recorded_at = parse_time(event["timestamp"])
    fault = _bad_time(recorded_at, received_at, limits) or _out_of_range(event)
    if fault:
        return fault
    assert isinstance(recorded_at, datetime)  # noqa: S101  # _bad_time refuses all else
    return Accepted(
        event_id=event["event_id"].lower(),
        recorded_at=recorded_at,
        user_id=event["user_id"],
        device_sources=tuple(event.get("device_sources") or ()),
        values={metric.name: value for metric, value in _leaves(event) if value is not None},
        unknown_fields=_unknown(event),
    )


def parse_time(text: str) -> datetime | Code:
    """An RFC 3339 time in UTC, cut to microseconds, or the code that says why it is none that can be kept."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return Code.BAD_TIMESTAMP
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micros = int((match[7] or "0")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0)) * (-1 if match[8] == "-" else 1)
    try:
        local = datetime(year or YEAR_LIKE_0, month, day, hour, minute, second, micros, tzinfo=timezone(offset))
        return local.astimezone(UTC) if year else Code.TOO_OLD
    except ValueError:
        return Code.BAD_TIMESTAMP
    except OverflowError:
        return Code.TOO_OLD if year == 1 else Code.FUTURE_TIMESTAMP


def _missing(event: Mapping[str, Any]) -> Rejected | None:
    return next((Rejected(Code.MISSING_FIELD, name) for name in REQUIRED if event.get(name) is None), None)


def _mistyped(event: Mapping[str, Any]) -> Rejected | None:
    fields = (
        *((name, _is_text(event[name])) for name in REQUIRED),
        ("device_sources", _is_sources(event.get("device_sources"))),
    )
    if not _is_uuid(event["event_id"]):
        return Rejected(Code.WRONG_TYPE, "event_id")
    for name, right in fields:
        if not right:
            return Rejected(Code.WRONG_TYPE, name)
    for group in GROUPS:
        fields_of_group = {} if event.get(group) is None else event[group]
        if not isinstance(fields_of_group, dict):
            return Rejected(Code.WRONG_TYPE, group)
        for field, metric in BY_GROUP[group].items():
            value = fields_of_group.get(field)
            if value is not None and not (_is_text(value) if metric.is_text else _is_number(value)):
                return Rejected(Code.WRONG_TYPE, metric.path)
    return None


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_sources(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and len(value) <= MAX_SOURCES and all(isinstance(item, str) for item in value)


def _bad_string(event: Mapping[str, Any]) -> Rejected | None:
    if _is_bad(event["timestamp"]):
        return Rejected(Code.BAD_STRING, "timestamp")
    if _USER_ID.match(event["user_id"]) is None:
        return Rejected(Code.BAD_STRING, "user_id")
    if any(_is_bad(source) for source in event.get("device_sources") or ()):
        return Rejected(Code.BAD_STRING, "device_sources")
    texts = ((metric, value) for metric, value in _leaves(event) if isinstance(value, str))
    return next((Rejected(Code.BAD_STRING, metric.path) for metric, value in texts if _is_bad(value)), None)


def _is_bad(text: str) -> bool:
    return len(text) > MAX_STRING or _UNPRINTABLE.search(text) is not None


def _bad_time(recorded_at: datetime | Code, received_at: datetime, limits: Limits) -> Rejected | None:
    if isinstance(recorded_at, Code):
        return Rejected(recorded_at, "timestamp")
    if recorded_at < limits.oldest:
        return Rejected(Code.TOO_OLD, "timestamp")
    if recorded_at > received_at + MAX_AHEAD:
        return Rejected(Code.FUTURE_TIMESTAMP, "timestamp")
    return None


def _out_of_range(event: Mapping[str, Any]) -> Rejected | None:
    systolic = None
    for metric, value in _leaves(event):
        if value is None:
            continue
        if metric.name == "blood_pressure_systolic":
            systolic = value
        crossed = metric.name == "blood_pressure_diastolic" and systolic is not None and value >= systolic
        if crossed or not within_bounds(metric, value):
            return Rejected(Code.OUT_OF_RANGE, metric.path)
    return None


def within_bounds(metric: Metric, value: Any) -> bool:
    """Whether a value of the right type may be stored, or means "not measured"."""
    if metric.is_text:
        return value in metric.choices
    above = value > metric.low if metric.low_open else value >= metric.low
    return value in metric.sentinels or (above and value <= metric.high)


def _leaves(event: Mapping[str, Any]) -> Iterator[tuple[Metric, Any]]:
    """Every metric with its value or None, in the order of the contract."""
    for metric in METRICS.values():
        yield metric, (event.get(metric.group) or {}).get(metric.field)


def _unknown(event: Mapping[str, Any]) -> int:
    inner = sum(len((event.get(group) or {}).keys() - BY_GROUP[group].keys()) for group in GROUPS)
    return len(event.keys() - KNOWN) + inner
